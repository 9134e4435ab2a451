"""The translators that a recipe names: what a run starts from, and what it learns from."""

import tensorflow as tf

from keras_attn.models import Ensemble, Seq2SeqModel
from keras_attn.pretrained import locate
from keras_attn.training.model_setup import check_positions
from keras_attn.training.recipe.model_recipe import ModelRecipe
from keras_attn.training.recipe.recipe import Recipe
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.training.tokenizer_pair import TokenizerPair
from keras_attn.translator import Translator


def read_start(recipe: ModelRecipe) -> Translator | None:
    """Reads the translator that `model.start_from` names.

    Args:
        recipe: ModelRecipe.

    Returns:
        Translator, or None if training starts from fresh weights.

    Raises:
        ValueError: if there is no such translator, it is damaged, or it is an ensemble.
    """
    start = _read("model.start_from", recipe.start_from)
    if start is not None and isinstance(start.model, Ensemble):
        raise ValueError(
            "`model.start_from` must be a translator with one model. Received: "
            f"{recipe.start_from!r}, an ensemble. To learn from it, use `training.teacher`"
        )
    return start


def read_teacher(recipe: Recipe, strategy: tf.distribute.Strategy) -> Translator | None:
    """Reads the translator that `training.teacher` names.

    Args:
        recipe: Recipe.
        strategy: tf.distribute.Strategy. That of the run: each replica asks the teacher.

    Returns:
        Translator, or None if the model learns from the labels alone.

    Raises:
        ValueError: if there is no such translator, it is damaged, or it has fewer positions than
            the batches of the recipe's longest sentences.
    """
    way_out = ". To train without it, use `--set training.teacher=none`"
    with strategy.scope():
        teacher = _read("training.teacher", recipe.training.teacher, way_out)
    if teacher is not None:
        change = "use a teacher with {needed} positions or more"
        check_positions(recipe, teacher.model.max_sequence_length, "the teacher's", change)
    return teacher


def _read(field: str, location: str | None, way_out: str = "") -> Translator | None:
    if location is None:
        return None
    directory = locate(location)
    in_run = RunDirectory(directory).translator
    try:
        return Translator.load(in_run if in_run.is_dir() else directory)
    except ValueError as error:
        raise ValueError(
            f"`{field}` must be a saved translator, a run that has one, or the name of a "
            f"shipped model. Received: {location!r} ({error}){way_out}"
        ) from error


def check_teacher(name: str | None, teacher: Translator, tokenizers: TokenizerPair) -> None:
    """Checks that a teacher has the tokenizers of a run.

    Args:
        name: str or None. `training.teacher`, for the error.
        teacher: Translator.
        tokenizers: TokenizerPair. Those of the run.

    Raises:
        ValueError: if it has others.
    """
    for side in ("source", "target"):
        if not getattr(tokenizers, side).is_same(getattr(teacher, f"{side}_tokenizer")):
            raise ValueError(
                "`training.teacher` must have the tokenizers of the run. Received: "
                f"{name!r}, with another {side} tokenizer. A new run without `model.start_from` "
                "takes those of its teacher"
            )


def take_weights(model: Seq2SeqModel, start: Seq2SeqModel) -> None:
    """Gives a new model the weights of a trained one of the same form.

    Rates, such as dropout, and whatever else has no weights may differ.

    Args:
        model: Seq2SeqModel. Built. Its weights are changed.
        start: Seq2SeqModel. The trained model.

    Raises:
        ValueError: if their weights have different names or shapes; the first is named.
    """
    mine, theirs = _shapes(model), _shapes(start)
    for name in {**theirs, **mine}:
        if mine.get(name) != theirs.get(name):
            raise ValueError(
                "`model.preset` and `model.overrides` must make the model that `model.start_from` "
                f"names. Received: {name} with shape {mine.get(name, 'none')} in place of "
                f"{theirs.get(name, 'none')}. Copy [model] from the recipe of that translator"
            )
    model.set_weights(start.get_weights())


def _shapes(model: Seq2SeqModel) -> dict[str, tuple[int, ...]]:
    """The shape of each weight, by its path without the name of the model."""
    return {weight.path.split("/", 1)[1]: tuple(weight.shape) for weight in model.weights}
