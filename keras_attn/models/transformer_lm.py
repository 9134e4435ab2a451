"""A Transformer that continues text: a decoder without an encoder (Liu et al., 2018)."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attn.models.causal_decoder import CausalDecoder
from keras_attn.models.hypothesis_caches import OpenCaches
from keras_attn.models.input_checks import check_max_length, check_token_ids
from keras_attn.models.one_stack_model import OneStackModel
from keras_attn.models.step_by_step import StepByStep
from keras_attn.ops.known_values import has_values

Tensor = Any


class PromptedRows(NamedTuple):
    """The "rows" of a language model's state.

    Args:
        caches: one of the ways of `hypothesis_caches`.
        next_token: int32, (R, 1). In the first step, the last token of the prompt, which replaces
            what the search feeds. Afterwards -1: the search feeds the token.
    """

    caches: Any
    next_token: Tensor


@keras.saving.register_keras_serializable(package="keras_attn")
class TransformerLM(StepByStep, OneStackModel):
    """Causal language model: logits of the next token at every position of a sequence.

    Train it on sequences and the same sequences one position later, `ids[:, :-1]` and
    `ids[:, 1:]`, with a loss that leaves out label 0, the padding, such as
    `SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)`.

    To continue prompts, use `start` and `decode_step` with `keras_attn.decoding.search`. The
    prompts of a call must have one length and no padding; `keras_attn.translator.generate_tokens`
    takes lists of any lengths. A search never produces padding (0) or its `start_token_id`. It
    feeds the latter first, but the last token of the prompt replaces it. A search ends a sequence
    with `end_token_id`.

    Masking: causal, so padding after a sequence changes nothing before it.

    Args:
        vocabulary_size: int. Number of tokens, V. Defaults to 37,000.
        name, dtype, trainable: as in `keras.Model`.
        **stack: arguments of `CausalDecoder`: `hidden_dim`, `intermediate_dim`, `num_heads`,
            `num_layers`, `dropout`, `attention_dropout`, `projection_gain`, `activation`,
            `normalize_first`, `attention`, `position`, `feed_forward`, `normalization`, `residual`,
            `stochastic_depth`, `normalization_epsilon`, `max_sequence_length`, `tie_output`,
            `use_output_bias`, `output_projection`.

    Call arguments:
        token_ids: int, (B, T); 0 is padding.
        training: bool. Whether dropout acts.

    Returns:
        Logits, (B, T, V).

    Raises:
        ValueError: if the ids are not integers of rank 2, or an argument is out of range.

    Example:
    >>> model = keras_attn.models.TransformerLM(
    ...     vocabulary_size=20, hidden_dim=8, intermediate_dim=16, num_heads=2, num_layers=1)
    >>> prompt = keras.ops.array([[2, 4, 6]])
    >>> model(prompt).shape
    TensorShape([1, 3, 20])
    >>> state = model.start(prompt, max_length=5)
    >>> keras_attn.decoding.search(model.decode_step, state, "greedy", 5).token_ids.shape
    TensorShape([1, 1, 5])

    References:
        - [Liu et al., 2018](https://arxiv.org/abs/1801.10198), Section 4.2.3.
    """

    def __init__(self, vocabulary_size=37_000, name=None, dtype=None, trainable=True, **stack):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self.decoder = CausalDecoder(
            vocabulary_size, dtype=self.dtype_policy, name="decoder", **stack
        )
        self.vocabulary_size = self.decoder.vocabulary_size
        self.max_sequence_length = self.decoder.longest_sequence

    @property
    def _stack(self):
        return self.decoder

    def call(self, token_ids, training=None):
        return self.decoder(token_ids, training=training)  # (B, T, V)

    def start(self, token_ids, max_length, num_beams=None):
        """Reads the prompts in one pass, except for their last tokens.

        Args:
            token_ids: int, (B, S). Prompts of one length, at least one token, without padding.
            max_length: int. Number of new tokens to make room for.
            num_beams: int. Number of hypotheses per prompt, W, see `Seq2SeqModel`. Defaults to
                None: unknown.

        Returns:
            The state before the first step, as `Seq2SeqModel` describes it. "position" also
            counts the tokens of the prompt.

        Raises:
            ValueError: if a prompt is empty or has padding (not checked in a graph), or there are
                more positions than the model has learned.
        """
        token_ids = ops.convert_to_tensor(token_ids)
        _check_prompts(token_ids)
        self._ensure_built()
        num_read = ops.shape(token_ids)[1] - 1  # an int if it is known
        check_max_length(max_length, self.max_sequence_length, num_read)
        state = self._start_state(token_ids, num_read + max_length, num_beams, source=())
        state = self._read(token_ids[:, :-1], num_read, state)
        last = ops.cast(token_ids[:, -1], "int32")[:, None]  # (B, 1), even if S is unknown
        return {**state, "rows": PromptedRows(state["rows"], last)}

    def _read(self, token_ids, num_tokens, state):
        """The state after tokens that all hypotheses have in common, (B, T)."""

        def fill(blocks):
            return self._decode(token_ids, num_tokens, OpenCaches(blocks), state)[1]

        def fill_unless_empty(blocks):
            if isinstance(num_tokens, int):
                return fill(blocks) if num_tokens else blocks
            return ops.cond(num_tokens > 0, lambda: fill(blocks), lambda: blocks)

        parts = state["rows"].read(state, fill_unless_empty, num_tokens)
        return {**state, **parts, "position": state["position"] + num_tokens}

    def decode_step(self, token_ids, state):
        """Feeds one token to every hypothesis; in the first step, the last token of its prompt.

        Args:
            token_ids: int, (R, 1). The tokens chosen last; ignored in the first step.
            state: as `start` or the previous step returned it.

        Returns:
            Logits of the next token, (R, V), and the state after it.
        """
        caches, next_token = state["rows"]
        token_ids = ops.where(next_token < 0, ops.cast(token_ids, "int32"), next_token)
        logits, after = self._advance(token_ids, {**state, "rows": caches})
        rows = PromptedRows(after["rows"], ops.full_like(next_token, -1))
        return logits, {**after, "rows": rows}

    def attention_scores(self, token_ids):
        """Attention weights of known sequences.

        Args:
            token_ids: int, (B, T).

        Returns:
            dict of `"decoder"`, (B, L, H, T, T).
        """
        self._ensure_built()
        _, scores = self.decoder(token_ids, return_attention_scores=True, training=False)
        return {"decoder": scores}

    def compute_output_shape(self, token_ids_shape):
        return (*token_ids_shape, self.vocabulary_size)


def _check_prompts(token_ids):
    """Raises ValueError unless every prompt has a token and no padding."""
    check_token_ids("prompt", token_ids)
    if token_ids.shape[1] == 0:
        raise ValueError("A prompt must have at least one token, such as a start token.")
    if not has_values(token_ids) or token_ids.shape[0] == 0:
        return  # a graph, whose values are not known yet, or no prompts
    if ops.convert_to_numpy(token_ids).min() <= 0:
        raise ValueError(
            "The prompts of a call must be rows of one length, without padding (0). Received: "
            f"{ops.convert_to_numpy(token_ids).min()} in a batch of shape "
            f"{tuple(token_ids.shape)}. Group the prompts by their length."
        )
