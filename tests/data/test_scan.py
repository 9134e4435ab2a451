"""SCAN is the published set of commands, interpreted as the paper says, split as it splits them."""

import hashlib
import itertools
from collections import Counter

import pytest

from keras_attn.data import scan

# SHA-256 of the published files (github.com/brendenlake/SCAN, commit c4b756c), lines sorted:
# length_split/tasks_train_length.txt and length_split/tasks_test_length.txt.
PUBLISHED = (
    "7ffb97f45029871c94bede7e723f7a4aa179eb99fe2b977a18283310422c719d",
    "3297fd0b676c391f7bc3a7385aa66a7fdf64f6f8e81ad584810c1d4ebd0eaa2c",
)
# The first seven are the paper's Figure 1, in the longer names of the published files.
EXAMPLES = {
    "jump": "I_JUMP",
    "jump left": "I_TURN_LEFT I_JUMP",
    "jump around right": " ".join(["I_TURN_RIGHT I_JUMP"] * 4),
    "turn left twice": "I_TURN_LEFT I_TURN_LEFT",
    "jump thrice": "I_JUMP I_JUMP I_JUMP",
    "jump opposite left and walk thrice": "I_TURN_LEFT I_TURN_LEFT I_JUMP I_WALK I_WALK I_WALK",
    "jump opposite left after walk around left": (
        " ".join(["I_TURN_LEFT I_WALK"] * 4) + " I_TURN_LEFT I_TURN_LEFT I_JUMP"
    ),
    "turn opposite right": "I_TURN_RIGHT I_TURN_RIGHT",
    "turn around left": "I_TURN_LEFT I_TURN_LEFT I_TURN_LEFT I_TURN_LEFT",
    "look right twice": "I_TURN_RIGHT I_LOOK I_TURN_RIGHT I_LOOK",
    "run after turn right": "I_TURN_RIGHT I_RUN",
}


def interpret(command: str) -> str:
    """The meaning of a command, read from the text: the other way round than `scan` makes it."""
    if " and " in command:
        first, second = command.split(" and ")
        return f"{interpret(first)} {interpret(second)}"
    if " after " in command:
        first, second = command.split(" after ")
        return f"{interpret(second)} {interpret(first)}"
    match command.split():
        case [*words, "twice"]:
            return " ".join([interpret(" ".join(words))] * 2)
        case [*words, "thrice"]:
            return " ".join([interpret(" ".join(words))] * 3)
        case ["turn", side]:
            return f"I_TURN_{side.upper()}"
        case [verb, side]:
            return f"{interpret(f'turn {side}')} {interpret(verb)}"
        case ["turn", "opposite", side]:
            return interpret(f"turn {side} twice")
        case [verb, "opposite", side]:
            return f"{interpret(f'turn {side} twice')} {interpret(verb)}"
        case [verb, "around", side]:
            return " ".join([interpret(f"{verb} {side}")] * 4)
        case [verb]:
            return f"I_{verb.upper()}"
    raise ValueError(command)


def all_commands() -> set[str]:
    """Every command, with one pattern of optional words in place of a grammar."""
    verbs = ("walk", "look", "run", "jump", "turn")
    manners = ("", " left", " right") + tuple(
        f" {manner} {side}" for manner in ("opposite", "around") for side in ("left", "right")
    )
    phrases = {a + b for a, b in itertools.product(verbs, manners)} - {"turn"}
    sentences = {a + b for a, b in itertools.product(phrases, ("", " twice", " thrice"))}
    joined = itertools.product(sentences, (" and ", " after "), sentences)
    return sentences | {"".join(parts) for parts in joined}


def test_the_length_split_is_the_published_one_to_the_last_byte():
    for corpus, expected in zip(scan("length"), PUBLISHED, strict=True):
        lines = sorted(f"IN: {command} OUT: {actions}\n".encode() for command, actions in corpus)
        assert hashlib.sha256(b"".join(lines)).hexdigest() == expected


@pytest.mark.parametrize(("kind", "sizes"), [("simple", (16728, 4182)), ("length", (16990, 3920))])
def test_train_and_test_have_the_papers_sizes_and_together_every_command_once(kind, sizes):
    train, test = scan(kind)
    assert (len(train), len(test)) == sizes
    commands = [*train.sources, *test.sources]
    assert len(commands) == len(set(commands)) == 20910
    assert set(commands) == all_commands()
    assert (train.name, test.name) == (f"scan_{kind}/train", f"scan_{kind}/test")


def test_every_command_means_what_another_interpreter_says():
    for command, actions in itertools.chain(*scan("simple")):
        assert actions == interpret(command)


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_papers_examples_mean_what_the_paper_says(command):
    assert dict(itertools.chain(*scan()))[command] == EXAMPLES[command]


def test_lengths_and_words_are_those_of_the_paper():
    train, test = scan("length")
    assert max(len(command.split()) for command in (*train.sources, *test.sources)) == 9
    lengths = [{len(actions.split()) for actions in corpus.targets} for corpus in (train, test)]
    assert lengths == [set(range(1, 23)), {24, 25, 26, 27, 28, 30, 32, 33, 36, 40, 48}]
    words = Counter(" ".join(train.sources).split())
    assert set(words) == set(
        "walk look run jump turn left right opposite around twice thrice and after".split()
    )
    actions = {f"I_{name}" for name in "WALK LOOK RUN JUMP TURN_LEFT TURN_RIGHT".split()}
    assert set(" ".join(train.targets).split()) == actions == set(" ".join(test.targets).split())


def test_a_later_cut_moves_the_commands_between_to_the_training():
    short, long = scan("length", max_train_actions=26)
    assert max(len(actions.split()) for actions in short.targets) == 26
    assert min(len(actions.split()) for actions in long.targets) == 27
    assert len(short) == 16990 + 336 + 448 + 512
    assert len(short) + len(long) == 20910


def test_a_seed_draws_the_simple_split_and_only_orders_the_length_split():
    assert scan("simple", seed=3) == scan("simple", seed=3)
    assert set(scan("simple", seed=3)[1].sources) != set(scan("simple", seed=4)[1].sources)
    one, other = scan("length", seed=3)[0], scan("length", seed=4)[0]
    assert one.sources != other.sources and set(one) == set(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "train"}, '`kind` must be one of "simple", "length". Received.*train'),
        ({"seed": -1}, "`seed`.*Received"),
        ({"max_train_actions": 48}, "`max_train_actions`.*from 1 to 47.*Received"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        scan(**arguments)
