"""A training of a second or two: numbers to their digits in another order."""

from pathlib import Path
from typing import Any

from keras_attn.training.recipe.recipe import Recipe


def write_digits(directory: Path) -> Path:
    """Writes the pairs; nothing that is slow to read or to score."""
    directory.mkdir()
    for name, numbers in (("train", range(1000, 1300)), ("val", range(2000, 2012))):
        for language, step in (("en", 1), ("de", -1)):
            lines = [" ".join(str(number)[::step]) for number in numbers]
            (directory / f"{name}.{language}").write_text("\n".join(lines), encoding="utf-8")
    return directory


def digits_recipe(directory: Path, dropout: float = 0.0, **training: Any) -> Recipe:
    """A recipe for what `write_digits` wrote: one layer, no XLA, `[training]` as given."""
    return Recipe.from_table(
        {
            "data": {
                "kind": "text_pair", "directory": str(directory),
                "train": ["train.en", "train.de"], "validation": ["val.en", "val.de"],
            },
            "tokenizer": {"kind": "byte"},
            "model": {
                "preset": "transformer_tiny",
                "overrides": {
                    "hidden_dim": 32, "intermediate_dim": 64, "num_heads": 2, "num_layers": 1,
                    "dropout": dropout,
                },
            },
            "training": {"jit_compile": False, "sample_sentences": 0, **training},
            "decoding": {"class_name": "GreedySearch", "max_extra_tokens": 2},
        },
        name="digits",
    )  # fmt: skip
