"""A Transformer as a CTranslate2 model: the same weights for a C++ engine, in int8 too."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attn.data import Tokenizer
from keras_attn.layers import FeedForward, MultiHeadAttention
from keras_attn.models import Seq2SeqModel, Transformer
from keras_attn.ops import sinusoidal_encoding
from keras_attn.translator import Translator

QUANTIZATIONS = (None, "int8", "int8_float32", "int8_float16", "int16", "float16", "bfloat16")
# Keras' name of an activation -> CTranslate2's. "gelu" of Keras is the exact one.
_ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "silu": "SWISH", "tanh": "Tanh"}


def export_ctranslate2(
    translator: Translator,
    directory: str | os.PathLike[str],
    quantization: str | None = None,
) -> Path:
    """Writes a translator's model and vocabularies as a CTranslate2 model, all or nothing.

    CTranslate2 takes and gives pieces: cut the source into pieces with `source_tokenizer`, and join
    the pieces of the translation with `target_tokenizer`. The end token of the source is added by
    CTranslate2 itself. Its beam search ranks by log P(Y) / |Y| ^ length_penalty, which is not the
    penalty of `BeamSearch`: scores agree where both penalties are 0.

    Args:
        translator: `Translator` of a `Transformer`.
        directory: path. New or empty.
        quantization: one of `"int8"`, `"int8_float32"`, `"int8_float16"`, `"int16"`, `"float16"`,
            `"bfloat16"`, or None to keep float32.

    Returns:
        Path of the directory.

    Raises:
        ValueError: if the model has a part that CTranslate2 does not know, a vocabulary has a piece
            twice, or the directory holds something.
        ImportError: if CTranslate2 is not installed.

    Example:
    >>> export_ctranslate2("a translator", "models/en_de")
    Traceback (most recent call last):
    ...
    ValueError: `translator` must be a Translator. Received: str.

    References:
        - [CTranslate2](https://opennmt.net/CTranslate2/), "Model conversion".
    """
    if not isinstance(translator, Translator):
        raise ValueError(
            f"`translator` must be a Translator. Received: {type(translator).__name__}."
        )
    if quantization not in QUANTIZATIONS:
        raise ValueError(
            f"`quantization` must be one of {list(QUANTIZATIONS)}. Received: {quantization!r}."
        )
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(
            f"`directory` must be new or empty. Received: {directory}, which holds something."
        )
    longest = translator.max_source_tokens + 1 + translator.max_extra_tokens
    model, tokenizer = translator.model, translator.target_tokenizer
    spec = ctranslate2_spec(model, longest)
    spec.register_source_vocabulary(
        _vocabulary(translator.source_tokenizer, model.source_vocabulary_size)
    )
    spec.register_target_vocabulary(_vocabulary(tokenizer, model.target_vocabulary_size))
    special = (tokenizer.unknown_token_id, tokenizer.start_token_id, tokenizer.end_token_id)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = tokenizer.pieces(special)
    spec.config.decoder_start_token = spec.config.bos_token
    spec.config.add_source_eos = True
    _save(spec, directory, quantization)
    return directory


def ctranslate2_spec(model: Seq2SeqModel, longest_tokens: int = 1024) -> Any:
    """Lays the weights of a `Transformer` out as CTranslate2's `TransformerSpec`.

    Args:
        model: `Transformer`, with the multi-head attention, feed-forward network and normalization
            of the paper or their pre-norm order.
        longest_tokens: int. Positions of the sinusoids that are written, which have no end of their
            own; learned positions are written as they are.

    Returns:
        `ctranslate2.specs.TransformerSpec`, without vocabularies.

    Raises:
        ValueError: if the model has a part that CTranslate2 does not know.
        ImportError: if CTranslate2 is not installed.

    Example:
    >>> ctranslate2_spec(keras_attn.create_model("transformer_tiny", source_vocabulary_size=9)).name
    'TransformerSpec'
    """
    specs = _import_specs()
    if not isinstance(model, Transformer):
        raise ValueError(f"`model` must be a Transformer. Received: {type(model).__name__}.")
    first = model.encoder.blocks[0]
    spec = specs.TransformerSpec.from_config(
        (len(model.encoder.blocks), len(model.decoder.blocks)),
        first.num_heads,
        pre_norm=first.normalize_first,
        activation=_activation(specs, first.feed_forward),
        rms_norm=isinstance(_norm_of(first), keras.layers.RMSNormalization),
    )
    spec.config.layer_norm_epsilon = _norm_of(first).epsilon
    for part, stack in ((spec.encoder, model.encoder), (spec.decoder, model.decoder)):
        _fill_stack(part, stack, longest_tokens)
        for layer, block in zip(part.layer, stack.blocks, strict=True):
            _fill_block(layer, block, has_source=part is spec.decoder)
    embeddings = spec.encoder.embeddings[0]
    embeddings.weight = _array(model.encoder.embedding.embeddings)
    spec.decoder.embeddings.weight = _array(model.decoder.embedding.embeddings)
    output = model.decoder.output_projection
    projection = spec.decoder.projection
    projection.weight = (
        spec.decoder.embeddings.weight if output is None else _array(output.kernel).T.copy()
    )
    return spec


def _import_specs() -> Any:
    try:
        import ctranslate2.specs
    except ImportError as error:
        raise ImportError(
            "CTranslate2 is not installed: pip install 'keras-attn[ctranslate2]'"
        ) from error
    return ctranslate2.specs


def _vocabulary(tokenizer: Tokenizer, size: int) -> list[str]:
    """The pieces by id; places that the model has and the tokenizer does not know get a name."""
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    pieces += [f"<unused_{i}>" for i in range(len(pieces), size)]
    twice = {piece for piece in pieces if pieces.count(piece) > 1} if len(set(pieces)) < size else ()
    if twice:
        raise ValueError(
            "A vocabulary of CTranslate2 must have every piece once. Received: "
            f"{sorted(twice)[:3]} more than once, from {type(tokenizer).__name__}."
        )
    return pieces


def _save(spec: Any, directory: Path, quantization: str | None) -> None:
    """Writes beside the place, and then moves there."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp makes it private
        spec.validate()
        spec.optimize(quantization=quantization)
        spec.save(str(temporary))
        if directory.exists():
            directory.rmdir()  # it is empty
        temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


# Parts of the model


def _fill_stack(part: Any, stack: Any, longest_tokens: int) -> None:
    part.scale_embeddings = bool(stack.embedding.scale)
    position = stack.position
    if position is None:
        raise _unknown("position", None)
    if hasattr(position, "max_wavelength"):
        dim = stack.hidden_dim
        encoding = sinusoidal_encoding(longest_tokens, dim, max_wavelength=position.max_wavelength)
    elif hasattr(position, "embeddings"):
        encoding = position.embeddings
    else:
        raise _unknown("position", position)
    part.position_encodings.encodings = _array(encoding)
    if stack.final_normalization is not None:
        _fill_norm(part.layer_norm, stack.final_normalization)


def _fill_block(layer: Any, block: Any, has_source: bool) -> None:
    _check_block(block)
    attention = block.self_attention
    fused, output = layer.self_attention.linear
    _fill_linear(fused, attention.query_dense, attention.key_dense, attention.value_dense)
    _fill_linear(output, attention.output_dense, input_axes=2)
    _fill_norm(layer.self_attention.layer_norm, block.self_attention_residual.normalization)
    if has_source:
        attention = block.cross_attention
        query, key_value, output = layer.attention.linear
        _fill_linear(query, attention.query_dense)
        _fill_linear(key_value, attention.key_dense, attention.value_dense)
        _fill_linear(output, attention.output_dense, input_axes=2)
        _fill_norm(layer.attention.layer_norm, block.cross_attention_residual.normalization)
    _fill_linear(layer.ffn.linear_0, block.feed_forward.intermediate_dense)
    _fill_linear(layer.ffn.linear_1, block.feed_forward.output_dense)
    _fill_norm(layer.ffn.layer_norm, block.feed_forward_residual.normalization)


def _check_block(block: Any) -> None:
    """Refuses what the C++ engine would silently compute otherwise."""
    if block.position is not None:
        raise _unknown("position of a block", block.position)
    if type(block.feed_forward) is not FeedForward:
        raise _unknown("feed_forward", block.feed_forward)
    for name in ("self_attention", "cross_attention"):
        attention = getattr(block, name, None)
        if attention is None:
            continue
        plain = (
            type(attention) is MultiHeadAttention
            and not attention.use_gate
            and attention.sliding_window is None
            and attention.num_key_value_heads == attention.num_heads
            and attention.value_dim == attention.key_dim
        )
        if not plain:
            raise _unknown(name, attention)


def _fill_linear(linear: Any, *sublayers: Any, input_axes: int = 1) -> None:
    """Kernels side by side, transposed to (outputs, inputs), and their biases."""
    kernels = [_array(sublayer.kernel) for sublayer in sublayers]
    sizes = [int(np.prod(kernel.shape[:input_axes])) for kernel in kernels]
    columns = [kernel.reshape(n, -1) for kernel, n in zip(kernels, sizes, strict=True)]
    linear.weight = np.ascontiguousarray(np.concatenate(columns, axis=1).T)
    if sublayers[0].bias is not None:
        linear.bias = np.concatenate([_array(sublayer.bias).ravel() for sublayer in sublayers])


def _fill_norm(norm: Any, layer: Any) -> None:
    if isinstance(layer, keras.layers.LayerNormalization) and layer.scale and layer.center:
        norm.gamma, norm.beta = _array(layer.gamma), _array(layer.beta)
    elif isinstance(layer, keras.layers.RMSNormalization):
        norm.gamma = _array(layer.scale)
    else:
        raise _unknown("normalization", layer)


def _norm_of(block: Any) -> Any:
    normalization = block.self_attention_residual.normalization
    if normalization is None:
        raise _unknown("normalization", None)
    return normalization


def _activation(specs: Any, feed_forward: Any) -> Any:
    name = getattr(getattr(feed_forward, "activation", None), "__name__", None)
    if name not in _ACTIVATIONS:
        raise ValueError(
            f"CTranslate2 needs an activation among {sorted(_ACTIVATIONS)}. Received: {name!r}."
        )
    return specs.common_spec.Activation[_ACTIVATIONS[name]]


def _unknown(slot: str, layer: Any) -> ValueError:
    received = "none" if layer is None else f"{type(layer).__name__}, {layer.get_config()}"
    return ValueError(
        f"CTranslate2 has no such {slot}, so this model cannot be converted. Received: {received}."
    )


def _array(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), "float32")
