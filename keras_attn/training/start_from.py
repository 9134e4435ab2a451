"""Fine-tuning: a new run takes its tokenizers and its first weights from a saved translator."""

from keras_attn.models import Seq2SeqModel
from keras_attn.pretrained import locate
from keras_attn.training.recipe.model_recipe import ModelRecipe
from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.translator import Translator


def read_start(recipe: ModelRecipe) -> Translator | None:
    """Reads the translator that `model.start_from` names.

    Args:
        recipe: ModelRecipe.

    Returns:
        Translator, or None if training starts from fresh weights.

    Raises:
        ValueError: if there is no such translator, or it is damaged.
    """
    if recipe.start_from is None:
        return None
    directory = locate(recipe.start_from)
    in_run = RunDirectory(directory).translator
    try:
        return Translator.load(in_run if in_run.is_dir() else directory)
    except ValueError as error:
        raise ValueError(
            "`model.start_from` must be a saved translator, a run that has one, or the name of a "
            f"shipped model. Received: {recipe.start_from!r} ({error})"
        ) from error


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
