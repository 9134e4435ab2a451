"""Decoding: one search loop and its strategies, for any model that can take one step."""

from keras_attn.decoding.beam_search import BeamSearch
from keras_attn.decoding.greedy_search import GreedySearch
from keras_attn.decoding.hypotheses import Hypotheses
from keras_attn.decoding.length_penalty import length_penalty
from keras_attn.decoding.random_sampling import RandomSampling
from keras_attn.decoding.registry import get, serialize
from keras_attn.decoding.search import search
from keras_attn.decoding.search_result import UNUSED_SCORE, SearchResult
from keras_attn.decoding.search_rules import SearchRules
from keras_attn.decoding.search_strategy import SearchStrategy, StrategyStep
from keras_attn.decoding.single_path_search import SinglePathSearch
from keras_attn.decoding.with_all_hypotheses import with_all_hypotheses
from keras_attn.decoding.with_num_beams import with_num_beams

__all__ = [
    "UNUSED_SCORE",
    "BeamSearch",
    "GreedySearch",
    "Hypotheses",
    "RandomSampling",
    "SearchResult",
    "SearchRules",
    "SearchStrategy",
    "SinglePathSearch",
    "StrategyStep",
    "get",
    "length_penalty",
    "search",
    "serialize",
    "with_all_hypotheses",
    "with_num_beams",
]
