"""Trainings of one recipe that share a compiled model: its graphs are traced once.

Tracing is most of what a training of six updates costs. What a training starts from is the same:
all variables get the values that they had when the model was new.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from keras_attn.training import prepare_session

_MAKE_MODEL = prepare_session.make_model
# Fields of `[training]` that no graph depends on.
_NOT_IN_GRAPHS = {
    "max_steps", "max_epochs", "max_minutes", "validate_every_steps", "log_every_steps",
    "bleu_sentences", "bleu_search", "bleu_tokenizer", "sample_sentences", "selection_metric",
    "early_stopping_patience", "save_every_minutes", "keep_checkpoints", "average_last",
}  # fmt: skip


@contextlib.contextmanager
def reused_models() -> Iterator[None]:
    """While it is in use, `train` takes a model again that it has made for an equal recipe."""
    made: dict[str, Any] = {}

    def find_or_make(recipe, tokenizers, strategy, start, teacher):
        training = {
            name: value
            for name, value in recipe.training.to_table().items()
            if name not in _NOT_IN_GRAPHS
        }
        sizes = [tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size]
        key = repr((training, recipe.model, sizes, tokenizers.is_shared))
        if key not in made:
            model, token_counter = _MAKE_MODEL(recipe, tokenizers, strategy, start, teacher)
            variables = _variables(model)
            made[key] = model, token_counter, [one.numpy().copy() for one in variables]
            return model, token_counter
        model, token_counter, values = made[key]
        for variable, value in zip(_variables(model), values, strict=True):
            variable.assign(value)
        return model, token_counter

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_session, "make_model", find_or_make)
        yield


def _variables(model) -> list:
    plan = getattr(model.optimizer.schedule, "_plan", None)
    planned = [] if plan is None else [plan]
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables, *planned]
