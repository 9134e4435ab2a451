"""The page at `/`: what it is made of, and what a reader sees of it in Chromium."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

import keras_attn.serving.server

PAGE = Path(keras_attn.serving.server.__file__).parent / "page"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason='needs Chromium (apt-get install chromium) and `pip install "keras_attn[dev]"`',
)
LINE = "Where is the station?"


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_files_ask_nobody_else_and_need_nothing_inline(path) -> None:
    content = path.read_text(encoding="utf-8")
    found = re.findall(r"(?:https?:)?//[a-z][^\s\"'`)]*", content)
    allowed = {"http://www.w3.org/2000/svg"}
    assert [one for one in found if one not in allowed and "//host:8501" not in one] == []
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", content)
    assert "eval(" not in content and "innerHTML" not in content


def test_every_file_is_served_with_its_type(server) -> None:
    status, page = server.request("/")
    assert status == 200 and '<meta name="models" content="[&quot;nonsense&quot;]">' in page
    for path in PAGE.iterdir():
        if path.name != "index.html":
            assert server.request(f"/{path.name}") == (200, path.read_text(encoding="utf-8"))
    for path in ("/page/", "/../setup.py", "/%2e%2e/rest.py", "/index.html/../../rest.py"):
        assert server.request(path)[0] == 404


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """The page, opened. What it says to the console, or asks elsewhere, is an error."""
    faults: list[str] = []
    context = browser.new_context(locale="en-US", viewport={"width": 1100, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    yield page
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []


def expected(server, signature: str, line: str) -> dict:
    body = {"signature_name": signature, "instances": [line]}
    return server.request("/v1/models/nonsense:predict", body)[1]["predictions"][0]


@needs_browser
class TestInChromium:
    def test_a_sentence_is_translated_as_one_pauses(self, page, server) -> None:
        from playwright.sync_api import expect

        page.keyboard.type(LINE)  # the field has the focus from the start
        text = expected(server, "serving_default", LINE)["translation"]
        expect(page.locator("#translation")).to_have_text(text, timeout=60_000)
        expect(page.locator("#latency")).to_have_text(re.compile(r"^\d+ ms"))
        best = expected(server, "n_best", LINE)["translations"]
        cells = page.locator("#n-best tbody td:first-child")
        expect(cells).to_have_text([one for one in best if one], timeout=60_000)
        expect(page.locator("#words .word").first).to_be_visible()
        confidence = expected(server, "translate_with_stats", LINE)["confidence"]
        expect(page.locator("#confidence-value")).to_have_text(f"{100 * confidence:.0f}%")

    def test_attention_lights_up_under_the_keyboard_alone(self, page, server) -> None:
        from playwright.sync_api import expect

        page.keyboard.type(LINE)
        expect(page.locator("#links svg")).to_be_visible(timeout=60_000)
        seen = expected(server, "attention", LINE)
        # Bytes have no mark of a blank: each is a word, but the blanks themselves.
        words = [one for one in seen["source_pieces"][: seen["source_length"]] if one.strip()]
        expect(page.locator("#links .end[data-source]")).to_have_count(len(words))
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.locator(".end:focus").count():
                break
        expect(page.locator(".end:focus")).to_have_count(1)
        expect(page.locator(".link.dim, .cell.dim").first).to_be_attached()
        label = page.locator(".end:focus").get_attribute("aria-label")
        assert re.fullmatch(r".+: .+ \d+%, .+ \d+%, .+ \d+%", label)
        page.locator("#layer").select_option(label="1")
        page.locator("#head").select_option(label="2")
        cell = page.locator(".cell[data-target='0'][data-source='0']")
        weight = seen["attention"][0][1][0][0]
        assert float(cell.get_attribute("fill-opacity")) == pytest.approx(weight, abs=1e-4)

    def test_several_lines_and_no_line(self, page, server) -> None:
        from playwright.sync_api import expect

        page.keyboard.type(f"{LINE}\nx")
        lines = [expected(server, "serving_default", one)["translation"] for one in (LINE, "x")]
        translation = page.locator("#translation")
        expect(translation).to_have_text("\n".join(lines), timeout=60_000)
        expect(page.locator("#latency")).to_contain_text("details of line 2")
        page.locator("#source").fill("")
        expect(translation).to_be_empty()
        expect(page.locator("#details")).to_be_hidden()

    def test_both_languages(self, page) -> None:
        from playwright.sync_api import expect

        expect(page.locator("h1")).to_have_text("Try a translation model")
        page.locator("#language").click()
        expect(page.locator("h1")).to_have_text("\u7ffb\u8a33\u30e2\u30c7\u30eb\u3092\u8a66\u3059")
        assert page.locator("html").get_attribute("lang") == "ja"

    def test_a_telephone_needs_no_scrolling_sideways(self, page) -> None:
        from playwright.sync_api import expect

        page.set_viewport_size({"width": 360, "height": 700})
        page.keyboard.type(LINE)
        expect(page.locator("#links svg")).to_be_visible(timeout=60_000)
        root = page.locator("html")
        assert root.evaluate("element => element.scrollWidth <= element.clientWidth")


@needs_browser
def test_an_error_of_the_server_is_shown(browser, server) -> None:
    from playwright.sync_api import expect

    page = browser.new_page()
    page.goto(f"{server.url}/?model=other")
    page.keyboard.type(LINE)
    message = "Servable not found for request: Latest(other)"
    expect(page.locator("#error")).to_have_text(message, timeout=60_000)
    page.close()
