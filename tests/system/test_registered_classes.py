"""`import keras_attn` is enough to load what Keras has saved of our classes."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_attn
from keras_attn.interop.litert_layers import LiteRTAttention, PositionTable
from keras_attn.layers.dropout import Dropout
from keras_attn.system.registered_classes import REGISTERED_CLASSES

TOKEN_IDS = np.array([[4, 5, 3], [6, 3, 0]], "int32")
INPUTS = {"encoder_token_ids": TOKEN_IDS, "decoder_token_ids": TOKEN_IDS}
SIZES = {"hidden_dim": 12, "intermediate_dim": 17, "num_heads": 3}

# Loads every saved object in a process of its own, forked before any module of ours is imported.
LOADER = """
import json, os, sys
for name in sys.argv[2:]:
    __import__(name)
import keras
assert not [name for name in sys.modules if name.startswith("keras_attn.layers")]
for name, saved in json.load(open(sys.argv[1])).items():
    child = os.fork()
    if child == 0:
        if isinstance(saved, str):
            loaded = keras.saving.load_model(saved)
        else:
            loaded = keras.saving.deserialize_keras_object(saved)
        os._exit(0 if type(loaded).__name__ == name.split()[0] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, name
print("all loaded")
"""


BLOCK = {**SIZES, "name": "block"}
STACK = {**SIZES, "vocabulary_size": 11, "num_layers": 1}

# What makes an object of each registered class.
EXAMPLES: dict[str, Callable[[], Any]] = {
    "ALiBiBias": lambda: keras_attn.layers.ALiBiBias(),
    "GatedConvolution": lambda: keras_attn.layers.GatedConvolution(5),
    "GatedFeedForward": lambda: keras_attn.layers.GatedFeedForward(7),
    "LinearAttention": lambda: keras_attn.layers.LinearAttention(3, 5),
    "LinformerAttention": lambda: keras_attn.layers.LinformerAttention(3, 5),
    "LocalAttention": lambda: keras_attn.layers.LocalAttention(3, 5),
    "PerformerAttention": lambda: keras_attn.layers.PerformerAttention(3, 5),
    "QKNormalizedAttention": lambda: keras_attn.layers.QKNormalizedAttention(3, 5),
    "RelativePositionBias": lambda: keras_attn.layers.RelativePositionBias(),
    "RelativePositionEmbedding": lambda: keras_attn.layers.RelativePositionEmbedding(),
    "RotaryEmbedding": lambda: keras_attn.layers.RotaryEmbedding(),
    "SandwichResidual": lambda: keras_attn.layers.SandwichResidual(),
    "SinkAttention": lambda: keras_attn.layers.SinkAttention(3, 5),
    "SoftCappedAttention": lambda: keras_attn.layers.SoftCappedAttention(3, 5),
    "SparseAttention": lambda: keras_attn.layers.SparseAttention(3, 5),
    "TalkingHeadsAttention": lambda: keras_attn.layers.TalkingHeadsAttention(3, 5),
    "ConvSeq2Seq": lambda: keras_attn.models.ConvSeq2Seq(11, hidden_dim=6, num_layers=1),
    "BahdanauAttention": lambda: keras_attn.layers.BahdanauAttention(7),
    "CausalBlock": lambda: keras_attn.layers.CausalBlock(**BLOCK),
    "CausalDecoder": lambda: keras_attn.models.CausalDecoder(**STACK),
    "TransformerClassifier": lambda: keras_attn.models.TransformerClassifier(**STACK),
    "TransformerLM": lambda: keras_attn.models.TransformerLM(**STACK),
    "DecoderBlock": lambda: keras_attn.layers.DecoderBlock(**BLOCK),
    "Dropout": lambda: Dropout(0.5),
    "EncoderBlock": lambda: keras_attn.layers.EncoderBlock(**BLOCK),
    "FeedForward": lambda: keras_attn.layers.FeedForward(7),
    "GatedRecurrentUnit": lambda: keras_attn.layers.GatedRecurrentUnit(7),
    "LearnedPositionEmbedding": lambda: keras_attn.layers.LearnedPositionEmbedding(5),
    "LongShortTermMemory": lambda: keras_attn.layers.LongShortTermMemory(7),
    "LuongAttention": lambda: keras_attn.layers.LuongAttention(),
    "MultiHeadAttention": lambda: keras_attn.layers.MultiHeadAttention(3, 5),
    "Residual": lambda: keras_attn.layers.Residual(),
    "SinusoidalPositionEncoding": lambda: keras_attn.layers.SinusoidalPositionEncoding(),
    "TokenEmbedding": lambda: keras_attn.layers.TokenEmbedding(11, 6),
    "Decoder": lambda: keras_attn.models.Decoder(**STACK),
    "Encoder": lambda: keras_attn.models.Encoder(**STACK),
    "Ensemble": lambda: keras_attn.models.Ensemble(
        [keras_attn.models.ConvSeq2Seq(11, hidden_dim=6, num_layers=1) for _ in range(2)]
    ),
    "RNNSeq2Seq": lambda: keras_attn.models.RNNSeq2Seq(11, hidden_dim=6, num_layers=1),
    "Transformer": lambda: keras_attn.models.Transformer(
        source_vocabulary_size=11, **SIZES, num_layers=1
    ),
    "GuardedAdam": lambda: keras_attn.training.GuardedAdam(0.1),
    "LabelSmoothedCrossEntropy": lambda: keras_attn.training.LabelSmoothedCrossEntropy(0.2),
    "Perplexity": lambda: keras_attn.training.Perplexity(),
    "PlannedSchedule": lambda: keras_attn.training.PlannedSchedule(0.002),
    "TokenAccuracy": lambda: keras_attn.training.TokenAccuracy(),
    "TransformerSchedule": lambda: keras_attn.training.TransformerSchedule(12),
    "LiteRTAttention": lambda: LiteRTAttention(3, 4),
    "PositionTable": lambda: PositionTable(keras_attn.layers.LearnedPositionEmbedding(5), 5),
}


def save_compiled_transformer(path: Path) -> None:
    model = keras_attn.create_model(
        "transformer_tiny", source_vocabulary_size=11, **SIZES, num_layers=1
    )
    model.compile(
        keras_attn.training.GuardedAdam(keras_attn.training.TransformerSchedule(12)),
        keras_attn.training.LabelSmoothedCrossEntropy(),
        weighted_metrics=[keras_attn.training.Perplexity()],
    )
    model.train_on_batch(INPUTS, TOKEN_IDS)
    model.save(path)


def save_functional_model_of_layers(path: Path) -> None:
    token_ids = keras.Input((None,), dtype="int32")
    hidden = keras_attn.layers.TokenEmbedding(11, 12)(token_ids)
    hidden = keras_attn.layers.EncoderBlock(**SIZES)(hidden)
    keras.Model(token_ids, keras.layers.Dense(2)(hidden)).save(path)


def test_the_table_names_every_class_that_is_registered() -> None:
    for module in pkgutil.walk_packages(keras_attn.__path__, "keras_attn."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    registered = {
        name.removeprefix("keras_attn>"): ".".join(found.__module__.split(".")[:2])
        for name, found in keras.saving.get_custom_objects().items()
        if name.startswith("keras_attn>")
    }
    listed = {name: module for module, names in REGISTERED_CLASSES.items() for name in names}
    assert registered == listed
    assert set(EXAMPLES) == set(listed)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["keras_attn keras", "keras keras_attn"])
def test_every_saved_object_loads_where_only_the_package_is_imported(
    order: str, tmp_path: Path
) -> None:
    saved = {
        name: keras.saving.serialize_keras_object(example()) for name, example in EXAMPLES.items()
    }
    save_compiled_transformer(tmp_path / "transformer.keras")
    save_functional_model_of_layers(tmp_path / "functional.keras")
    saved["Transformer that is compiled"] = str(tmp_path / "transformer.keras")
    saved["Functional model of layers"] = str(tmp_path / "functional.keras")
    (tmp_path / "saved.json").write_text(json.dumps(saved), encoding="utf-8")
    command = [sys.executable, "-c", LOADER, str(tmp_path / "saved.json"), *order.split()]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.stdout.strip() == "all loaded", finished.stderr[-3000:]
