"""The weights of a Transformer, laid out for CTranslate2."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_attn.layers import (
    FeedForward,
    LearnedPositionEmbedding,
    MultiHeadAttention,
    Residual,
    SinusoidalPositionEncoding,
)
from keras_attn.models import Seq2SeqModel, Transformer

# Keras' activation -> its name in CTranslate2. The function decides, not its name. "gelu" is the
# exact one in both.
_ACTIVATIONS = {
    keras.activations.relu: "RELU",
    keras.activations.gelu: "GELU",
    keras.activations.silu: "SWISH",
    keras.activations.tanh: "Tanh",
}


def ctranslate2_spec(model: Seq2SeqModel, longest_tokens: int = 1024) -> Any:
    """Lays the weights of a `Transformer` out as CTranslate2's `TransformerSpec`.

    Args:
        model: `Transformer`, with the multi-head attention, feed-forward network and normalization
            of the paper, in its order or in pre-norm order.
        longest_tokens: int. The number of sinusoidal positions to write, because sinusoids have no
            limit. Learned positions are written as they are.

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
    # A subclass, here or in any slot, may compute something else with the same weights.
    if type(model) is not Transformer:
        raise ValueError(f"`model` must be a Transformer. Received: {type(model).__name__}.")
    if not model.built:
        model.build()
    for block in (*model.encoder.blocks, *model.decoder.blocks):
        _check_block(block)
    first = model.encoder.blocks[0]
    normalization = first.self_attention_residual.normalization
    spec = specs.TransformerSpec.from_config(
        (len(model.encoder.blocks), len(model.decoder.blocks)),
        first.self_attention.num_heads,
        pre_norm=first.normalize_first,
        activation=specs.common_spec.Activation[_ACTIVATIONS[first.feed_forward.activation]],
        rms_norm=type(normalization) is keras.layers.RMSNormalization,
    )
    spec.config.layer_norm_epsilon = normalization.epsilon
    for part, stack in ((spec.encoder, model.encoder), (spec.decoder, model.decoder)):
        _set_heads(part, stack)
        _fill_stack(part, stack, longest_tokens)
        for layer, block in zip(part.layer, stack.blocks, strict=True):
            _fill_block(layer, block, has_source=part is spec.decoder)
    spec.encoder.embeddings[0].weight = _array(model.encoder.embedding.embeddings)
    spec.decoder.embeddings.weight = _array(model.decoder.embedding.embeddings)
    _fill_projection(spec.decoder, model.decoder)
    return spec


def _import_specs() -> Any:
    try:
        import ctranslate2.specs
    except ImportError as error:
        raise ImportError(
            'CTranslate2 is not installed: pip install "keras_attn[ctranslate2]"'
        ) from error
    return ctranslate2.specs


# Checks that refuse parts that the C++ engine would silently compute differently


def _check_is_not_quantized(layer: Any) -> None:
    if layer.quantization_mode is not None:
        raise _unknown(
            "quantization", f"{layer.quantization_mode}; CTranslate2 quantizes weights itself"
        )


def _check_block(block: Any) -> None:
    if type(block.feed_forward_residual) is not Residual:
        raise _unknown("residual", _class_of(block.feed_forward_residual))
    if type(block.feed_forward) is not FeedForward:
        raise _unknown("feed_forward", _class_of(block.feed_forward))
    activation = block.feed_forward.activation
    if activation not in _ACTIVATIONS:
        known = ", ".join(sorted(function.__name__ for function in _ACTIVATIONS))
        name = getattr(activation, "__name__", _class_of(activation))
        raise _unknown("activation", f"{name}; CTranslate2 knows {known}")
    for name in ("self_attention", "cross_attention"):
        if hasattr(block, name):
            _check_attention(name, getattr(block, name), block.hidden_dim)
            _check_normalization(getattr(block, f"{name}_residual").normalization)
    _check_normalization(block.feed_forward_residual.normalization)


