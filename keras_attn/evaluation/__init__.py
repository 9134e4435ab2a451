"""Evaluation: corpus scores with their signatures, and the translation of whole test sets."""

from keras_attn.evaluation.bleu_tokenizer import (
    BLEU_TOKENIZERS,
    SPLITS_AT_SPACES,
    default_bleu_tokenizer,
    find_bleu_tokenizer,
    is_unspaced,
    score_notes,
)
from keras_attn.evaluation.calibrate_confidence import (
    ConfidenceReport,
    calibrate_confidence,
    evaluate_confidence,
)
from keras_attn.evaluation.corpus_scores import CorpusScores, corpus_scores
from keras_attn.evaluation.error_rates import ErrorRates, error_rates
from keras_attn.evaluation.evaluate import EvaluationReport, SupportsTranslate, evaluate
from keras_attn.evaluation.paired_comparison import (
    PairedComparison,
    ScoreChange,
    compare_translations,
)
from keras_attn.evaluation.reference_streams import streams_from_groups
from keras_attn.evaluation.score_files import read_lines, score_files
from keras_attn.evaluation.tokenized_bleu import BleuKind, MosesTokenizer, tokenized_bleu_kinds
from keras_attn.evaluation.translation_faults import FAULTS, translation_faults

__all__ = [
    "BLEU_TOKENIZERS",
    "BleuKind",
    "ConfidenceReport",
    "CorpusScores",
    "ErrorRates",
    "EvaluationReport",
    "FAULTS",
    "MosesTokenizer",
    "PairedComparison",
    "SPLITS_AT_SPACES",
    "ScoreChange",
    "SupportsTranslate",
    "calibrate_confidence",
    "compare_translations",
    "corpus_scores",
    "default_bleu_tokenizer",
    "error_rates",
    "evaluate",
    "evaluate_confidence",
    "find_bleu_tokenizer",
    "is_unspaced",
    "read_lines",
    "score_files",
    "score_notes",
    "streams_from_groups",
    "tokenized_bleu_kinds",
    "translation_faults",
]
