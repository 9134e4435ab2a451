"""A compact translator: how far its weights are from the exact ones, and that it translates."""

import numpy as np
import pytest

from keras_attn import Translator, create_model
from keras_attn.data import ByteTokenizer
from keras_attn.translator.compact_weights import quantize, read_compact_model
from tests.support.eager_functions import eager_functions


@pytest.fixture(scope="module")
def translator():
    model = create_model(
        "transformer_tiny",
        source_vocabulary_size=260,
        num_layers=1,
        hidden_dim=24,
        intermediate_dim=40,
        num_heads=2,
    )
    return Translator(model, ByteTokenizer(), max_extra_tokens=2, decoding="greedy")


def test_eight_bits_are_off_by_half_a_step_at_most():
    value = np.random.default_rng(0).normal(size=(7, 3, 11)).astype("float32")
    quantized, scale = quantize(value)
    assert quantized.dtype == np.int8 and scale.shape == (1, 1, 11)
    assert (np.abs(quantized * scale - value) <= 0.5001 * scale).all()
    assert (np.abs(quantized).max(axis=(0, 1)) == 127).all()


def test_a_row_of_zeros_stays_zero():
    quantized, scale = quantize(np.zeros((3, 2), "float32"))
    assert (quantized == 0).all() and (scale == 1.0).all()


@pytest.mark.parametrize("weights, tolerance, share", [("float16", 1e-3, 0.6), ("int8", 8e-3, 0.4)])
def test_a_compact_translator_is_small_and_nearly_the_same(
    translator, weights, tolerance, share, tmp_path
):
    translator.save(tmp_path / "whole")
    translator.save(tmp_path / "compact", weights=weights)
    assert not (tmp_path / "compact" / "model.keras").exists()
    loaded = Translator.load(tmp_path / "compact")
    for ours, exact in zip(loaded.model.weights, translator.model.weights, strict=True):
        assert ours.path == exact.path and ours.dtype == "float32"
        largest = max(np.abs(exact.numpy()).max(), 1e-3)
        assert np.abs(ours.numpy() - exact.numpy()).max() <= tolerance * largest
    sizes = [
        (tmp_path / path).stat().st_size for path in ("compact/model.npz", "whole/model.keras")
    ]
    assert sizes[0] < share * sizes[1]
    with eager_functions():
        exact, ours = (each.score(["ab", "c"], ["b", "cd"]) for each in (translator, loaded))
    np.testing.assert_allclose(ours, exact, rtol=0.02)
    assert len(loaded.translate(["ab"])) == 1


def test_a_compact_translator_saved_whole_is_exactly_itself(translator, tmp_path):
    translator.save(tmp_path / "compact", weights="int8")
    compact = Translator.load(tmp_path / "compact")
    compact.save(tmp_path / "whole")
    again = Translator.load(tmp_path / "whole")
    for ours, theirs in zip(again.model.weights, compact.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_damage_and_unknown_kinds_are_told(translator, tmp_path):
    with pytest.raises(ValueError, match="`weights` must be one of float32, float16, int8"):
        translator.save(tmp_path / "compact", weights="int4")
    translator.save(tmp_path / "compact", weights="int8")
    file = tmp_path / "compact" / "model.npz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="must be a complete compact model"):
        Translator.load(tmp_path / "compact")
    file.unlink()
    with pytest.raises(ValueError, match="is incomplete"):
        Translator.load(tmp_path / "compact")


def test_damage_anywhere_is_told(tmp_path):
    path = tmp_path / "model.npz"
    np.savez_compressed(path, config=np.frombuffer(b'{"a": 1}' * 9, np.uint8))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="must be a complete compact model"):
            read_compact_model(path)


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_a_weight_that_float16_cannot_hold_is_named(weights, tmp_path):
    model = create_model("transformer_tiny", source_vocabulary_size=260, num_layers=1)
    bias = model.decoder.blocks[0].feed_forward.output_dense.bias
    bias.assign(np.full(bias.shape, -70_000.0))
    translator = Translator(model, ByteTokenizer())
    with pytest.raises(ValueError, match=rf"must be 'float32'.*Received: 70,000 in {bias.path}"):
        translator.save(tmp_path / "compact", weights=weights)
    assert not any(tmp_path.iterdir())
    bias.assign(np.full(bias.shape, 65_504.0))
    translator.save(tmp_path / "compact", weights=weights)
    loaded = Translator.load(tmp_path / "compact")
    assert max(np.abs(one.numpy()).max() for one in loaded.model.weights) == 65_504.0


@pytest.mark.parametrize("weights, tolerance", [("float16", 2e-3), ("int8", 2e-2)])
def test_what_lora_has_learned_is_kept(weights, tolerance, tmp_path):
    sizes = {"hidden_dim": 24, "intermediate_dim": 40, "num_heads": 2, "num_layers": 1}
    model = create_model("transformer_tiny", source_vocabulary_size=260, tie_output=False, **sizes)
    for layer in model._flatten_layers():
        if hasattr(layer, "enable_lora"):
            layer.enable_lora(3, lora_alpha=6)
    kernels = {}
    random = np.random.default_rng(5)
    for layer in model._flatten_layers():
        if getattr(layer, "lora_enabled", False):
            a, b = layer.lora_kernel_a, layer.lora_kernel_b
            a.assign(random.normal(size=a.shape))
            b.assign(random.normal(size=b.shape))
            product = np.tensordot(a.numpy().astype("float64"), b.numpy(), 1)
            kernels[layer._kernel.path] = layer._kernel.numpy() + 6 / 3 * product
    assert len(kernels) == 4 + 4 + 4 + 2 + 2 + 1
    Translator(model, ByteTokenizer()).save(tmp_path / "compact", weights=weights)
    loaded = Translator.load(tmp_path / "compact").model
    values = {layer.path: layer for layer in loaded._flatten_layers() if hasattr(layer, "kernel")}
    for path, expected in kernels.items():
        kernel = np.asarray(values[path.removesuffix("/kernel")].kernel)
        assert np.abs(kernel - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
def test_a_quantized_model_is_refused(tmp_path):
    sizes = {"hidden_dim": 24, "intermediate_dim": 40, "num_heads": 2, "num_layers": 1}
    model = create_model("transformer_tiny", source_vocabulary_size=260, **sizes)
    model.quantize("int8")
    translator = Translator(model, ByteTokenizer())
    with pytest.raises(ValueError, match="must be 'float32' for a model that is quantized"):
        translator.save(tmp_path / "compact", weights="int8")
    assert not (tmp_path / "compact").exists()
