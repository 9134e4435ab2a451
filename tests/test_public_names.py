"""The names that other people's code relies on: importable exactly so, and cheap to reach."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import keras_attn

CONTRACT = {
    "keras_attn": ["create_model", "list_presets", "Translator", "Translation", "__version__"],
    "keras_attn.layers": [
        "TokenEmbedding",
        "SinusoidalPositionEncoding",
        "LearnedPositionEmbedding",
        "MultiHeadAttention",
        "FeedForward",
        "Residual",
        "EncoderBlock",
        "DecoderBlock",
        "RotaryEmbedding",
        "RelativePositionBias",
        "ALiBiBias",
        "LocalAttention",
        "SparseAttention",
        "LinformerAttention",
        "LinearAttention",
    ],
    "keras_attn.models": [
        "Seq2SeqModel",
        "Encoder",
        "Decoder",
        "Transformer",
        "RNNSeq2Seq",
        "ConvSeq2Seq",
        "Ensemble",
    ],
    "keras_attn.decoding": ["GreedySearch", "BeamSearch", "RandomSampling", "search"],
    "keras_attn.data": [
        "read_text_pair",
        "read_tsv",
        "load_tfds",
        "phrasebook",
        "SentencePieceTokenizer",
        "ByteTokenizer",
        "CharacterTokenizer",
        "WordTokenizer",
        "training_pipeline",
    ],
    "keras_attn.training": [
        "TransformerSchedule",
        "LabelSmoothedCrossEntropy",
        "train",
        "Recipe",
        "average_checkpoints",
        "get_strategy",
    ],
    "keras_attn.evaluation": ["corpus_scores", "evaluate"],
    "keras_attn.bulk": ["translate_files", "TranslatorModelHandler"],
    "keras_attn.interop": ["export_ctranslate2", "ctranslate2_spec"],
    "keras_attn.serving": ["export_saved_model", "verify_saved_model", "ServingClient"],
    "keras_attn.ops": [
        "scaled_dot_product_attention",
        "causal_mask",
        "padding_mask",
        "combine_masks",
        "sinusoidal_encoding",
    ],
}
PACKAGES = sorted({*CONTRACT, "keras_attn.visualization"})


def run_python(code: str) -> str:
    """Runs `code` in a fresh interpreter and returns what it printed."""
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in CONTRACT.items() for name in names]
)
def test_a_promised_name_is_there_and_listed(module: str, name: str) -> None:
    package = importlib.import_module(module)
    value = getattr(package, name)
    assert name in package.__all__
    if isinstance(value, type) or callable(value):
        assert value.__name__ == name


@pytest.mark.parametrize("module", PACKAGES)
def test_every_listed_name_exists_once(module: str) -> None:
    package = importlib.import_module(module)
    assert len(set(package.__all__)) == len(package.__all__)
    missing = [name for name in package.__all__ if not hasattr(package, name)]
    assert not missing


@pytest.mark.parametrize(
    ("owner", "methods"),
    [
        ("Translator", ["translate", "translate_detailed", "score", "save", "load"]),
        ("models.Seq2SeqModel", ["call", "start", "decode_step"]),
    ],
)
def test_the_promised_methods_are_there(owner: str, methods: list[str]) -> None:
    value = keras_attn
    for part in owner.split("."):
        value = getattr(value, part)
    assert [name for name in methods if not callable(getattr(value, name, None))] == []


def test_a_translation_has_the_promised_fields() -> None:
    promised = {
        "source",
        "text",
        "tokens",
        "log_probability",
        "score",
        "truncated",
        "alternatives",
        "attention",
    }
    assert promised <= {field.name for field in dataclasses.fields(keras_attn.Translation)}


def test_importing_the_package_does_not_load_tensorflow_or_keras() -> None:
    code = (
        "import keras_attn, sys; dir(keras_attn); keras_attn.__version__; "
        "print([name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_the_lazy_table_is_what_editors_are_told() -> None:
    tree = ast.parse(Path(str(keras_attn.__file__)).read_text(encoding="utf-8"))
    blocks = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    told: dict[str, str | None] = {}
    for block in blocks:
        for statement in block.body:
            assert isinstance(statement, ast.ImportFrom)
            home = None if statement.module == "keras_attn" else statement.module
            told |= {alias.asname or alias.name: home for alias in statement.names}
    assert told == keras_attn._PUBLIC_NAMES


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"`Translater`.*Translator"):
        keras_attn.Translater  # noqa: B018


def test_a_lazy_name_is_the_very_object_of_its_module() -> None:
    translator = importlib.import_module("keras_attn.translator")
    assert keras_attn.Translator is translator.Translator
    assert keras_attn.layers is importlib.import_module("keras_attn.layers")


def test_the_version_has_three_numbers() -> None:
    parts = keras_attn.__version__.split(".")
    assert len(parts) == 3
    assert all(part.isdigit() for part in parts)
