"""Trains a small Transformer with nothing but Keras, and translates with it.

    python examples/01_first_translation.py

Cost: 155 seconds of processor time on a 2-core machine, for 800 updates of 1,181,696 parameters.
Result: BLEU 91.4 on 200 sentences that it has not seen, such as

    He does not know whether the men are hungry.  ->  Er weiß nicht, ob die Männer hungrig sind.

Every piece is an ordinary object: a corpus, a tokenizer, a `tf.data.Dataset`, a `keras.Model`, a
loss. `keras_attn.training.train` (the next example) puts the same pieces together and adds
checkpoints, validation, a report and resuming.
"""

import argparse

import keras

import keras_attn
from keras_attn.data import SentencePieceTokenizer, phrasebook, training_pipeline
from keras_attn.evaluation import corpus_scores
from keras_attn.training import LabelSmoothedCrossEntropy, TokenAccuracy, TransformerSchedule


def main(steps: int, num_pairs: int, num_test_pairs: int, jit_compile: bool) -> None:
    keras.utils.set_random_seed(1)

    # Text. A grammar makes the phrasebook: English sentences and their German. No download.
    train, test = phrasebook("train", num_pairs), phrasebook("test", num_test_pairs)
    tokenizer = SentencePieceTokenizer.train([*train.sources, *train.targets], vocabulary_size=2000)

    # Batches. Similar lengths share a batch, and all batches have one of three shapes, so that XLA
    # compiles the training step only three times. `repeat` makes the stream endless.
    pipeline = training_pipeline(
        train, tokenizer, global_batch_tokens=2048, num_buckets=3, repeat=True
    )
    print(f"training pairs: {pipeline.report}")
    print(f"batches of (rows, length): {pipeline.shapes}")

    # The model of the paper, a quarter as wide and a third as deep.
    model = keras_attn.create_model(
        "transformer_tiny", source_vocabulary_size=tokenizer.vocabulary_size
    )
    print(f"{model.count_params():,} parameters")

    # Sections 5.3 and 5.4. A small model tolerates a higher peak than the paper's formula gives.
    schedule = TransformerSchedule.from_peak(0.002, warmup_steps=max(1, steps // 5))
    model.compile(
        optimizer=keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.98, epsilon=1e-9),
        loss=LabelSmoothedCrossEntropy(label_smoothing=0.1),
        weighted_metrics=[TokenAccuracy()],
        jit_compile=jit_compile,  # Keras does not compile for a CPU unless it is told to
    )
    # The pipeline already shuffles, so Keras does not need to.
    model.fit(pipeline.dataset, steps_per_epoch=steps, verbose=2, shuffle=False)

    # Text to text: the tokenizer, the model and the paper's beam search in one object.
    translator = keras_attn.Translator(model, tokenizer)
    translations = translator.translate_detailed(list(test.sources))
    for translation, reference in zip(translations[:5], test.targets, strict=False):
        print(f"\n  source     {translation.source}")
        print(f"  reference  {reference}")
        print(f"  model      {translation.text}   (log P = {translation.log_probability:.2f})")
    scores = corpus_scores([translation.text for translation in translations], [test.targets])
    print(f"\nunseen sentences: BLEU {scores.bleu:.1f}, {scores.signatures['bleu']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800, help="updates of the weights")
    parser.add_argument("--pairs", type=int, default=20_000, help="sentence pairs to learn from")
    parser.add_argument("--test-pairs", type=int, default=200, help="unseen sentences to translate")
    parser.add_argument(
        "--jit-compile",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile the training step with XLA; not worth it for a handful of updates",
    )
    arguments = parser.parse_args()
    main(arguments.steps, arguments.pairs, arguments.test_pairs, arguments.jit_compile)
