"""Exports a translator for TensorFlow Serving and checks that the export translates the same.

    python examples/07_export_and_check.py

Cost: 150 seconds of processor time on a 2-core machine, 15 once the run is there.
Result: saved_models/phrasebook_tiny/1, 6.0 MB, 21 checks passed; a damaged copy is refused.

The exported graph takes and returns strings: tokenizer, encoder, beam search and detokenizer
are inside, in operations that an unmodified TensorFlow Serving has. The check needs Linux.
"""

import argparse
import shutil
from pathlib import Path

import tensorflow as tf
import tensorflow_text  # noqa: F401  a process that loads the graph needs its operations

from keras_attn import Translator
from keras_attn.serving import export_saved_model, verify_saved_model
from keras_attn.training import Recipe, train

SENTENCES = ["He does not know whether the men are hungry.", "Where are your green balls?", ""]


def load_or_train(run: Path, steps: int) -> Translator:
    """The translator of a run; if there is none, a small one is trained on the built-in corpus."""
    if (run / "translator").is_dir():
        return Translator.load(run / "translator")
    recipe = Recipe.named("phrasebook_tiny").override(
        {
            "training.max_steps": steps,
            "training.max_minutes": None,
            "training.warmup_steps": max(1, steps // 5),
            "training.validate_every_steps": steps,
            "data.test": None,
        }
    )
    return train(recipe, run).translator


def main(run: Path, directory: Path, steps: int) -> None:
    translator = load_or_train(run, steps)

    # The version is written under another name, verified, and then renamed to the next free number,
    # so a server that watches the directory never sees half a model. It records the sentences.
    version = export_saved_model(translator, directory, verification_texts=SENTENCES)
    print(f"exported {version}")

    # You can repeat the check at any time, without the translator.
    report = verify_saved_model(version)
    print("\n".join(report.lines()))

    # What a server does with a request of three lines.
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    outputs = signature(text=tf.constant(SENTENCES))
    served = [text.decode("utf-8") for text in outputs["translation"].numpy()]
    for source, text, score in zip(SENTENCES, served, outputs["score"].numpy(), strict=True):
        print(f"  {source!r}  ->  {text!r}  (score {score:.3f})")
    print(f"same as the translator: {served == translator.translate(SENTENCES)}")

    # A damaged copy is detected: a server would load this one, and fail at the first request.
    damaged = directory.with_name(f"{directory.name}_damaged") / "1"
    shutil.copytree(version, damaged)
    (damaged / "variables" / "variables.data-00000-of-00001").unlink()
    failures = verify_saved_model(damaged).failures
    print(f"a damaged copy: {failures[0]}")
    shutil.rmtree(damaged.parent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/phrasebook_tiny"))
    parser.add_argument("--directory", type=Path, default=Path("saved_models/phrasebook_tiny"))
    parser.add_argument("--steps", type=int, default=600, help="updates, if there is no run yet")
    arguments = parser.parse_args()
    main(arguments.run, arguments.directory, arguments.steps)
