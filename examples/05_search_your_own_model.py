"""Searches a model that is not a neural network at all: a table of nine tokens, written by hand.

    python examples/05_search_your_own_model.py

Cost: 8 seconds, most of them for loading TensorFlow.
Result: greedy search finds a sentence of probability 0.120, two beams find one of 0.288.

`search` asks for one thing only: a function from the last token and a state to the logits of the
next token and the new state. A table will do, and you can check it by hand.
"""

import argparse

import numpy as np
import tensorflow as tf

from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling, search

WORDS = ["<pad>", "<unk>", "<start>", "<end>", "the", "a", "cat", "dog", "sleeps"]

# Row: the last word. Column: the next word. Greedy search begins with "the", the more probable
# article. But after "the" no word is probable, and after "a" the next word is nearly always "dog".
PROBABILITIES = np.zeros((9, 9))
PROBABILITIES[2, [4, 5]] = 0.6, 0.4
PROBABILITIES[4, [3, 6, 7, 8]] = 0.1, 0.4, 0.3, 0.2
PROBABILITIES[5, [6, 7]] = 0.1, 0.9
PROBABILITIES[6, [3, 8]] = 0.5, 0.5
PROBABILITIES[7, [3, 8]] = 0.2, 0.8
PROBABILITIES[8, 3] = 1.0
PROBABILITIES[[0, 1, 3], 3] = 1.0  # never used, but every row is a distribution


def decode_step(token_ids, state):
    """Token ids (R, 1) -> logits (R, V), and the state after it.

    A Markov chain remembers nothing, so its rows could be empty. This one counts the tokens of
    each hypothesis, to show that rows of the state follow their hypotheses through the beam.
    """
    table = state["source"]["log_probabilities"][0]  # (V, V), one "sentence" only
    logits = tf.gather(table, token_ids[:, 0])  # (R, V)
    rows = {"tokens_seen": state["rows"]["tokens_seen"] + 1}
    return logits, {**state, "rows": rows, "position": state["position"] + 1}


def first_state():
    """`source` stays as it is, `rows` has a row per hypothesis, `position` counts the steps."""
    with np.errstate(divide="ignore"):
        table = np.log(PROBABILITIES).astype("float32")
    return {
        "source": {"log_probabilities": tf.constant(table)[tf.newaxis]},  # (B, V, V), B = 1
        "rows": {"tokens_seen": tf.zeros((1, 1), tf.int32)},  # (B, 1)
        "position": tf.constant(0),
    }


def show(strategy, max_length: int) -> None:
    result = search(decode_step, first_state(), strategy, max_length=max_length)
    print(f"\n{strategy}")
    for token_ids, log_probability, score, truncated in zip(
        result.token_ids[0].numpy(),
        result.log_probabilities[0].numpy(),
        result.scores[0].numpy(),
        result.truncated[0].numpy(),
        strict=True,
    ):
        text = " ".join(WORDS[token_id] for token_id in token_ids if token_id)
        note = "   (the limit ended it)" if truncated else ""
        print(f"  P = {np.exp(log_probability):.3f}  score = {score:6.3f}  {text}{note}")


def main(samples: int) -> None:
    # 0.6 * 0.4 * 0.5 = 0.120 (of "cat <end>" and "cat sleeps" the lower id comes first).
    show(GreedySearch(), max_length=6)
    # 0.4 * 0.9 * 0.8 = 0.288: two beams keep "a" alive until "dog" follows.
    show(BeamSearch(num_beams=2, length_penalty=0.0), max_length=6)
    # There are ten sentences, so ten beams are exhaustive search: the four best by log P / lp.
    show(BeamSearch(num_beams=10, length_penalty=0.6, num_hypotheses=4), max_length=6)
    # With room for two tokens only, the end is forced; its true probability counts: 0.6 * 0.1.
    show(GreedySearch(), max_length=2)
    # Sampling gives different sentences with different seeds, and the same ones with the same seed.
    for seed in range(samples):
        show(RandomSampling(temperature=1.0, top_k=2, seed=seed), max_length=6)

    # All of these use one loop, and it compiles: the whole search is one XLA program.
    compiled = tf.function(
        lambda: search(decode_step, first_state(), "beam", max_length=6), jit_compile=True
    )
    best = compiled().token_ids[0, 0].numpy()
    print(f"\ncompiled: {' '.join(WORDS[token_id] for token_id in best if token_id)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2, help="how many sentences to draw")
    main(parser.parse_args().samples)
