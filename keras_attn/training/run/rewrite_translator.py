"""Replaces the weights of the translator of a run."""

from pathlib import Path

from keras_attn.training.run.run_directory import RunDirectory
from keras_attn.translator import Translator


def rewrite_translator(run_directory: str | Path, weights: str | Path) -> Translator:
    """Replaces the weights of the translator of a run, `RUN/translator`, atomically.

    Args:
        run_directory: path. A run whose training has ended.
        weights: path. A `.weights.h5` file, such as `average_checkpoints` writes.

    Returns:
        Translator. With the new weights.

    Raises:
        ValueError: if the run has no translator, or the weights do not belong to its model.

    Example:

    >>> rewrite_translator("no/run", "average.weights.h5")
    Traceback (most recent call last):
    ValueError: `run` must be a directory that training wrote. Received: 'no/run', ...
    """
    run = RunDirectory(run_directory)
    run.read_information()
    if not run.translator.is_dir():
        raise ValueError(
            "`run` must contain a translator, which training writes at its end. "
            f"Received: {str(run.path)!r}, which has none. Continue it with `--resume`"
        )
    translator = Translator.load(run.translator)
    try:
        translator.model.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            "`weights` must be a .weights.h5 file of the run's model. "
            f"Received: {str(weights)!r} ({' '.join(str(error).split())[:200]})"
        ) from error
    translator.confidence = None  # it was calibrated with the old weights
    translator.save(run.translator)
    return translator
