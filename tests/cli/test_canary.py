"""A regression is told from a change, and a wrong baseline from both."""

from __future__ import annotations

import json

import pytest

from keras_attn.cli.main import main
from keras_attn.serving import ServingError

SOURCES = [f"the cat number {i} sat on the old mat" for i in range(30)]
REFERENCES = [f"die Katze Nummer {i} lag auf der alten Matte" for i in range(30)]


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Runs the command against a server that answers with the given translations."""
    (tmp_path / "source").write_text("".join(f"{line}\n" for line in SOURCES))
    (tmp_path / "reference").write_text("".join(f"{line}\n" for line in REFERENCES))
    baseline = tmp_path / "baseline.json"

    def run(translations, *options):
        class Client:
            def __init__(self, *arguments, **settings):
                run.settings = settings

            def __enter__(self):
                return self

            def __exit__(self, *details):
                pass

            def translate(self, sources):
                assert sources == SOURCES
                if translations is None:
                    raise ServingError(14, "no answer")
                return list(translations)

        monkeypatch.setattr("keras_attn.serving.ServingClient", Client)
        files = ["--source", str(tmp_path / "source"), "--reference", str(tmp_path / "reference")]
        command = ["canary", "http://localhost:1", "m", *files, "--baseline", str(baseline)]
        status = main([*command, *options])
        return status, capsys.readouterr()

    run.baseline = baseline
    return run


def test_the_same_translations_are_no_regression(ask) -> None:
    assert ask(REFERENCES, "--record")[0] == 0
    status, output = ask(REFERENCES)
    assert status == 0
    assert "changed: 0 of 30" in output.out and "no regression" in output.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--significance", "0"], "`--significance` must be between 0 and 1. Received: 0.0."),
        (["--significance", "nan"], "`--significance` must be between 0 and 1. Received: nan."),
        (["--bleu-tokenizer", "13b"], "`--bleu-tokenizer` must be one of sacreBLEU's tokenizers"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(ask, options, message) -> None:
    ask(REFERENCES, "--record")
    status, output = ask(None, *options)  # the server would not answer
    assert status == 2 and message in output.err


@pytest.mark.parametrize("translations", [None, 3, ["one"], [None] * 30, "x" * 30])
def test_a_baseline_without_all_translations_is_damaged(ask, translations) -> None:
    ask(REFERENCES, "--record")
    content = json.loads(ask.baseline.read_text())
    ask.baseline.write_text(json.dumps({**content, "translations": translations}))
    status, output = ask(REFERENCES)
    assert status == 2 and "`--baseline` is damaged" in output.err
    ask.baseline.write_text(json.dumps({**content, "sources": 3}))
    assert "`--baseline` is damaged" in ask(REFERENCES)[1].err


def test_a_server_that_does_not_answer_is_named(ask) -> None:
    status, output = ask(None, "--record")
    assert status == 1 and "error: " in output.err and "no answer" in output.err
    assert "unexpected" not in output.err


def test_a_regression_has_exit_status_1(ask) -> None:
    ask(REFERENCES, "--record")
    worse = [line.replace("alten Matte", "neuen Bank") for line in REFERENCES]
    status, output = ask(worse, "--json", "--label", "canary")
    result = json.loads(output.out)
    assert status == 1 and result["is_worse"] and len(result["changed"]) == 30
    assert result["bleu"]["after"] < 80 < result["bleu"]["before"]
    assert ask.settings == {"version": None, "label": "canary"}
    assert "a regression" in ask(worse)[1].out


def test_a_change_of_one_line_is_none(ask) -> None:
    ask([*REFERENCES[:-1], "die Katze schlief"], "--record")
    slightly = [*REFERENCES[:-1], "die Katze schlaft"]
    status, output = ask(slightly)
    assert status == 0 and "changed: 1 of 30" in output.out


def test_better_translations_are_no_regression(ask) -> None:
    ask([line.replace("alten", "neuen") for line in REFERENCES], "--record")
    assert ask(REFERENCES)[0] == 0


def test_wrong_baselines(ask) -> None:
    assert "Run the command once with --record" in ask(REFERENCES)[1].err
    for content, message in (
        ("{", "is damaged"),
        ('{"format": 1}', "is damaged"),
        (json.dumps({"format": 1, "sources": ["x"], "translations": ["y"]}), "of 1 other lines"),
    ):
        ask.baseline.write_text(content)
        status, output = ask(REFERENCES)
        assert status == 2 and message in output.err


def test_a_recording_never_overwrites_the_test_set(ask, tmp_path) -> None:
    status, output = ask(REFERENCES, "--record", "--baseline", str(tmp_path / "source"))
    assert status == 2 and "`--baseline` must not be a file of another argument" in output.err
    assert (tmp_path / "source").read_text().splitlines() == SOURCES
