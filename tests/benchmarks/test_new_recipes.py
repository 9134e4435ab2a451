"""The comparison of `keras-attn new` with recipes made by hand continues after an interruption."""

import json
import sys
from pathlib import Path

import new_recipes
import pytest


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Stands for `keras-attn`; its second training is interrupted once."""
    calls = []

    def command(*arguments):
        calls.append(arguments)
        if arguments[0] == "evaluate":
            return json.dumps({"bleu": 20.0 + len(calls), "chrf": 40.0, "other": 1})
        run = Path(arguments[arguments.index("--output") + 1])
        run.mkdir(parents=True)
        if "--source" in arguments:
            run.with_name(f"{run.name}.toml").write_text("a recipe", encoding="utf-8")
        (run / "recipe.toml").write_text("training.max_minutes = 6.0", encoding="utf-8")
        if len(calls) == 2:
            raise KeyboardInterrupt
        report = json.dumps({"steps": 9, "parameters": 1234})
        (run / "report.json").write_text(report, encoding="utf-8")
        return ""

    monkeypatch.setattr(new_recipes, "command", command)
    monkeypatch.setattr(new_recipes, "describe_machine", dict)
    for directory, splits in (
        ("multi30k", ("train", "val", "test_2016_flickr")),
        ("tatoeba", ("train", "val", "test")),
    ):
        (tmp_path / directory).mkdir()
        for split in splits:
            for language in ("en", "de"):
                lines = "".join(f"{split} {language} {i}\n" for i in range(400))
                (tmp_path / directory / f"{split}.{language}").write_text(lines, encoding="utf-8")
    return calls


def run(tmp_path, monkeypatch, *options):
    arguments = ["--multi30k", str(tmp_path / "multi30k"), "--tatoeba", str(tmp_path / "tatoeba")]
    arguments += ["--output", str(tmp_path / "runs"), "--corpora", "300", *options]
    monkeypatch.setattr(sys, "argv", ["new_recipes.py", *arguments])
    new_recipes.main()


def test_what_is_complete_is_kept_and_what_was_interrupted_is_made_again(
    tmp_path, monkeypatch, capsys, commands
):
    monkeypatch.setattr(new_recipes, "with_junk", lambda pairs: pairs)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, monkeypatch)
    run(tmp_path, monkeypatch, "--json")
    (corpus,) = json.loads(capsys.readouterr().out)["corpora"]
    assert corpus["pairs"] == 300 and corpus["recipe"] == "a recipe"
    assert set(corpus["scores"]) == {"chosen", "by_hand"}
    words = [call[0] for call in commands]
    assert words == ["train", "train", "train", "evaluate", "evaluate"]
    assert "--source" in commands[0] and commands[1] == commands[2]
    run(tmp_path, monkeypatch)
    assert len(commands) == 5 and "20" not in capsys.readouterr().err
    with pytest.raises(SystemExit, match="was trained for 6 minutes"):
        run(tmp_path, monkeypatch, "--minutes", "3")


def test_the_recipe_for_few_lines_made_by_hand_is_for_few_lines(tmp_path, monkeypatch, commands):
    monkeypatch.setattr(new_recipes, "with_junk", lambda pairs: pairs)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, monkeypatch)
    options = commands[1]
    for option in ("training.validate_every_steps=100", "data.train=few"):
        assert f"--set={option}" in options
    lines = [
        (tmp_path / "runs" / "300_lines" / f"{split}.en").read_text("utf-8").splitlines()
        for split in ("train", "few", "val")
    ]
    assert [len(one) for one in lines] == [300, 270, 30] and lines[1] + lines[2] == lines[0]
