"""Every line of every file once, in its place, as the translator says; or no output at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import keras_attn
from keras_attn.bulk import BulkError, pipeline, translate_files
from keras_attn.bulk.bulk_report import BulkReport
from keras_attn.translator import Translation, Translator

module = sys.modules["keras_attn.bulk.translate_files"]
# Local, and without looking for a program of Beam's in the network. The second one tries a bundle
# that failed again, up to four times.
QUICK = ["--runner=FnApiRunner"]
RETRYING = ["--runner=BundleBasedDirectRunner"]
# Text and end of each line of each file.
FILES = {
    "a.en": [
        *((f"line {number} " + "x" * (number % 23), b"\n") for number in range(57)),
        ("", b"\n"),
        (" ", b"\n"),
        ("ends without a line feed", b""),
    ],
    "b.en": [],
    "c.en": [
        ("windows", b"\r\n"),
        ("", b"\r\n"),
        ("a\u2028b\x0bc\x85d\re", b"\n"),
        ("\ufeffno mark here", b"\n"),
        ("größer 東京 🙂", b"\n"),
        ("very long " * 300, b"\n"),
    ],
    "d.en": [(f"{number}", b"\n") for number in range(31)],
}
LINES = [line for lines in FILES.values() for line in lines]
load = Translator.load


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 10 lines: some files have many, and most shards begin inside one."""
    monkeypatch.setattr(module, "BLOCK_LINES", 10)


