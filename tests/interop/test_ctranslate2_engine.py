"""A pile of text by CTranslate2: our tokenizers, limits, ranking, order and report around it."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_attn.cli.main import main
from keras_attn.data import CharacterTokenizer
from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling
from keras_attn.edge import CTranslate2Translator
from keras_attn.interop import export_ctranslate2_engine
from keras_attn.translator import Translator
from tests.interop.interop_models import make_model
from tests.support.eager_functions import eager_functions

LETTERS = "abcdefghijklmnopq"
LINES = [LETTERS[i % 17 : i % 17 + 1 + i % 9] for i in range(40)]
LINES += ["", "e\tk?h", "abcdefghijklmnopqabcdefg"]


def make(decoding, seed=2):
    tokenizer = CharacterTokenizer(list(LETTERS))
    settings = {"max_source_tokens": 13, "max_extra_tokens": 20, "jit_compile": False}
    return Translator(make_model(seed), tokenizer, decoding=decoding, **settings)


def check_alike(found, wanted, least_equal):
    """Most lines are equal, and of those every number is."""
    assert [one.source for one in found] == [one.source for one in wanted]
    pairs = list(zip(found, wanted, strict=True))
    equal = [(one, other) for one, other in pairs if one.tokens == other.tokens]
    assert len(equal) >= least_equal * len(found)
    for one, other in equal:
        np.testing.assert_allclose(one.log_probability, other.log_probability, atol=1e-4)
        np.testing.assert_allclose(one.score, other.score, atol=1e-4)
        assert one.text == other.text
        assert one.source_tokens == other.source_tokens


@pytest.mark.parametrize(
    ("decoding", "least_equal"), [(GreedySearch(), 0.95), (BeamSearch(4), 0.75)]
)
def test_it_translates_as_the_translator(tmp_path, decoding, least_equal):
    translator = make(decoding)
    engine = CTranslate2Translator(export_ctranslate2_engine(translator, tmp_path / "engine"))
    found, wanted = engine.translate_detailed(LINES), translator.translate_detailed(LINES)
    check_alike(found, wanted, least_equal)
    assert engine.report.lines == len(LINES)
    assert (engine.report.empty, engine.report.truncated_sources) == (1, 1)
    assert len({len(one.tokens) for one in wanted}) > 3
    assert any(one.truncated for one in wanted)
    # Also with an end token that the limit forces.
    found = [one for one in found if one.tokens and set(one.tokens) <= set(LETTERS)]
    with eager_functions():
        scores = translator.score(
            [one.source for one in found], ["".join(one.tokens) for one in found]
        )
    assert len(found) > 20
    np.testing.assert_allclose([one.log_probability for one in found], scores, atol=1e-4)


def test_hypotheses_are_ranked_by_our_penalty(tmp_path):
    translator = make(BeamSearch(4, length_penalty=1.5, num_hypotheses=3))
    engine = CTranslate2Translator(export_ctranslate2_engine(translator, tmp_path / "engine"))
    for one in engine.translate_detailed(LINES):
        found = [one, *one.alternatives] if one.text else []
        assert len(found) <= 3
        for other in found:
            penalty = ((5 + len(other.tokens) + 1) / 6) ** 1.5
            np.testing.assert_allclose(other.score, other.log_probability / penalty, rtol=1e-5)
        assert [other.score for other in found] == sorted((o.score for o in found), reverse=True)


def test_what_cannot_be_exported_is_refused(tmp_path):
    with pytest.raises(ValueError, match="GreedySearch or a BeamSearch"):
        export_ctranslate2_engine(make(RandomSampling()), tmp_path / "engine")
    with pytest.raises(ValueError, match="`quantization` must be"):
        export_ctranslate2_engine(make(GreedySearch()), tmp_path / "engine", "int3")
    assert not any(tmp_path.iterdir())


def test_the_command_exports_once_and_then_needs_no_tensorflow(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_ATTN_CACHE", str(tmp_path / "cache"))
    make(BeamSearch(2)).save(tmp_path / "translator")
    command = ["translate", str(tmp_path / "translator"), "--engine", "ctranslate2"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"gfedcb\n\nab\n")))
    assert main(command) == 0
    first = capsys.readouterr()
    assert "exporting for CTranslate2" in first.err
    program = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None
from keras_attn.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    again = subprocess.run(
        [sys.executable, "-c", program, *command, "--beams", "2"],
        input="gfedcb\n\nab\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == first.out
    assert "exporting" not in again.stderr


def test_a_cache_that_cannot_be_written_is_not_needed(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_ATTN_CACHE", str(tmp_path / "file" / "cache"))
    make(GreedySearch()).save(tmp_path / "translator")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"gfedcb\n\n")))
    assert main(["translate", str(tmp_path / "translator"), "--engine", "ctranslate2"]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_a_damaged_model_is_named(tmp_path):
    directory = export_ctranslate2_engine(make(GreedySearch()), tmp_path / "engine")
    os.truncate(directory / "model" / "model.bin", 100)
    with pytest.raises(ValueError, match=f"{directory}/model is incomplete or damaged.*Delete"):
        CTranslate2Translator(directory)


def test_its_option_is_refused_elsewhere(capsys):
    assert main(["translate", "--quantize", "int8"]) == 2
    assert "`--quantize` must be left out" in capsys.readouterr().err
