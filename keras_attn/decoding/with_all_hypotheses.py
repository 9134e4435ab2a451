"""A search that returns all its hypotheses."""

from keras_attn.decoding.search_strategy import SearchStrategy


def with_all_hypotheses(strategy: SearchStrategy) -> SearchStrategy:
    """Returns the same search with as many hypotheses as beams.

    It takes more steps: the search ends only when no live hypothesis can enter this larger set.

    Args:
        strategy: `SearchStrategy`. One whose config has no `num_hypotheses`, such as greedy search,
            is returned as it is.

    Returns:
        `SearchStrategy`.

    Example:
    >>> from keras_attn.decoding import BeamSearch
    >>> with_all_hypotheses(BeamSearch(num_beams=3))
    BeamSearch(num_beams=3, length_penalty=0.6, num_hypotheses=3, min_length=0)
    """
    config = strategy.get_config()
    if config.get("num_hypotheses", strategy.num_beams) == strategy.num_beams:
        return strategy
    return type(strategy).from_config({**config, "num_hypotheses": strategy.num_beams})
