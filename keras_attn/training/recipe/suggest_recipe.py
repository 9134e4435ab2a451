"""Chooses vocabulary, model and training for a corpus by the rules in this table.

| pairs (to) | vocabulary | layers | D / F | dropout | batch tokens | passes |
|---|---|---|---|---|---|---|
| 2,000 | 1,000 | 2 | 128 / 256 | 0.3 | 1,024 | 100 |
| 20,000 | 4,000 | 3 | 128 / 256 | 0.3 | 2,048 | 50 |
| 60,000 | 8,000 | 4 | 128 / 256 | 0.2 | 2,048 | 30 |
| 400,000 | 8,000 | 3 | 256 / 768 | 0.1 | 4,096 | 20 |
| 2,000,000 | 16,000 | 4 | 256 / 1,024 | 0.1 | 4,096 | 10 |
| more | 32,000 | 6 | 512 / 2,048 | 0.1 | 8,192 | 5 |

The third row follows Wu et al. (2021), who found that a Transformer of this size beats larger ones
on Multi30k (29,000 pairs). The last row has the sizes of the paper's base model. Araabi and Monz
(2020) found that the smaller the corpus is, the more it helps to have fewer merges, fewer layers
and more dropout. The decoder has two layers: a shallow decoder translates faster and about as well
(Kasai et al., 2021). All models are pre-norm with `projection_gain = sqrt(1/2)`: measured on
Multi30k, such a model has a validation perplexity of 26 after 822 updates, and a post-norm model
without it has 57 (`benchmarks/learning.py`).

With few pairs, a pass has few updates, so there are at least 1,500 updates. The best checkpoint is
kept, so too many passes only cost time. If the minutes are too few for a quarter of the passes, the
recipe has the model of the row before: a smaller model that is trained to its end is better than
a larger one that is not. If they are too few for 1,500 updates, the batches are halved, down to
1,024 tokens.

References:
    - Wu et al., 2021, "Good for Misconceived Reasons", ACL.
    - Araabi and Monz, 2020, "Optimizing Transformer for Low-Resource NMT", COLING.
    - Kasai et al., 2021, "Deep Encoder, Shallow Decoder", ICLR.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from keras_attn.data import CleaningReport
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.recipe.tokenizer_recipe import TokenizerRecipe

_DECODER_LAYERS = 2
# The longest segments, in tokens: as long as all but one pair in 200, within these bounds.
_SHARE_WITHIN_LIMIT = 0.995
_SMALLEST_LIMIT, _LARGEST_LIMIT = 32, 512
_SHARE_TO_LEARN = 0.25  # the share of the passes below which a smaller model is taken
# 1,000 pairs every three minutes: then validations take about an eighth of the time of a small
# model on 2 slow cores, where one of 1,000 pairs took 25 seconds.
_VALIDATION_PAIRS_A_MINUTE = 333


@dataclasses.dataclass(frozen=True)
class SizeRule:
    """One row of the table above."""

    most_pairs: float
    vocabulary_size: int
    num_layers: int
    hidden_dim: int
    intermediate_dim: int
    num_heads: int
    dropout: float
    batch_tokens: int
    passes: int
    peak_learning_rate: float


RULES = (
    SizeRule(2_000, 1_000, 2, 128, 256, 4, 0.3, 1024, 100, 0.002),
    SizeRule(20_000, 4_000, 3, 128, 256, 4, 0.3, 2048, 50, 0.002),
    SizeRule(60_000, 8_000, 4, 128, 256, 4, 0.2, 2048, 30, 0.002),
    SizeRule(400_000, 8_000, 3, 256, 768, 4, 0.1, 4096, 20, 0.002),
    SizeRule(2_000_000, 16_000, 4, 256, 1024, 4, 0.1, 4096, 10, 0.0015),
    SizeRule(float("inf"), 32_000, 6, 512, 2048, 8, 0.1, 8192, 5, 0.0007),
)


def find_rule(num_pairs: int) -> SizeRule:
    """The row of the table for this many pairs.

    Args:
        num_pairs: int. The training pairs.

    Returns:
        SizeRule.

    Example:

    >>> find_rule(29_000).num_layers
    4
    """
    return next(rule for rule in RULES if num_pairs <= rule.most_pairs)


def smaller_rule(rule: SizeRule, num_pairs: int) -> SizeRule | None:
    """The corpus's row with the model of the row before `rule`; None if `rule` is the first.

    Args:
        rule: SizeRule. The row.
        num_pairs: int. The training pairs.

    Returns:
        SizeRule or None.
    """
    sizes = ("num_layers", "hidden_dim", "intermediate_dim", "num_heads")
    for before, row in zip(RULES, RULES[1:], strict=False):
        if all(getattr(row, name) == getattr(rule, name) for name in sizes):
            kept = find_rule(num_pairs)
            smaller = {name: getattr(before, name) for name in (*sizes, "peak_learning_rate")}
            return dataclasses.replace(kept, **smaller)
    return None


def learns_enough(passes: float, rule: SizeRule) -> bool:
    """Whether this many passes over the pairs are enough for a model of this size."""
    return passes >= _SHARE_TO_LEARN * rule.passes


def suggest_tokenizer(rule: SizeRule, report: CleaningReport) -> TokenizerRecipe:
    """Makes the section `[tokenizer]` of a row; the texts may need other vocabulary sizes.

    Args:
        rule: SizeRule. The sizes.
        report: CleaningReport. The scripts of the corpus.

    Returns:
        TokenizerRecipe.
    """
    return TokenizerRecipe(
        vocabulary_size=rule.vocabulary_size,
        shared=report.scripts[0] == report.scripts[1],
        character_coverage=0.9995 if "CJK" in report.scripts else 1.0,
    )


def token_limit(lengths: np.ndarray) -> int:
    """The longest segment to train on: a multiple of 8 that leaves out at most one in 200.

    Args:
        lengths: integer array. The tokens of each segment.

    Returns:
        int. At least 32, and at most 512: so much memory does a batch need.

    Example:

    >>> token_limit(np.array([9, 12, 41]))
    48
    """
    longest = float(np.quantile(lengths, _SHARE_WITHIN_LIMIT, method="higher"))
    return int(min(max(math.ceil(longest / 8) * 8, _SMALLEST_LIMIT), _LARGEST_LIMIT))


def validation_interval(
    steps: int, steps_per_epoch: int, minutes: float, num_validation: int
) -> int:
    """Updates between two validations: a pass over the pairs, within bounds.

    A large corpus is validated at least ten times in a run. A small one is validated at most every
    100 updates, or five times in a short run: a pass over 300 pairs has four updates. If there are
    many validation pairs for the minutes, there are fewer validations, but at least two.

    Args:
        steps: int. The updates of the run.
        steps_per_epoch: int. Those of a pass.
        minutes: float. How long training may take.
        num_validation: int. The validation pairs.

    Returns:
        int.

    Example:

    >>> validation_interval(6000, 210, minutes=120, num_validation=1000)
    210
    >>> validation_interval(6000, 210, minutes=6, num_validation=1000)
    3000
    """
    interval = max(min(steps_per_epoch, steps // 10), min(100, steps // 5), 1)
    most = max(2.0, _VALIDATION_PAIRS_A_MINUTE * minutes / num_validation)
    return max(interval, math.ceil(steps / most))


def suggest_recipe(
    rule: SizeRule,
    tokenizer: TokenizerRecipe,
    limits: tuple[int, int],
    data: dict[str, Any],
    minutes: float,
    num_validation: int,
) -> Recipe:
    """Makes the recipe of a row.

    Args:
        rule: SizeRule. The sizes.
        tokenizer: TokenizerRecipe. The vocabulary.
        limits: pair of int. The longest source and the longest target, in tokens.
        data: dict. The fields of `[data]` that name the files.
        minutes: float. How long training may take.
        num_validation: int. The validation pairs.

    Returns:
        Recipe.
    """
    return Recipe.from_table(
        {
            "data": {**data, "max_source_tokens": limits[0], "max_target_tokens": limits[1]},
            "tokenizer": tokenizer.to_table(),
            "model": {
                "preset": "transformer_tiny",
                "overrides": {
                    "num_layers": rule.num_layers,
                    "num_decoder_layers": min(rule.num_layers, _DECODER_LAYERS),
                    "hidden_dim": rule.hidden_dim,
                    "intermediate_dim": rule.intermediate_dim,
                    "num_heads": rule.num_heads,
                    "dropout": rule.dropout,
                    "normalize_first": True,
                    "projection_gain": 0.7071,
                },
            },
            "training": {
                "global_batch_tokens": rule.batch_tokens,
                "num_buckets": 4,
                "max_minutes": float(minutes),
                "max_epochs": float(rule.passes),
                "peak_learning_rate": rule.peak_learning_rate,
                "warmup_steps": 800,
                "decay": "linear",
                "decay_share": 0.4,
                "bleu_sentences": min(200, num_validation),
                "keep_checkpoints": 3,
                "average_last": 3,
            },
        },
        name="new",
    )
