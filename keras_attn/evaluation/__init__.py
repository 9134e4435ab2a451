"""Evaluation: corpus scores with their signatures, and the translation of whole test sets."""

from keras_attn.evaluation.corpus_scores import CorpusScores, corpus_scores
from keras_attn.evaluation.evaluate import EvaluationReport, evaluate
from keras_attn.evaluation.reference_streams import streams_from_groups
from keras_attn.evaluation.score_files import read_lines, score_files

__all__ = [
    "CorpusScores",
    "EvaluationReport",
    "corpus_scores",
    "evaluate",
    "read_lines",
    "score_files",
    "streams_from_groups",
]