@pytest.fixture(autouse=True)
def loaded_before(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One translator for all tests, whose graphs are traced once; some load their own."""
    monkeypatch.setattr(Translator, "load", lambda directory, num_beams: translator)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with the files; one has a byte order mark."""
    directory = tmp_path / "data"
    directory.mkdir()
    for name, lines in FILES.items():
        content = b"".join(text.encode() + end for text, end in lines)
        directory.joinpath(name).write_bytes((b"\xef\xbb\xbf" if name == "c.en" else b"") + content)
    return directory


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An empty directory for the output."""
    directory = tmp_path / "out"
    directory.mkdir()
    return directory


@pytest.fixture
def translate(translator_directory: Path, data: Path, output: Path) -> Callable[..., BulkReport]:
    """Translates some files of `data`, or all, to shards that begin with `de`."""

    def translate(*names: str, **options: Any) -> BulkReport:
        inputs = [str(data / name) for name in names or ["*"]]
        options = {"options": QUICK, **options}
        return translate_files(translator_directory, inputs, str(output / "de"), **options)

    return translate


@pytest.fixture(scope="module")
def expected(translator: Translator) -> dict[str, Translation]:
    """What the translator says of each line, one call for all of them."""
    texts = [text for text, _ in LINES]
    return dict(zip(texts, translator.translate_detailed(texts), strict=True))


def one_line(translation: Translation) -> bytes:
    """The text of a translation on one line."""
    return translation.text.replace("\n", " ").replace("\r", " ").encode()


def shard_names(prefix: str, number: int) -> list[str]:
    """The names that the shards of an output must have."""
    return [f"{prefix}-{shard:05d}-of-{number:05d}" for shard in range(number)]


def test_each_file_has_a_shard_with_its_lines_and_their_ends(
    translate: Callable[..., BulkReport], output: Path, expected: dict[str, Translation]
) -> None:
    report = translate("*.en")
    names = shard_names("de", 4)
    assert report.shards == tuple(str(output / name) for name in names)
    for name, lines in zip(names, FILES.values(), strict=True):
        content = b"".join(one_line(expected[text]) + end for text, end in lines)
        assert output.joinpath(name).read_bytes() == content
    assert sorted(path.name for path in output.iterdir()) == [*names, "de.report.json"]


@pytest.mark.parametrize("num_shards", [1, 3, 120])
def test_shards_are_equal_stretches_of_all_lines(
    num_shards: int,
    translate: Callable[..., BulkReport],
    output: Path,
    expected: dict[str, Translation],
) -> None:
    translate(*FILES, num_shards=num_shards)
    contents = [(output / name).read_bytes() for name in shard_names("de", num_shards)]
    # Between files a line without a line feed gets one, or two lines would become one.
    content = b"".join(one_line(expected[text]) + (end or b"\n") for text, end in LINES)
    assert b"".join(contents) == content
    sizes = [shard.count(b"\n") for shard in contents]
    assert sum(sizes) == len(LINES)
    assert max(sizes) - min(sizes) <= 1


def test_the_last_of_all_lines_keeps_its_end(
    translate: Callable[..., BulkReport], data: Path, output: Path
) -> None:
    for name in ("1", "2"):
        data.joinpath(name).write_bytes(b"a\nb")
    translate("1", "2", num_shards=1)
    (name,) = shard_names("de", 1)
    content = (output / name).read_bytes()
    assert content.count(b"\n") == 3
    assert not content.endswith(b"\n")


def test_line_ids_and_scores_stand_before_the_translation(
    translator_directory: Path,
    data: Path,
    output: Path,
    expected: dict[str, Translation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data)
    translate_files(
        translator_directory,
        ["a.en", str(data / "d.en")],
        str(output / "de"),
        num_shards=2,
        scores=True,
        line_ids=True,
        options=QUICK,
    )
    content = b"".join((output / name).read_bytes() for name in shard_names("de", 2))
    rows = [line.split(b"\t", 3) for line in content.split(b"\n")]
    assert rows.pop() == [b""]
    sources = [
        (name.encode(), str(number).encode(), text)
        for name, lines in (("a.en", FILES["a.en"]), (str(data / "d.en"), FILES["d.en"]))
        for number, (text, _) in enumerate(lines, start=1)
    ]
    assert [(file, number) for file, number, _, _ in rows] == [each[:2] for each in sources]
    assert [text for *_, text in rows] == [one_line(expected[text]) for *_, text in sources]
    # The last digits depend on which lines share a batch.
    scores = [float(score) for _, _, score, _ in rows]
    assert scores == pytest.approx([expected[text].score for *_, text in sources], abs=1e-4)
    assert all(len(score.split(b".")[1]) == 6 for _, _, score, _ in rows)


def test_what_was_empty_or_cut_is_counted(
    translate: Callable[..., BulkReport],
    output: Path,
    expected: dict[str, Translation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = []

    def run(pipeline: Any) -> None:
        results.append(pipeline.run())
        results[0].wait_until_finish()

    monkeypatch.setattr(module, "_run", run)
    report = translate()
    translations = [expected[text] for text, _ in LINES]
    wanted = {
        "lines": len(LINES),
        "empty": 3,
        "truncated": sum(each.truncated for each in translations),
        "with_breaks": sum("\n" in each.text or "\r" in each.text for each in translations),
        "with_returns": sum("\r" in text for text, _ in LINES),
    }
    assert wanted["truncated"] > 0
    assert vars(report.counts) == wanted
    assert BulkReport.read(str(output / "de.report.json")) == report
    assert json.loads((output / "de.report.json").read_text())["empty"] == 3
    counters = {
        counter.key.metric.name: counter.result
        for counter in results[0].metrics().query()["counters"]
        if counter.key.metric.name in wanted
    }
    assert counters == wanted


def test_beams_are_changed_as_on_the_command_line(
    translate: Callable[..., BulkReport],
    translator_directory: Path,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Translator, "load", load)
    translate("d.en", num_beams=3, scores=True)
    translator = load(translator_directory)
    translator.decoding = keras_attn.decoding.BeamSearch(num_beams=3)
    wanted = translator.translate_detailed([text for text, _ in FILES["d.en"]])
    (name,) = shard_names("de", 1)
    rows = [line.split(b"\t", 1) for line in (output / name).read_bytes().split(b"\n")[:-1]]
    assert [text for _, text in rows] == [one_line(each) for each in wanted]
    scores = [float(score) for score, _ in rows]
    assert scores == pytest.approx([each.score for each in wanted], abs=1e-4)


def failing_once(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """A function that does its work and then fails, the first time; and how often it was called."""
    calls: list[int] = []

    def attempt(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if isinstance(result, Iterator):
            result = list(result)
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the machine went away")
        return result

    return attempt, calls


@pytest.mark.parametrize(
    "names",
    [["translate_detailed", "write_parts", "merge_parts"], ["publish", "give_name"]],
    ids=["the parts", "the files"],
)
def test_what_is_tried_again_is_there_once(
    names: list[str],
    translate: Callable[..., BulkReport],
    output: Path,
    expected: dict[str, Translation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = {}
    for name in names:
        owner = Translator if name == "translate_detailed" else pipeline
        attempt, calls[name] = failing_once(getattr(owner, name))
        monkeypatch.setattr(owner, name, attempt)
    report = translate(num_shards=3, options=RETRYING)
    assert all(len(each) > 1 for each in calls.values())
    shards = shard_names("de", 3)
    content = b"".join((output / each).read_bytes() for each in shards)
    wanted = b"".join(one_line(expected[text]) + (end or b"\n") for text, end in LINES)
    assert content == wanted
    assert report.counts.lines == len(LINES)
    assert sorted(path.name for path in output.iterdir()) == [*shards, "de.report.json"]


@pytest.mark.parametrize(("step", "options"), [("write_parts", QUICK), ("merge_parts", RETRYING)])
def test_a_run_that_fails_for_good_leaves_nothing(
    step: str,
    options: list[str],
    translate: Callable[..., BulkReport],
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, calls = getattr(pipeline, step), []

    def fail_at_the_second(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise OSError("no space left\non this device")
        return work(*arguments)

    monkeypatch.setattr(pipeline, step, fail_at_the_second)
    with pytest.raises(BulkError, match=r"^The pipeline failed: .*on this device$"):
        translate(options=options)
    assert list(output.iterdir()) == []


def test_the_model_is_loaded_once(
    translate: Callable[..., BulkReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []

    def counting(directory: Path, num_beams: int | None) -> Translator:
        loads.append(directory)
        return load(directory)

    monkeypatch.setattr(Translator, "load", counting)
    workers = ["--direct_num_workers=3", "--direct_running_mode=multi_threading"]
    translate(options=[*QUICK, *workers])
    assert len(loads) == 1


@pytest.mark.slow
def test_workers_may_be_processes_of_their_own(
    translate: Callable[..., BulkReport], output: Path, expected: dict[str, Translation]
) -> None:
    workers = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    translate("d.en", options=[*QUICK, *workers])
    (name,) = shard_names("de", 1)
    wanted = b"".join(one_line(expected[text]) + end for text, end in FILES["d.en"])
    assert (output / name).read_bytes() == wanted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"inputs": "data/a.en"}, "`inputs` must be a sequence"),
        ({"inputs": []}, "`inputs` must be a sequence"),
        ({"inputs": 7}, "`inputs` must be a sequence"),
        ({"inputs": ["data/*.fr"]}, r"data/\*\.fr"),
        ({"inputs": ["data"]}, "`inputs` must be files that exist"),
        ({"inputs": ["data/a.en", "data/*"]}, "data/a.en twice"),
        ({"inputs": ["nosuch://a/b"]}, "`inputs` must be on a file system that Beam can read"),
        ({"options": ["--runer=FlinkRunner"]}, "--runer. Did you mean '--runner'?"),
        ({"options": ["--num_workers=many"]}, "--num_workers=many"),
        ({"options": ["FlinkRunner"]}, "two dashes"),
        ({"options": "--runner=FnApiRunner"}, "`options` must be a sequence"),
        ({"options": ["--runner=NoSuchRunner"]}, "NoSuchRunner"),
        ({"num_shards": 0}, "num_shards=0"),
        ({"num_shards": True}, "num_shards=True"),
        ({"num_beams": 0}, "num_beams=0"),
        ({"output_prefix": ""}, "`output_prefix` must be the beginning of file names"),
        ({"output_prefix": "out/"}, "`output_prefix` must be the beginning of file names"),
        ({"output_prefix": "out/*"}, "`output_prefix` must be the beginning of file names"),
        ({"output_prefix": "nowhere/de"}, "Make the directory with `mkdir -p"),
        ({"translator_directory": "data"}, "without translator.json"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    arguments: dict[str, Any],
    words: str,
    translator_directory: Path,
    data: Path,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data.parent)
    good = {
        "translator_directory": translator_directory,
        "inputs": ["data/a.en"],
        "output_prefix": "out/de",
        "options": QUICK,
    }
    with pytest.raises(ValueError, match=words):
        translate_files(**{**good, **arguments})
    assert list(output.iterdir()) == []


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(
    translate: Callable[..., BulkReport], data: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Translator, "translate_detailed", lambda *_: pytest.fail("translated"))
    data.joinpath("bad.en").write_bytes(b"a\n" * 34 + b"xy\xffz\n")
    with pytest.raises(
        ValueError, match=r"bad\.en` must be UTF-8.*0xff at line 35, byte offset 70"
    ):
        translate()
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("name", ["de-00001-of-00009", "de.report.json"])
def test_output_that_is_there_is_not_mixed_with_new(
    name: str, translate: Callable[..., BulkReport], output: Path
) -> None:
    output.joinpath(name).write_text("precious")
    with pytest.raises(ValueError, match=f"`output_prefix` must be new.*{name}"):
        translate()
    assert [path.name for path in output.iterdir()] == [name]
    assert output.joinpath(name).read_text() == "precious"


def test_two_runs_do_not_mix_their_shards(
    translate: Callable[..., BulkReport], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, refused = module._run, []

    def run_beside_another(pipeline: Any) -> None:
        with pytest.raises(ValueError, match="`output_prefix` must not be in use") as raised:
            translate("d.en")  # begins while the first run is translating
        refused.append(str(raised.value))
        run(pipeline)

    monkeypatch.setattr(module, "_run", run_beside_another)
    report = translate("a.en")
    assert report.counts.lines == len(FILES["a.en"]) and len(refused) == 1
    assert sorted(path.name for path in output.iterdir()) == ["de-00000-of-00001", "de.report.json"]


def test_what_a_killed_run_left_is_named_and_kept(
    translate: Callable[..., BulkReport], output: Path
) -> None:
    (output / ".de-0c1d2e3f.partial").mkdir()
    (output / ".de-0c1d2e3f.partial" / "running").touch()
    (output / ".de-at-0c1d2e3f.partial").mkdir()  # that of another prefix
    (output / ".de-at-0c1d2e3f.partial" / "running").touch()
    with pytest.raises(ValueError, match=r"/\.de-0c1d2e3f\.partial exists\..* delete that dir"):
        translate()
    names = [".de-0c1d2e3f.partial", ".de-at-0c1d2e3f.partial"]
    assert sorted(path.name for path in output.iterdir()) == names


def test_inputs_may_be_any_iterable(translator_directory: Path, data: Path, output: Path) -> None:
    inputs = (str(data / name) for name in ("d.en", "a.en"))
    report = translate_files(translator_directory, inputs, str(output / "de"), options=QUICK)
    assert report.counts.lines == len(FILES["a.en"]) + len(FILES["d.en"])


def test_a_name_with_a_tab_has_no_line_ids(
    translate: Callable[..., BulkReport], data: Path
) -> None:
    name = "a\tb [x]"
    data.joinpath(name).write_text("one\n")
    with pytest.raises(ValueError, match="`line_ids` must be False"):
        translate(name, line_ids=True)
    report = translate(name)
    assert report.counts.lines == 1


def test_a_file_that_changes_on_the_way_is_no_wrong_translation(
    translate: Callable[..., BulkReport], data: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = module._run

    def change_and_run(pipeline: Any) -> None:
        data.joinpath("d.en").write_text("another\n" * 7)
        run(pipeline)

    monkeypatch.setattr(module, "_run", change_and_run)
    with pytest.raises(BulkError, match=r"d\.en` must not change while it is translated"):
        translate()
    assert list(output.iterdir()) == []


def test_a_directory_whose_name_is_a_pattern(
    translator_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "run[1]"
    directory.mkdir()
    monkeypatch.chdir(directory)
    Path("in.en").write_text("one\ntwo\n")
    report = translate_files(translator_directory, ["*.en"], "out", options=QUICK)
    assert report.counts.lines == 2
    assert sorted(path.name for path in directory.iterdir()) == [
        "in.en", "out-00000-of-00001", "out.report.json",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="`output_prefix` must be new"):
        translate_files(translator_directory, ["in.en"], "out", options=QUICK)
