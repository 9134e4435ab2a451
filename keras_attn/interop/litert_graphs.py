"""The two graphs of a LiteRT export: the encoder, and one step of the decoder."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_attn.data import Tokenizer
from keras_attn.decoding import SearchStrategy
from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.interop.litert_layers import (
    HostCache,
    LiteRTAttention,
    PositionTable,
)
from keras_attn.layers import (
    FeedForward,
    LearnedPositionEmbedding,
    MultiHeadAttention,
    SinusoidalPositionEncoding,
)
from keras_attn.layers.attention.attention_cache import BlockStep, CrossCache, DecodingStep
from keras_attn.layers.slots import copy_layer, serialize_slot
from keras_attn.models import Decoder, Seq2SeqModel, Transformer

_BEAM_DTYPES = {
    "log_probabilities": tf.float32,
    "num_tokens": tf.int32,
    "alive": tf.bool,
    "finished": tf.bool,
    "truncated": tf.bool,
}
_POSITIONS = (SinusoidalPositionEncoding, LearnedPositionEmbedding)


def litert_model(model: Seq2SeqModel, longest: int) -> Transformer:
    """A copy of a model, in float32, whose attention and positions suit LiteRT.

    Everything else is the model's own, including its `Encoder.call` and `Decoder.call`: nothing is
    defined twice.

    Args:
        model: `Transformer`.
        longest: int. The number of sinusoidal positions, because sinusoids have no limit.

    Returns:
        `Transformer` with the same weights.

    Raises:
        ValueError: if the model has an attention or position layer that cannot be written.
    """
    # A subclass, here or in a slot, may compute something else with the same weights.
    if type(model) is not Transformer:
        raise _unknown("model", model)
    for block in (*model.encoder.blocks, *model.decoder.blocks):
        _check_block(block)
    position = model.encoder.position
    if position is not None and type(position) not in _POSITIONS:
        raise _unknown("position", position)
    limit = model.max_sequence_length or longest
    config = model.get_config()
    for slot, stack in (("attention", model.encoder), ("decoder_attention", model.decoder)):
        config[slot] = _as(LiteRTAttention, stack.blocks[0].self_attention)
    if position is not None:
        table = PositionTable(copy_layer(position), limit)
        config["position"] = serialize_slot(table)
    other = Transformer.from_config(_in_float32({**config, "dtype": None}))
    other.build()
    other.set_weights(model.get_weights())
    return other


def _as(layer_class: type[keras.layers.Layer], layer: keras.layers.Layer) -> Any:
    """A slot's config: a layer of another class with the same arguments."""
    return serialize_slot(layer_class.from_config({**layer.get_config(), "name": "attention"}))


def _in_float32(config: Any) -> Any:
    """A config with float32 for every dtype, including those of layers in slots."""
    if isinstance(config, (list, tuple)):
        return [_in_float32(value) for value in config]
    if not isinstance(config, dict):
        return config
    return {
        name: "float32" if name == "dtype" else _in_float32(value) for name, value in config.items()
    }


def _check_block(block: Any) -> None:
    for name in ("self_attention", "cross_attention"):
        attention = getattr(block, name, None)
        if attention is None:
            continue
        if type(attention) is not MultiHeadAttention:
            raise _unknown("attention", attention)
        for option, plain in (
            ("use_gate", False),
            ("sliding_window", None),
            ("position", None),
            ("num_key_value_heads", attention.num_heads),
            ("value_dim", attention.key_dim),
        ):
            if getattr(attention, option) != plain:
                received = f"{option}={getattr(attention, option)}"
                raise _unknown("attention", f"MultiHeadAttention with {received}")
    if type(block.feed_forward) is not FeedForward:
        raise _unknown("feed_forward", block.feed_forward)


def _unknown(slot: str, received: Any) -> ValueError:
    described = received if isinstance(received, str) else type(received).__name__
    return ValueError(
        f"`translator` must have a model that can be written for LiteRT: a Transformer with the "
        f"{slot} layers of this package. Received: {slot}={described}. Export a SavedModel instead."
    )


