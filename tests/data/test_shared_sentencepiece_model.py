"""The tokenizer's resource outlives what empties TensorFlow's kernel cache."""

import gc

import keras
import tensorflow as tf

from keras_attn.data import SentencePieceTokenizer

TEXTS = ["the dog sees the cat", "the cat sees the dog"] * 9


def test_a_tokenizer_still_works_after_a_new_random_seed():
    tokenizer = SentencePieceTokenizer.train(TEXTS, vocabulary_size=290)
    in_graph = tf.function(tokenizer.tokenize, input_signature=[tf.TensorSpec([None], tf.string)])
    texts = tf.constant(["the dog", "a cat"])
    expected = in_graph(texts).to_list()
    keras.utils.set_random_seed(5)
    gc.collect()
    assert in_graph(texts).to_list() == expected
    assert tokenizer.tokenize(texts).to_list() == expected


def test_an_exported_tokenizer_loaded_twice_survives_the_loss_of_one(tmp_path):
    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = SentencePieceTokenizer.train(TEXTS, vocabulary_size=290)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def there_and_back(self, texts):
            return {"text": self.tokenizer.detokenize(self.tokenizer.tokenize(texts))}

    module = Module()
    tf.saved_model.save(module, tmp_path, signatures=module.there_and_back)
    first, second = tf.saved_model.load(tmp_path), tf.saved_model.load(tmp_path)
    del first, module
    gc.collect()
    text = second.signatures["serving_default"](tf.constant(["the  dog "]))["text"]
    assert text.numpy().tolist() == [b"the dog"]
