"""Corpora, tokenizers and batches: everything between a user's files and the model."""

from keras_attn.data.augment_pairs import Augmentation, augment_pairs
from keras_attn.data.batching import assign_buckets, choose_shapes
from keras_attn.data.byte_tokenizer import ByteTokenizer
from keras_attn.data.character_tokenizer import CharacterTokenizer
from keras_attn.data.clean_pairs import CleaningReport, clean_pairs
from keras_attn.data.corpus import Corpus, CorpusError, group_references
from keras_attn.data.filter_report import FilterReport
from keras_attn.data.hold_out import hold_out
from keras_attn.data.line_batches import line_batches, pad_rows
from keras_attn.data.load_tfds import load_tfds
from keras_attn.data.phrasebook import phrasebook
from keras_attn.data.read_directory import read_directory
from keras_attn.data.read_text_pair import read_text_pair
from keras_attn.data.read_tsv import read_tsv
from keras_attn.data.read_tsv_files import read_tsv_files, source_tag
from keras_attn.data.scan import scan
from keras_attn.data.sentencepiece_tokenizer import SentencePieceTokenizer
from keras_attn.data.token_sequences import TokenSequences
from keras_attn.data.tokenizer import Tokenizer, load_tokenizer
from keras_attn.data.training_pipeline import TrainingPipeline, training_pipeline
from keras_attn.data.word_pairs import word_pairs
from keras_attn.data.word_tokenizer import WordTokenizer

__all__ = [
    "Augmentation",
    "ByteTokenizer",
    "CharacterTokenizer",
    "CleaningReport",
    "Corpus",
    "CorpusError",
    "FilterReport",
    "SentencePieceTokenizer",
    "TokenSequences",
    "Tokenizer",
    "TrainingPipeline",
    "WordTokenizer",
    "assign_buckets",
    "augment_pairs",
    "choose_shapes",
    "clean_pairs",
    "group_references",
    "hold_out",
    "line_batches",
    "load_tfds",
    "load_tokenizer",
    "pad_rows",
    "phrasebook",
    "read_directory",
    "read_text_pair",
    "read_tsv",
    "read_tsv_files",
    "scan",
    "source_tag",
    "training_pipeline",
    "word_pairs",
]