def encoder_graph(model: Transformer) -> Any:
    """The encoder, and the keys and values of its output for every block of the decoder.

    Args:
        model: `Transformer`, from `litert_model`.

    Returns:
        A concrete function. Its input is `token_ids`, int32 (1, S): one sentence, perhaps with
        padding (0) after it. Its outputs are `source_key_00`, `source_value_00` and so on, float32
        (1, H, S, K). (With several sentences, two unknown sizes would put operations on shapes
        between those that XNNPACK runs.)
    """

    def encode(*, token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        sequence = model.encoder(token_ids, training=False)
        return _numbered("source", model.decoder.project_encoder_sequence(sequence))

    ids = tf.TensorSpec((1, None), tf.int32)
    return tf.function(encode, autograph=False).get_concrete_function(token_ids=ids)


def decoder_graph(model: Transformer, strategy: SearchStrategy, max_length: int) -> Any:
    """One step of the decoder and of the search.

    Args:
        model: `Transformer`, from `litert_model`.
        strategy: `SearchStrategy`, with W hypotheses for each of B sentences.
        max_length: int. The largest number of tokens of a hypothesis, T. (If it were unknown,
            LiteRT would plan its memory again while it runs.)

    Returns:
        A concrete function. Its inputs:

        - `token_ids`, int32 (B * W, 1): the last token of each hypothesis.
        - `position`, int32 (1,): the number of earlier positions, at most P.
        - `target_mask`, float32 (B, 1, W, P * W), and `source_mask`, float32 (B, 1, 1, S): 0 for
          what may be attended to, else -1e9.
        - `target_key_00`, `target_value_00` and so on, float32 (B, H, P * W, K): the earlier
          positions, of W hypotheses each; `source_key_00` and so on, the encoder's.
        - `length_limits`, int32 (B,), at most T, and `beam_token_ids` and so on, the fields of
          `Hypotheses`.

        Its outputs: `beam_token_ids` and so on, and `scores`, float32 (B, W); `next_token_ids`,
        int32 (B * W, 1); `parents`, int32 (B, W), the slots that hypotheses were in before;
        `new_key_00`, `new_value_00` and so on, float32 (B * W, H, K).
    """
    attention = model.decoder.blocks[0].self_attention
    heads, size, num_beams = attention.num_heads, attention.key_dim, strategy.num_beams

    def step(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        logits, new = _decode(model.decoder, inputs, num_beams)
        hypotheses = Hypotheses(*(inputs[f"beam_{name}"] for name in Hypotheses._fields))
        rules = SearchRules(
            inputs["length_limits"], Tokenizer.start_token_id, Tokenizer.end_token_id
        )
        logits = tf.reshape(logits, (-1, num_beams, logits.shape[-1]))  # (B, W, V)
        after, token_ids, parents = strategy.step(logits, hypotheses, rules, inputs["position"][0])
        token_ids = tf.where(after.alive, token_ids, Tokenizer.end_token_id)
        stays = tf.zeros_like(token_ids)  # with one slot, its parent is slot 0
        return {
            **{f"beam_{name}": value for name, value in after._asdict().items()},
            "scores": strategy.scores(after),
            "next_token_ids": tf.reshape(token_ids, (-1, 1)),
            "parents": stays if parents is None else parents,
            **new,
        }

    specs = {
        "token_ids": tf.TensorSpec((None, 1), tf.int32),
        "position": tf.TensorSpec((1,), tf.int32),
        "target_mask": tf.TensorSpec((None, 1, num_beams, None), tf.float32),
        "source_mask": tf.TensorSpec((None, 1, 1, None), tf.float32),
        "length_limits": tf.TensorSpec((None,), tf.int32),
        "beam_token_ids": tf.TensorSpec((None, num_beams, max_length), tf.int32),
        **{
            f"beam_{name}": tf.TensorSpec((None, num_beams), dtype)
            for name, dtype in _BEAM_DTYPES.items()
        },
        **{
            name: tf.TensorSpec((None, heads, None, size), tf.float32)
            for prefix in ("target", "source")
            for i in range(len(model.decoder.blocks))
            for name in _names(prefix, i).values()
        },
    }
    return tf.function(step, autograph=False).get_concrete_function(**specs)


def _decode(
    decoder: Decoder, inputs: dict[str, tf.Tensor], num_beams: int
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The logits of the next token, (B * W, V), and the new keys and values."""
    position = inputs["position"][0]
    blocks = [
        BlockStep(
            HostCache(_of_block("target", i, inputs), position, inputs["target_mask"]),
            CrossCache({**_of_block("source", i, inputs), "mask": inputs["source_mask"]}),
            num_beams,
        )
        for i in range(len(decoder.blocks))
    ]
    step = DecodingStep(position, blocks)
    logits, caches = decoder(inputs["token_ids"], step=step, training=False)
    return logits[:, 0], _numbered("new", [cache.tensors for cache in caches])


def convert(function: Any, quantize: str | None = None) -> bytes:
    """Converts a graph.

    Args:
        function: concrete function.
        quantize: `"int8"` or None. How the weights of products and embeddings are quantized.

    Returns:
        bytes. A `.tflite` file.
    """
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_frozen(function)], tf.Module())
    if quantize == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def _frozen(function: Any) -> Any:
    """The graph with its variables as constants, and the same input and output names."""
    frozen = _without_gradients(convert_variables_to_constants_v2(function))
    names = sorted(function.structured_outputs)

    def call(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, frozen(**inputs), strict=True))

    _, specs = function.structured_input_signature
    return tf.function(call, autograph=False).get_concrete_function(**specs)


def _without_gradients(function: Any) -> Any:
    """The function without gradients of its own, such as that of `silu`.

    They cannot be saved. The converter would then go on in another way, and lose the signature.
    """
    graph_def = function.graph.as_graph_def()
    for node in graph_def.node:
        node.attr.pop("_gradient_op_type", None)
    imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph_def, name=""), [])
    inputs, outputs = (
        [imported.graph.get_tensor_by_name(tensor.name) for tensor in tensors]
        for tensors in (function.inputs, function.outputs)
    )
    return imported.prune(inputs, outputs)


def _names(prefix: str, block: int) -> dict[str, str]:
    return {part: f"{prefix}_{part}_{block:02d}" for part in ("key", "value")}


def _of_block(prefix: str, block: int, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {part: inputs[name] for part, name in _names(prefix, block).items()}


def _numbered(prefix: str, blocks: list[dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
    return {
        name: tensors[part]
        for i, tensors in enumerate(blocks)
        for part, name in _names(prefix, i).items()
    }