def _check_attention(slot: str, attention: Any, hidden_dim: int) -> None:
    if type(attention) is not MultiHeadAttention:
        raise _unknown(slot, _class_of(attention))
    # CTranslate2 scales and splits heads by hidden_dim / num_heads, even if their size differs.
    wanted = {
        "use_gate": False,
        "sliding_window": None,
        "position": None,
        "num_key_value_heads": attention.num_heads,
        "key_dim": hidden_dim / attention.num_heads,
        "value_dim": hidden_dim / attention.num_heads,
    }
    for name, value in wanted.items():
        if getattr(attention, name) != value:
            received = f"{name}={getattr(attention, name)}, num_heads={attention.num_heads}"
            raise _unknown(slot, f"{_class_of(attention)}({received}, hidden_dim={hidden_dim})")


def _check_normalization(layer: Any) -> None:
    is_layer_norm = type(layer) is keras.layers.LayerNormalization
    if is_layer_norm and not (layer.scale and layer.center):
        received = f"{_class_of(layer)}(scale={layer.scale}, center={layer.center})"
        raise _unknown("normalization", received)
    if not is_layer_norm and type(layer) is not keras.layers.RMSNormalization:
        raise _unknown("normalization", _class_of(layer))


def _class_of(layer: Any) -> str:
    return "none" if layer is None else type(layer).__name__


def _unknown(slot: str, received: str) -> ValueError:
    return ValueError(
        f"`model` must only have parts that CTranslate2 knows. CTranslate2 has no such {slot}. "
        f"Received: {received}."
    )


# Weights


def _set_heads(part: Any, stack: Any) -> None:
    """Sets the number of heads. `from_config` gives both stacks the same; ours may differ."""
    names = ("self_attention", "cross_attention")
    layers = (getattr(block, name, None) for block in stack.blocks for name in names)
    num_heads = sorted({layer.num_heads for layer in layers if layer is not None})
    if len(num_heads) > 1:
        raise _unknown("attention", f"num_heads={num_heads} in the blocks of one stack")
    part.num_heads = np.dtype("int16").type(num_heads[0])


def _fill_stack(part: Any, stack: Any, longest_tokens: int) -> None:
    part.scale_embeddings = bool(stack.embedding.scale)
    position = stack.position
    if type(position) is SinusoidalPositionEncoding:
        encoding = position.encoding(longest_tokens, stack.hidden_dim)
    elif type(position) is LearnedPositionEmbedding:
        encoding = position.embeddings
    else:
        raise _unknown("position", _class_of(position))
    part.position_encodings.encodings = _array(encoding)
    if stack.final_normalization is not None:
        _fill_norm(part.layer_norm, stack.final_normalization)


def _fill_projection(part: Any, decoder: Any) -> None:
    output = decoder.output_projection
    if output is None:
        part.projection.weight = part.embeddings.weight  # the same array: the file holds it once
        if decoder.output_bias is not None:
            part.projection.bias = _array(decoder.output_bias)
        return
    is_linear = getattr(output, "activation", None) is keras.activations.linear
    if type(output) is not keras.layers.Dense or not is_linear:
        raise _unknown("output_projection", _class_of(output))
    _fill_linear(part.projection, output)


def _fill_block(layer: Any, block: Any, has_source: bool) -> None:
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


def _fill_linear(linear: Any, *sublayers: Any, input_axes: int = 1) -> None:
    """Kernels side by side, transposed to (outputs, inputs), and their biases."""
    for sublayer in sublayers:
        _check_is_not_quantized(sublayer)
    kernels = [_array(sublayer.kernel) for sublayer in sublayers]
    sizes = [int(np.prod(kernel.shape[:input_axes])) for kernel in kernels]
    columns = [kernel.reshape(n, -1) for kernel, n in zip(kernels, sizes, strict=True)]
    linear.weight = np.ascontiguousarray(np.concatenate(columns, axis=1).T)
    if sublayers[0].bias is not None:
        linear.bias = np.concatenate([_array(sublayer.bias).ravel() for sublayer in sublayers])


def _fill_norm(norm: Any, layer: Any) -> None:
    if type(layer) is keras.layers.RMSNormalization:
        norm.gamma = _array(layer.scale)
    else:
        norm.gamma, norm.beta = _array(layer.gamma), _array(layer.beta)


def _array(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), "float32")
