"""Draws which source tokens each token of a translation attended to (Figures 3-5 of the paper).

    pip install "keras_attn[plots]"
    python examples/06_attention_maps.py

Cost: 140 seconds of processor time on a 2-core machine, 6 once the run is there.
Result: three pictures, and links such as

    ▁weiß  <-  ▁know (0.54)
      ▁ob  <-  ▁whether (0.59)
    ▁sind  <-  ▁are (0.52)

The script trains a run if there is none yet. To use your own run, pass `--run`. Any translator that
`train` wrote to `RUN/translator` works.
"""

import argparse
from pathlib import Path

import numpy as np

from keras_attn import Translation, Translator
from keras_attn.training import Recipe, train
from keras_attn.visualization import plot_attention


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


def strongest_links(translation: Translation) -> list[str]:
    """For each target token, the source token with most weight, over layers and heads together."""
    weights = translation.attention.mean(axis=(0, 1))  # (L, H, T, S) -> (T, S)
    targets = [*translation.tokens, "</s>"]  # the end token is predicted, and attends, like others
    return [
        f"{target:>12}  <-  {translation.source_tokens[place]} ({row[place]:.2f})"
        for target, row, place in zip(targets, weights, np.argmax(weights, axis=-1), strict=True)
    ]


def main(run: Path, output: Path, sentence: str, steps: int) -> None:
    translator = load_or_train(run, steps)

    # One forced pass over the finished translation: the weights are those of the model as trained,
    # before dropout, and each row sums to 1 over the source.
    (translation,) = translator.translate_detailed([sentence], attention=True)
    layers, heads, targets, sources = translation.attention.shape
    print(f"{translation.source}  ->  {translation.text}")
    print(f"{layers} layers, {heads} heads, {targets} target tokens, {sources} source tokens")
    print("\n".join(strongest_links(translation)))

    target_tokens = [*translation.tokens, "</s>"]
    for name, layer in (("last_layer", -1), ("all_heads", "all"), ("mean", "mean")):
        path = plot_attention(
            translation.attention,
            translation.source_tokens,
            target_tokens,
            output / f"{name}.png",
            layer=layer,
            title=translation.source if layer == "mean" else None,
        )
        print(f"wrote {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/phrasebook_tiny"))
    parser.add_argument("--output", type=Path, default=Path("attention_maps"))
    parser.add_argument("--sentence", default="He does not know whether the men are hungry.")
    parser.add_argument("--steps", type=int, default=600, help="updates, if there is no run yet")
    arguments = parser.parse_args()
    main(arguments.run, arguments.output, arguments.sentence, arguments.steps)
