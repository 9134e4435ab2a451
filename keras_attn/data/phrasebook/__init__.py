"""The built-in corpus: an English-German synchronous grammar and the pairs drawn from it."""

from keras_attn.data.phrasebook.phrasebook import phrasebook

__all__ = ["phrasebook"]
