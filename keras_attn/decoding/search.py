"""The search loop: any model that can take one step, any strategy."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.loop_state import (
    State,
    batch_size_of,
    check_state,
    keep_shapes,
    reorder_rows,
    repeat_rows,
)
from keras_attn.decoding.registry import get
from keras_attn.decoding.search_result import SearchResult
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.search_strategy import SearchStrategy
from keras_attn.system.argument_checks import check_integer

DecodeStep = Callable[[tf.Tensor, State], tuple[tf.Tensor, State]]


def search(
    decode_step: DecodeStep,
    state: State,
    strategy: SearchStrategy | str | dict[str, Any],
    max_length: int | tf.Tensor,
    length_limits: tf.Tensor | None = None,
    start_token_id: int = 2,
    end_token_id: int = 3,
) -> SearchResult:
    """Finds good output sequences, token by token.

    The loop asks the model for the next token's logits, lets the strategy choose, and makes the
    rows of the state follow the hypotheses, until every sentence is done. It is one
    `tf.while_loop` of stock operations: it runs eagerly, in a plain graph with unknown sizes (a
    SavedModel), and with `jit_compile=True`, where `max_length` must be a Python int.

    A hypothesis always ends with the end token. At a sentence's limit, the end token is forced. Its
    log-probability counts like any other, and the hypothesis is marked `truncated` if the model
    preferred another token. So a reported log-probability is always that of the whole sequence as
    returned. Padding (0) and the start token are never produced.

    Args:
        decode_step: function. `decode_step(token_ids, state)` takes the last token of each row, (R,
            1) int32, and returns the next token's logits, (R, V), and the state after the token. R
            = B * W: the W rows of a sentence are adjacent.
        state: dict, as `Seq2SeqModel.start` returns it:
            `"source"`: nest of (B, ...) tensors that stay the same, one row per sentence.
            `"rows"`: nest of (B, ...) tensors, which the search repeats to (R, ...) and reorders
            with the hypotheses.
            `"carried"`: nest of tensors that the search passes on unchanged. Optional.
            `"constants"`: nest of tensors computed from the model's weights alone. Optional.
            `"position"`: int scalar, which only `decode_step` reads and changes.
        strategy: `SearchStrategy`, or anything that `get` accepts.
        max_length: int or int scalar tensor. Largest number of tokens produced, end token
            included; the length T of the result.
        length_limits: int, (B,), or None. A limit for each sentence; values are clipped to
            [1, `max_length`]. None means `max_length` for all.
        start_token_id: int. Fed at the first step. Defaults to `2`.
        end_token_id: int. Ends a hypothesis. Defaults to `3`.

    Returns:
        `SearchResult`: token_ids (B, N, T), log_probabilities, scores and truncated (B, N).

    Raises:
        ValueError: if an argument is out of range or `state` or the logits have the wrong form.

    Example:
    >>> next_token_logits = tf.one_hot([0, 0, 4, 0, 5, 3], 6) * 9.0  # 2 (start), 4, 5, 3 (end)
    >>> def decode_step(token_ids, state):
    ...     return tf.gather(next_token_logits, token_ids[:, 0]), state
    >>> state = {"source": (), "rows": tf.zeros([1, 1]), "position": 0}
    >>> search(decode_step, state, "beam", max_length=5).token_ids.numpy().tolist()
    [[[4, 5, 3, 0, 0]]]
    """
    strategy = get(strategy)
    check_state(state)
    _check_token_ids(start_token_id, end_token_id)
    max_length = _check_max_length(max_length)
    limits = _length_limits(length_limits, batch_size_of(state), max_length)
    rules = SearchRules(limits, start_token_id, end_token_id)
    return strategy.finalize(_run_loop(decode_step, state, strategy, rules, max_length))


def _run_loop(
    decode_step: DecodeStep,
    state: State,
    strategy: SearchStrategy,
    rules: SearchRules,
    max_length: int | tf.Tensor,
) -> Hypotheses:
    """Extends the hypotheses, one token per step, until none is alive."""
    batch_size, num_beams = batch_size_of(state), strategy.num_beams
    num_rows = batch_size * num_beams  # R
    # Closed over: constants of the loop, never copied.
    fixed: State = {name: state[name] for name in ("source", "constants") if name in state}

    def some_alive(step, token_ids, rows, carried, position, hypotheses):
        return (step < max_length) & tf.reduce_any(hypotheses.alive)

    def advance(step, token_ids, rows, carried, position, hypotheses):
        before = {**fixed, "rows": rows, "carried": carried, "position": position}
        logits, after = decode_step(token_ids, before)  # (R, V)
        vocabulary_size = _check_logits(logits, rules)
        logits = tf.reshape(logits, [batch_size, num_beams, vocabulary_size])  # (B, W, V)
        choice = strategy.step(logits, hypotheses, rules, step)
        moves = choice.parents is not None
        new_rows = reorder_rows(after["rows"], choice.parents) if moves else after["rows"]
        # Rows that are not alive are fed the end token: unlike padding it is never masked, so no
        # model is asked to attend to nothing.
        next_ids = tf.where(choice.hypotheses.alive, choice.token_ids, rules.end_token_id)  # (B, W)
        return (
            step + 1,
            keep_shapes(tf.reshape(next_ids, [num_rows, 1]), token_ids),
            keep_shapes(new_rows, rows),
            keep_shapes(after.get("carried", ()), carried),
            tf.cast(after["position"], tf.int32),
            keep_shapes(choice.hypotheses, hypotheses),
        )

    *_, hypotheses = tf.while_loop(
        some_alive,
        advance,
        loop_vars=(
            tf.constant(0),
            tf.fill([num_rows, 1], rules.start_token_id),
            repeat_rows(state["rows"], num_beams),
            tf.nest.map_structure(tf.convert_to_tensor, state.get("carried", ())),
            tf.cast(state["position"], tf.int32),
            strategy.initialize(batch_size, max_length),
        ),
    )
    return hypotheses


def _check_logits(logits: tf.Tensor, rules: SearchRules) -> int | tf.Tensor:
    """Returns the vocabulary size, V."""
    if logits.shape.rank not in (None, 2):
        raise ValueError(
            "`decode_step` must return logits of shape (rows, vocabulary). "
            f"Received: shape {logits.shape}."
        )
    vocabulary_size = None if logits.shape.rank is None else logits.shape[1]
    largest = max(rules.start_token_id, rules.end_token_id)
    if vocabulary_size is not None and vocabulary_size <= largest:
        raise ValueError(
            "`start_token_id` and `end_token_id` must be in the vocabulary. "
            f"Received: {largest}, with logits for {vocabulary_size} tokens."
        )
    return tf.shape(logits)[1] if vocabulary_size is None else vocabulary_size


def _length_limits(
    length_limits: tf.Tensor | None, batch_size: int | tf.Tensor, max_length: int | tf.Tensor
) -> tf.Tensor:
    """Returns the limits as int32, (B,), each in [1, max_length]."""
    if length_limits is None:
        return tf.fill([batch_size], max_length)
    limits = tf.cast(length_limits, tf.int32)
    expected = batch_size if isinstance(batch_size, int) else None
    if not limits.shape.is_compatible_with([expected]):
        raise ValueError(
            "`length_limits` must hold one number for each sentence, shape "
            f"({'batch' if expected is None else expected},). Received: shape {limits.shape}."
        )
    return tf.clip_by_value(limits, 1, max_length)


def _check_max_length(max_length: int | tf.Tensor) -> int | tf.Tensor:
    if tf.is_tensor(max_length) and not hasattr(max_length, "numpy"):
        return tf.cast(max_length, tf.int32)  # symbolic: its value is known when the graph runs
    return check_integer("max_length", max_length, minimum=1)


def _check_token_ids(start_token_id: int, end_token_id: int) -> None:
    check_integer("start_token_id", start_token_id, minimum=0)
    check_integer("end_token_id", end_token_id, minimum=1)
    if start_token_id == end_token_id:
        raise ValueError(
            f"`start_token_id` and `end_token_id` must differ. Received: {start_token_id} for both."
        )
