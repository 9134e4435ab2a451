"""Prompts of any length, continued by a language model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import tensorflow as tf

from keras_attn.decoding import SearchStrategy, get, search
from keras_attn.models import TransformerLM
from keras_attn.system.argument_checks import check_integer


def generate_tokens(
    model: TransformerLM,
    prompts: Sequence[Sequence[int]],
    max_length: int,
    decoding: SearchStrategy | str | dict[str, Any] = "greedy",
    start_token_id: int = 2,
    end_token_id: int = 3,
) -> list[list[int]]:
    """Continues prompts: searches those of equal length together and returns the best of each.

    Args:
        model: `TransformerLM`.
        prompts: lists of token ids, each with at least one id and no padding.
        max_length: int. Largest number of new tokens, end token included.
        decoding: `SearchStrategy`, or anything that `keras_attn.decoding.get` accepts. Defaults to
            `"greedy"`.
        start_token_id: int. Never produced; nor is padding (0). Defaults to `2`.
        end_token_id: int. Ends a continuation. Defaults to `3`.

    Returns:
        list of lists of int: the new tokens of each prompt, without the end token.

    Raises:
        ValueError: if a prompt is empty or has padding, or an argument is out of range.

    Example:
    >>> model = keras_attn.models.TransformerLM(
    ...     vocabulary_size=20, hidden_dim=8, intermediate_dim=16, num_heads=2, num_layers=1)
    >>> continued = generate_tokens(model, [[2, 4, 6], [2], [2, 5, 7]], max_length=4)
    >>> len(continued), max(map(len, continued)) < 4
    (3, True)
    """
    strategy = get(decoding)
    max_length = check_integer("max_length", max_length)
    members = defaultdict(list)
    for index, prompt in enumerate(prompts):
        members[len(prompt)].append(index)
    continued: list[list[int]] = [[] for _ in prompts]
    for length, indices in members.items():
        rows = np.array([prompts[i] for i in indices], "int32").reshape(len(indices), length)
        state = model.start(tf.constant(rows), max_length, num_beams=strategy.num_beams)
        result = search(
            model.decode_step,
            state,
            strategy,
            max_length,
            start_token_id=start_token_id,
            end_token_id=end_token_id,
        )
        best = result.token_ids.numpy()[:, 0].tolist()
        for i, token_ids in zip(indices, best, strict=True):
            # A search returns only padding if the model's logits are NaN.
            continued[i] = list(takewhile(lambda one: one not in (0, end_token_id), token_ids))
    return continued
