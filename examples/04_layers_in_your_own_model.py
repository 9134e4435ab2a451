"""Builds a text classifier from these layers in Keras' functional API, without any model of ours.

    python examples/04_layers_in_your_own_model.py

Cost: 25 seconds of processor time on a 2-core machine.
Result: 94.5% of 400 unseen sentences right, and padding changes no probability.

The layers know Keras masks: `TokenEmbedding` marks padding, the position encoding and the blocks
pass the mask on, attention obeys it, and so does Keras' own pooling at the end.
"""

import argparse

import keras
import numpy as np

from keras_attn.data import ByteTokenizer, phrasebook
from keras_attn.layers import EncoderBlock, SinusoidalPositionEncoding, TokenEmbedding

LENGTH = 80  # bytes; longer sentences are cut


def sentences_with_language(split: str, num_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Byte ids of English and German sentences, and 1 where the sentence is German."""
    corpus, tokenizer = phrasebook(split, num_pairs), ByteTokenizer()
    texts = [*corpus.sources, *corpus.targets]
    # In lower case, because capitals would show which words are German nouns.
    token_ids = tokenizer.tokenize([text.lower() for text in texts])
    padded = token_ids[:, :LENGTH].to_tensor(shape=(None, LENGTH))  # (N, LENGTH), 0 = padding
    return padded.numpy(), np.repeat([0, 1], num_pairs)


def classifier(vocabulary_size: int) -> keras.Model:
    """Embedding, positions, two blocks, mean over the real tokens, one probability."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")  # any length
    hidden = TokenEmbedding(vocabulary_size, hidden_dim=32, mask_zero=True)(token_ids)
    hidden = SinusoidalPositionEncoding()(hidden)
    for _ in range(2):
        hidden = EncoderBlock(
            hidden_dim=32,
            intermediate_dim=64,
            num_heads=2,
            normalize_first=True,  # pre-norm: it trains without a warm-up
            activation="gelu",
            dropout=0.1,
        )(hidden)
    pooled = keras.layers.GlobalAveragePooling1D()(hidden)  # also reads the mask
    is_german = keras.layers.Dense(1, activation="sigmoid", name="is_german")(pooled)
    return keras.Model(token_ids, is_german, name="language_classifier")


def main(epochs: int, num_pairs: int) -> None:
    keras.utils.set_random_seed(1)
    train, train_labels = sentences_with_language("train", num_pairs)
    test, test_labels = sentences_with_language("test", 200)

    model = classifier(ByteTokenizer().vocabulary_size)
    model.summary(line_length=90)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="binary_crossentropy",
        metrics=["accuracy"],
        jit_compile=True,
    )
    model.fit(train, train_labels, batch_size=64, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(test, test_labels, batch_size=64, verbose=0)
    print(f"unseen sentences: {accuracy:.1%} right")

    # Because of the masks, more padding changes nothing.
    wider = np.pad(test[:8], ((0, 0), (0, 40)))
    difference = np.abs(model(wider) - model(test[:8])).max()
    print(f"40 more columns of padding change the probability by {difference:.1e} at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=2_000, help="sentences of each language")
    arguments = parser.parse_args()
    main(arguments.epochs, arguments.pairs)
