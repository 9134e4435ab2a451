"""Another number of beams keeps what a search has besides."""

import pytest

from keras_attn.decoding import BeamSearch, GreedySearch, with_num_beams


@pytest.mark.parametrize(("num_beams", "num_hypotheses"), [(2, 2), (7, 3)])
def test_a_beam_search_keeps_the_rest(num_beams: int, num_hypotheses: int) -> None:
    saved = BeamSearch(num_beams=5, length_penalty=1.5, num_hypotheses=3, min_length=4)
    assert with_num_beams(saved, num_beams).get_config() == {
        "num_beams": num_beams,
        "length_penalty": 1.5,
        "num_hypotheses": num_hypotheses,
        "min_length": 4,
    }
    assert saved.num_beams == 5


class Weighted(BeamSearch):
    """A beam search of a user's own."""

    def __init__(self, diversity: float, **options) -> None:
        super().__init__(**options)
        self.diversity = diversity

    def get_config(self) -> dict:
        return {"diversity": self.diversity, **super().get_config()}


class Plain(BeamSearch):
    """A beam search of a user's own, without arguments of its own."""


@pytest.mark.parametrize("saved", [Weighted(0.5, num_hypotheses=3), Plain(num_hypotheses=3)])
def test_a_beam_search_of_ones_own_keeps_its_class_and_arguments(saved: BeamSearch) -> None:
    found = with_num_beams(saved, 2)
    assert type(found) is type(saved)
    assert found.get_config() == {**saved.get_config(), "num_beams": 2, "num_hypotheses": 2}


def test_another_search_gives_way_to_a_beam_search() -> None:
    wanted = BeamSearch(num_beams=3).get_config()
    assert with_num_beams(GreedySearch(min_length=2), 3).get_config() == wanted
