"""The signatures of an exported model, with names, types and axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_attn.translator.graph_translator import GraphTranslator

DEFAULT_SIGNATURE = "serving_default"
STATISTICS_SIGNATURE = "translate_with_stats"
# A request beyond these is refused before anything is computed.
MOST_LINES = 1024
MOST_BYTES_A_LINE = 65_536

_LINES = tf.TensorSpec([None], tf.string)
_FLOATS = tf.TensorSpec([None], tf.float32)
_COUNTS = tf.TensorSpec([None], tf.int32)
_FLAGS = tf.TensorSpec([None], tf.bool)


@dataclasses.dataclass(frozen=True)
class Signature:
    """The tensors of one signature. The first axis of each is the lines of a request.

    Args:
        inputs: dict of str to TensorSpec.
        outputs: dict of str to TensorSpec.
        optional: tuple of str. Outputs that some models, or exports of earlier versions, lack.

    Example:

    >>> sorted(SIGNATURES["n_best"].outputs)
    ['scores', 'translations']
    """

    inputs: dict[str, tf.TensorSpec]
    outputs: dict[str, tf.TensorSpec]
    optional: tuple[str, ...] = ()


def _axes(dtype: tf.DType, *axes: str) -> tf.TensorSpec:
    return tf.TensorSpec([None, *(None for _ in axes)], dtype)


_TEXT = {"text": _LINES}
_TRANSLATION = {"translation": _LINES, "score": _FLOATS, "truncated": _FLAGS}

SIGNATURES: dict[str, Signature] = {
    DEFAULT_SIGNATURE: Signature(_TEXT, _TRANSLATION, optional=("truncated",)),
    STATISTICS_SIGNATURE: Signature(
        _TEXT,
        {
            **_TRANSLATION,
            "log_probability": _FLOATS,
            "source_tokens": _COUNTS,
            "target_tokens": _COUNTS,
            "unknown_tokens": _COUNTS,
            "confidence": _FLOATS,
        },
        optional=("confidence",),
    ),
    "n_best": Signature(
        _TEXT,
        {"translations": _axes(tf.string, "beams"), "scores": _axes(tf.float32, "beams")},
    ),
    "score": Signature({"text": _LINES, "target": _LINES}, {"log_probability": _FLOATS}),
    "attention": Signature(
        _TEXT,
        {
            "translation": _LINES,
            "source_pieces": _axes(tf.string, "source"),
            "target_pieces": _axes(tf.string, "target"),
            "source_length": _COUNTS,
            "target_length": _COUNTS,
            "token_log_probability": _axes(tf.float32, "target"),
            "attention": _axes(tf.float32, "layers", "heads", "target", "source"),
        },
    ),
}


def signature_functions(
    graph: GraphTranslator, translate: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None
) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """Traces the signatures.

    `attention` is left out if the model has no `attention_scores`.

    Args:
        graph: `GraphTranslator`. It computes the signatures.
        translate: function or None. Replaces the `translate` of `graph`.

    Returns:
        dict of str to concrete function.
    """
    translate = translate or graph.translate
    computations: dict[str, Callable[..., dict[str, tf.Tensor]]] = {
        DEFAULT_SIGNATURE: translate,
        STATISTICS_SIGNATURE: translate,
        "n_best": graph.n_best,
        "score": graph.score,
        "attention": graph.attention,
    }
    functions = {}
    for name, compute in computations.items():
        try:
            functions[name] = _trace(SIGNATURES[name], compute)
        except NotImplementedError:
            if name != "attention":
                raise
    return functions


def _trace(
    signature: Signature, compute: Callable[..., dict[str, tf.Tensor]]
) -> tf.types.experimental.ConcreteFunction:
    specs = [tf.TensorSpec(one.shape, one.dtype, name) for name, one in signature.inputs.items()]

    def serve(*lines: tf.Tensor) -> dict[str, tf.Tensor]:
        # A Session accepts any shape, whatever the signature says. This refuses wrong ranks.
        checked = [tf.ensure_shape(one, [None]) for one in lines]
        with tf.control_dependencies(_limits(dict(zip(signature.inputs, checked, strict=True)))):
            outputs = compute(*(tf.identity(one) for one in checked))
        return {
            name: tf.ensure_shape(outputs[name], spec.shape, name=name)
            for name, spec in signature.outputs.items()
            if name in outputs or name not in signature.optional
        }

    return tf.function(serve, input_signature=specs, autograph=False).get_concrete_function()


def _limits(lines: dict[str, tf.Tensor]) -> list[tf.Operation]:
    """Assertions whose messages a client sees, with INVALID_ARGUMENT."""
    assertions = []
    first_name, first = next(iter(lines.items()))
    for name, texts in lines.items():
        count, longest = tf.size(texts), tf.reduce_max(tf.strings.length(texts))
        assertions += [
            tf.debugging.Assert(
                count <= MOST_LINES,
                [f"`{name}` must have at most {MOST_LINES} lines. Received:", count],
            ),
            tf.debugging.Assert(
                longest <= MOST_BYTES_A_LINE,
                [
                    f"`{name}` must have lines of at most {MOST_BYTES_A_LINE} bytes. Received:",
                    longest,
                ],
            ),
            tf.debugging.Assert(
                tf.equal(count, tf.size(first)),
                [f"`{name}` must have as many lines as `{first_name}`. Received:", count],
            ),
        ]
    return assertions
