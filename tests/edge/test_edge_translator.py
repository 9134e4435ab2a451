"""Translation without TensorFlow, with the models that ship."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_attn.edge import CTranslate2Translator, EdgeTranslator
from keras_attn.edge.edge_model import EdgeModel
from keras_attn.pretrained import find_pretrained, list_pretrained

REPOSITORY = Path(__file__).resolve().parents[2]
# Any import of these fails in the process.
WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras", "tensorflow_text", "jax", "torch"):
    sys.modules[name] = None
"""


def run_without_tensorflow(program, **options):
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW + program]
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)


@pytest.mark.parametrize("name", list_pretrained())
def test_a_shipped_model_says_what_was_written_down(name):
    directory = find_pretrained(name) / "litert"
    record = json.loads((directory / "expected.json").read_text(encoding="utf-8"))
    found = EdgeTranslator(directory).translate_detailed([one["source"] for one in record])
    assert [one.text for one in found] == [one["translation"] for one in record]


def test_a_search_ends_as_soon_as_that_of_a_new_engine(monkeypatch):
    step, steps = EdgeModel.step, []

    def counted(model):
        steps.append(model)
        step(model)

    monkeypatch.setattr(EdgeModel, "step", counted)
    directory = find_pretrained("tatoeba_en_de") / "litert"
    used, counts = EdgeTranslator(directory, num_threads=1), []
    for engine in (used, used, used, EdgeTranslator(directory, num_threads=1)):
        steps.clear()
        engine.translate(["Hello!"])
        counts.append(len(steps))
    assert counts == counts[-1:] * 4


def test_the_command_needs_no_tensorflow():
    program = 'from keras_attn.cli.main import main\nsys.exit(main(["translate", "--scores"]))'
    done = run_without_tensorflow(program, input="Where is the station?\n\n")
    first, second = done.stdout.splitlines()
    assert first.endswith("\tWo ist der Bahnhof?")
    assert second == "0.000000\t"
    assert "LiteRT" in done.stderr


def test_paragraphs_need_no_tensorflow():
    program = (
        'from keras_attn.cli.main import main\nsys.exit(main(["translate", "--split-sentences"]))'
    )
    done = run_without_tensorflow(program, input="Where is the station? I am tired.\n")
    assert done.stdout == "Wo ist der Bahnhof? Ich bin müde.\n"


@pytest.mark.slow
def test_the_requirements_are_enough(tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [environment / "bin" / "pip", "install", "--quiet"]
    subprocess.run([*pip, "-r", REPOSITORY / "keras_attn/edge/requirements.txt"], check=True)
    source = tmp_path / "source"  # a build in the repository would leave files there
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "runs", "saved_models")
    shutil.copytree(REPOSITORY, source, ignore=ignored)
    subprocess.run([*pip, "--no-deps", source], check=True)
    command = [environment / "bin" / "keras-attn", "translate"]
    line = "Where is the station?\n"
    done = subprocess.run(command, input=line, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "Wo ist der Bahnhof?\n", done.stderr
    assert not list(environment.glob("lib/*/site-packages/tensorflow"))


def test_one_string_is_refused():
    translator = EdgeTranslator(find_pretrained("tatoeba_en_de") / "litert")
    with pytest.raises(ValueError, match="put it in a list"):
        translator.translate("Where is the station?")
    assert translator.translate([]) == []


@pytest.mark.parametrize("engine", [EdgeTranslator, CTranslate2Translator])
@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_wrong_numbers_are_refused(engine, number):
    with pytest.raises(ValueError, match="`num_threads` must be an integer of at least 1"):
        engine(find_pretrained("tatoeba_en_de") / "litert", num_threads=number)
    with pytest.raises(ValueError, match="`num_beams` must be an integer of at least 1"):
        CTranslate2Translator(find_pretrained("tatoeba_en_de"), num_beams=number)


def test_other_directories_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"without litert\.json"):
        EdgeTranslator(tmp_path)
    shutil.copytree(find_pretrained("tatoeba_en_de") / "litert", tmp_path / "model")
    settings = tmp_path / "model" / "litert.json"
    before = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({**before, "format_version": 99}))
    with pytest.raises(ValueError, match="format version 99"):
        EdgeTranslator(tmp_path / "model")
    without = {name: before[name] for name in before if name != "max_source_tokens"}
    for content in ("{", "[]", json.dumps(without)):
        settings.write_text(content)
        with pytest.raises(ValueError, match=r"litert\.json is damaged.*Export again"):
            EdgeTranslator(tmp_path / "model")
    settings.write_text(json.dumps(before))
    (tmp_path / "model" / "decoder.tflite").write_bytes(b"not a graph")
    with pytest.raises(ValueError, match=r"decoder\.tflite"):
        EdgeTranslator(tmp_path / "model")
    (tmp_path / "model" / "decoder.tflite").unlink()
    with pytest.raises(ValueError, match=r"decoder\.tflite"):
        EdgeTranslator(tmp_path / "model")
