"""Trains on your own text files with `train`, from a recipe that is changed in Python.

    python examples/02_train_from_text_files.py

Cost: 75 seconds of processor time on a 2-core machine, for 300 updates.
Result: validation perplexity 23.02, 5.84, 2.96 and BLEU 28.0: not yet a good model.
It needs more updates (`--steps`); the recipe itself asks for 1,500.

Give `--directory` to train on files of your own: `train.en` and `train.de`, with the same sentences
line by line, and `validation.en` and `validation.de`. Without it, the script writes such files from
the built-in phrasebook first.
"""

import argparse
from pathlib import Path

from keras_attn import Translator
from keras_attn.data import phrasebook
from keras_attn.training import Recipe, train


def write_text_files(directory: Path, num_pairs: int) -> None:
    """Writes two splits in two languages, one sentence per line."""
    directory.mkdir(parents=True, exist_ok=True)
    for split, size in (("train", num_pairs), ("validation", max(10, num_pairs // 100))):
        corpus = phrasebook(split, size)
        for language, lines in (("en", corpus.sources), ("de", corpus.targets)):
            text = "".join(f"{line}\n" for line in lines)
            (directory / f"{split}.{language}").write_text(text, encoding="utf-8")


def main(
    directory: Path | None, output: Path, steps: int, num_pairs: int, jit_compile: bool
) -> None:
    if directory is None:
        directory = output.with_name(f"{output.name}-corpus")
        write_text_files(directory, num_pairs)

    # A recipe has five sections, and every field has a default. Start from an existing recipe and
    # change what differs. The error for an unknown name, such as "training.max_step", suggests the
    # right one.
    recipe = Recipe.named("phrasebook_tiny").override(
        {
            "data.kind": "text_directory",  # files named SPLIT.LANGUAGE
            "data.directory": str(directory),
            "data.source_language": "en",
            "data.target_language": "de",
            "data.test": None,
            "tokenizer.vocabulary_size": 800,
            "model.overrides.dropout": 0.05,
            "training.max_steps": steps,
            "training.max_minutes": None,  # the recipe would also end by the clock
            "training.jit_compile": jit_compile,
            "training.validate_every_steps": max(1, steps // 3),
            "training.warmup_steps": max(1, steps // 5),
            "training.sample_sentences": 1,
            "decoding.config.num_beams": 2,
        }
    )

    # `train` checks files, sizes and names before the first update. If the run is interrupted,
    # `train(None, output, resume=True)` continues it.
    result = train(recipe, output)

    print(f"\n{result.run}:")
    for path in sorted(result.run.iterdir()):
        print(f"  {path.name}{'/' if path.is_dir() else ''}")
    print(f"data: {result.report['training_pairs']}")
    for line in result.history:
        print(f"step {line['step']}: validation perplexity {line['val_perplexity']:.2f}")
    print(f"validation BLEU {result.report['validation']['bleu']:.1f}")
    print(f"weights of the translator: {result.report['weights']}")

    # The translator needs neither the recipe nor the checkpoints.
    translator = Translator.load(result.run / "translator")
    for sentence in ("The dog is sleeping.", "Where is my book?"):
        print(f"  {sentence}  ->  {translator.translate([sentence])[0]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, help="directory of your own files SPLIT.LANGUAGE")
    parser.add_argument("--output", type=Path, default=Path("runs/from_text_files"))
    parser.add_argument("--steps", type=int, default=300, help="updates of the weights")
    parser.add_argument("--pairs", type=int, default=10_000, help="lines to write to the files")
    parser.add_argument(
        "--jit-compile",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile the training step with XLA; not worth it for a handful of updates",
    )
    arguments = parser.parse_args()
    main(
        arguments.directory,
        arguments.output,
        arguments.steps,
        arguments.pairs,
        arguments.jit_compile,
    )
