"""Strategies come back from their names and configurations as they were."""

from __future__ import annotations

import json

import pytest

from keras_attn.decoding import BeamSearch, GreedySearch, RandomSampling, get, serialize

STRATEGIES = [
    GreedySearch(min_length=2),
    BeamSearch(num_beams=5, length_penalty=-0.25, num_hypotheses=3, min_length=1),
    RandomSampling(temperature=0.7, top_k=11, top_p=0.9, seed=13, min_length=4),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_strategy_survives_json(strategy: BeamSearch) -> None:
    copy = get(json.loads(json.dumps(serialize(strategy))))
    assert type(copy) is type(strategy)
    assert vars(copy) == vars(strategy)
    assert vars(type(strategy).from_config(strategy.get_config())) == vars(strategy)


class Diverse(BeamSearch):
    """A search of a user's own, with an argument that has no default."""

    def __init__(self, diversity: float, num_beams: int = 4, **options) -> None:
        super().__init__(num_beams, **options)
        self.diversity = diversity

    def get_config(self) -> dict:
        return {"diversity": self.diversity, **super().get_config()}


def test_a_search_of_ones_own_may_require_an_argument() -> None:
    strategy = Diverse(0.5, num_beams=3, length_penalty=1.5, min_length=2)
    copy = get(json.loads(json.dumps(serialize(strategy))))
    assert type(copy) is Diverse and vars(copy) == vars(strategy)
    with pytest.raises(ValueError) as error:
        get({"class_name": "Diverse", "config": {"diversity": 0.5, "divresity": 0.5}})
    names = "diversity, num_beams, length_penalty, num_hypotheses, min_length"
    assert f"arguments of Diverse ({names}). Received: divresity." in str(error.value)


def test_a_search_of_ones_own_with_a_name_of_ours_is_refused() -> None:
    own = type("BeamSearch", (BeamSearch,), {"__module__": "somewhere"})
    with pytest.raises(ValueError, match=r"Received: somewhere\.BeamSearch, named like keras_attn"):
        serialize(own())
    assert serialize(BeamSearch())["class_name"] == "BeamSearch"


def test_a_class_that_is_defined_again_is_the_same_class() -> None:
    first, second = (type("Again", (Diverse,), {}) for _ in range(2))
    assert type(get(serialize(first(0.5)))) is second


@pytest.mark.parametrize(
    ("name", "strategy_class"),
    [
        ("beam", BeamSearch),
        ("greedy", GreedySearch),
        ("sampling", RandomSampling),
        ("BeamSearch", BeamSearch),
        ("GreedySearch", GreedySearch),
        ("RandomSampling", RandomSampling),
    ],
)
def test_a_name_gives_the_strategy_with_its_defaults(name: str, strategy_class: type) -> None:
    assert type(get(name)) is strategy_class
    assert vars(get({"class_name": name})) == vars(strategy_class())


def test_a_strategy_is_returned_as_it_is() -> None:
    assert get(STRATEGIES[1]) is STRATEGIES[1]


def test_the_defaults_are_the_papers() -> None:
    assert get("beam").get_config() == {
        "num_beams": 4,
        "length_penalty": 0.6,
        "num_hypotheses": 1,
        "min_length": 0,
    }


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("baem", "Did you mean 'beam'?"),
        ("xyz", "must be one of 'beam'"),
        ({"class_name": "GreedySerch"}, "Did you mean 'GreedySearch'?"),
        ({"class_name": "BeamSearch", "config": {"num_beam": 3}}, "Received: num_beam"),
        ({"config": {}}, "a dict with 'class_name'"),
        (4, "Received: 4"),
    ],
)
def test_what_is_not_known_is_refused_with_the_nearest_name(identifier, message: str) -> None:
    with pytest.raises(ValueError) as error:
        get(identifier)
    assert message in str(error.value)
