"""The examples run as they are, with tiny numbers, and say what they cost and what comes out."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keras_attn import Translator, create_model
from keras_attn.data import ByteTokenizer
from keras_attn.training import Recipe

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))

TINY = {
    "01_first_translation": "--steps 2 --pairs 400 --test-pairs 2 --no-jit-compile".split(),
    "02_train_from_text_files": "--steps 1 --pairs 400 --no-jit-compile".split(),
    "03_subclass_attention": "--steps 4".split(),
    "04_layers_in_your_own_model": "--epochs 1 --pairs 40".split(),
    "05_search_your_own_model": "--samples 1".split(),
    "06_attention_maps": ["--sentence", "A dog sleeps."],
    "07_export_and_check": [],
    "08_canary_and_rollback": ["--pairs", "30"],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs an example in an empty directory and gives what it printed."""
    monkeypatch.chdir(tmp_path)

    def run_example(name: str) -> str:
        path = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *TINY[name]])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run_example


def test_every_example_is_run_here() -> None:
    assert [path.stem for path in SCRIPTS] == sorted(TINY)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_opens_with_its_command_its_cost_and_its_result(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"    python examples/{path.name}\n" in docstring
    assert re.search(r"^Cost: .*\d", docstring, re.MULTILINE)
    assert re.search(r"^Result: ", docstring, re.MULTILINE)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_list_of_examples_names_it(path: Path) -> None:
    assert f"({path.name})" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_first_translation_translates_and_scores(run) -> None:
    printed = run("01_first_translation")
    assert printed.count("  source     ") == printed.count("  model      ") == 2
    assert "unseen sentences: BLEU" in printed


@pytest.mark.slow
def test_training_from_text_files_leaves_a_run(run, tmp_path: Path) -> None:
    printed = run("02_train_from_text_files")
    assert (tmp_path / "runs" / "from_text_files" / "translator" / "model.keras").is_file()
    assert (tmp_path / "runs" / "from_text_files-corpus" / "train.de").is_file()
    assert "step 1: validation perplexity" in printed
    assert "data: 400 pairs read, 400 kept" in printed


@pytest.mark.slow
def test_an_attention_of_ones_own_trains_loads_and_decodes(run) -> None:
    printed = run("03_subclass_attention")
    assert "of padding 0.0" in printed
    assert "6 temperatures" in printed
    assert "saved and loaded: greatest difference 0.0" in printed
    assert re.search(r"source \[(\d+, ){5}\d+\] -> \[(\d+, )*3(, 0)*\]", printed)


def test_the_class_of_ones_own_is_as_short_as_promised() -> None:
    tree = ast.parse((EXAMPLES / "03_subclass_attention.py").read_text(encoding="utf-8"))
    (cosine,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    code = [line for line in ast.unparse(cosine).splitlines() if line.strip()]
    assert len(code) <= 15


@pytest.mark.slow
def test_layers_in_ones_own_model_keep_padding_out(run) -> None:
    printed = run("04_layers_in_your_own_model")
    difference = re.search(r"change the probability by (\S+) at most", printed)
    assert difference is not None and float(difference.group(1)) < 1e-5
    assert "unseen sentences: " in printed


def test_searches_of_a_table_find_what_one_can_compute_by_hand(run) -> None:
    printed = run("05_search_your_own_model")
    greedy, beam, wide, limited, _, compiled = printed.strip().split("\n\n")
    assert "P = 0.120" in greedy and greedy.endswith("the cat <end>")  # 0.6 * 0.4 * 0.5
    assert "P = 0.288" in beam and beam.endswith("a dog sleeps <end>")  # 0.4 * 0.9 * 0.8
    assert re.findall(r"P = (\S+)", wide) == ["0.288", "0.144", "0.120", "0.120"]
    assert "P = 0.060" in limited and "the <end>   (the limit ended it)" in limited  # 0.6 * 0.1
    assert compiled == "compiled: a dog sleeps <end>"


@pytest.mark.parametrize("name", ["06_attention_maps", "07_export_and_check"])
def test_a_missing_run_is_trained_by_a_valid_recipe(name: str, tmp_path: Path) -> None:
    load_or_train = runpy.run_path(str(EXAMPLES / f"{name}.py"))["load_or_train"]
    asked: dict[str, Any] = {}

    def train(recipe: Recipe, output: Path) -> SimpleNamespace:
        asked.update(recipe=recipe, output=output)
        return SimpleNamespace(translator="the translator")

    load_or_train.__globals__["train"] = train
    assert load_or_train(tmp_path / "new", steps=7) == "the translator"
    assert asked["output"] == tmp_path / "new"
    assert asked["recipe"].training.max_steps == 7


@pytest.fixture
def an_untrained_run(tmp_path: Path) -> None:
    """The run that examples 06 and 07 look for, with a translator that speaks in tongues."""
    tokenizer = ByteTokenizer()
    model = create_model("transformer_tiny", source_vocabulary_size=tokenizer.vocabulary_size)
    translator = Translator(model, tokenizer, max_extra_tokens=2)
    translator.save(tmp_path / "runs" / "phrasebook_tiny" / "translator")


@pytest.mark.usefixtures("an_untrained_run")
def test_attention_maps_are_drawn(run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    printed = run("06_attention_maps")
    assert "2 layers, 4 heads" in printed
    assert "14 source tokens" in printed  # 13 letters and the end token
    pictures = sorted((tmp_path / "attention_maps").glob("*.png"))
    assert [path.stem for path in pictures] == ["all_heads", "last_layer", "mean"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@pytest.mark.skipif(sys.platform != "linux", reason="the verification of exports needs Linux")
@pytest.mark.usefixtures("an_untrained_run")
@pytest.mark.slow
def test_the_export_says_what_the_translator_says(run, tmp_path: Path) -> None:
    printed = run("07_export_and_check")
    assert (tmp_path / "saved_models" / "phrasebook_tiny" / "1" / "saved_model.pb").is_file()
    assert "same as the translator: True" in printed
    assert re.search("a damaged copy: FAILED .* is missing", printed)
    assert [path.name for path in (tmp_path / "saved_models").iterdir()] == ["phrasebook_tiny"]


@pytest.mark.slow
def test_a_worse_version_is_taken_back(run) -> None:
    printed = run("08_canary_and_rollback")
    before, after = re.search(r"BLEU (\S+) -> (\S+) \(p = 0.00", printed).groups()
    assert float(before) > 30 > 5 > float(after)
    assert "translates as before: True" in printed
