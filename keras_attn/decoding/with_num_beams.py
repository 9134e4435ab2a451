"""A search with a different number of beams."""

from keras_attn.decoding.beam_search import BeamSearch
from keras_attn.decoding.search_strategy import SearchStrategy


def with_num_beams(strategy: SearchStrategy, num_beams: int) -> BeamSearch:
    """Returns a beam search with the given number of beams.

    Args:
        strategy: `SearchStrategy`. A beam search keeps its penalty and minimum length, and its
            number of hypotheses up to `num_beams`; one of your own keeps its class and arguments.
            Any other strategy is replaced by a beam search with its defaults.
        num_beams: int.

    Returns:
        `BeamSearch`.

    Example:
    >>> with_num_beams(BeamSearch(num_beams=5, length_penalty=1.0, num_hypotheses=3), 2)
    BeamSearch(num_beams=2, length_penalty=1.0, num_hypotheses=2, min_length=0)
    """
    if not isinstance(strategy, BeamSearch):
        return BeamSearch(num_beams)
    config = {**strategy.get_config(), "num_beams": num_beams}
    if "num_hypotheses" in config:
        config["num_hypotheses"] = min(num_beams, config["num_hypotheses"])
    return type(strategy).from_config(config)
