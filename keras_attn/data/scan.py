"""SCAN: commands and the actions they ask for, made from the published grammar."""

import random
from typing import Literal

from keras_attn.data.corpus import Corpus
from keras_attn.system.argument_checks import check_integer

VERBS = {"walk": "I_WALK", "look": "I_LOOK", "run": "I_RUN", "jump": "I_JUMP"}
TURNS = {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}
REPETITIONS = {"twice": 2, "thrice": 3}
KINDS = ("simple", "length")
# The share of the commands that the paper's simple split trains on (Experiment 1).
_SIMPLE_TRAIN_SHARE = 0.8
# The longest command has 48 actions, and a cut must leave something to test on.
_LARGEST_CUT = 47


def scan(
    kind: Literal["simple", "length"] = "length", seed: int = 0, max_train_actions: int = 22
) -> tuple[Corpus, Corpus]:
    """Makes the 20,910 commands of SCAN with their actions, split for training and test.

    A command such as "jump opposite left after walk twice" stands for a sequence of actions. Every
    command occurs once. Nothing is downloaded. The paper splits them in several ways; these two
    need no list of commands:

    - "simple" (Experiment 1): at random, four of five commands for training, 16,728 and 4,182. The
      numbers are the paper's, but its random draw is different.
    - "length" (Experiment 2): by the number of actions. Training has up to 22 actions and test 24
      to 48 (no command has 23): 16,990 and 3,920 commands, the same as in the paper.

    Args:
        kind: str. "simple" or "length".
        seed: int. The seed of the draw of "simple", and of the order of the training pairs.
        max_train_actions: int. The largest number of actions of a training pair of "length".
            Newman et al. (2020) also cut later, for example at 26.

    Returns:
        Two corpora: train, test. The sources are commands of up to 9 words, the targets up to 48
        actions, words separated by blanks.

    Raises:
        ValueError: the kind is unknown, or a number is out of range.

    Example:

    >>> train, test = scan("length")
    >>> len(train), len(test)
    (16990, 3920)
    >>> dict(train)["jump opposite left after walk twice"]
    'I_WALK I_WALK I_TURN_LEFT I_TURN_LEFT I_JUMP'

    References:
        - [Lake and Baroni, 2018](https://arxiv.org/abs/1711.00350), Appendix.
        - [Newman et al., 2020](https://arxiv.org/abs/2010.07174).
    """
    if kind not in KINDS:
        names = ", ".join(f'"{name}"' for name in KINDS)
        raise ValueError(f"`kind` must be one of {names}. Received: kind={kind!r}")
    cut = check_integer("max_train_actions", max_train_actions, maximum=_LARGEST_CUT)
    dice = random.Random(check_integer("seed", seed, minimum=0))
    pairs = list(_commands().items())
    dice.shuffle(pairs)
    if kind == "simple":
        size = round(_SIMPLE_TRAIN_SHARE * len(pairs))
        train, test = pairs[:size], pairs[size:]
    else:
        train = [pair for pair in pairs if len(pair[1]) <= cut]
        test = [pair for pair in pairs if len(pair[1]) > cut]
    return _corpus(train, f"scan_{kind}/train"), _corpus(test, f"scan_{kind}/test")


# The functions follow the grammar of the paper's appendix, from the top (C) down to the verbs (U).


def _commands() -> dict[str, list[str]]:
    """C -> S and S | S after S | S: every command with its actions."""
    sentences = _sentences()
    commands = dict(sentences)
    for first, first_actions in sentences.items():
        for second, second_actions in sentences.items():
            commands[f"{first} and {second}"] = first_actions + second_actions
            commands[f"{first} after {second}"] = second_actions + first_actions
    return commands


def _sentences() -> dict[str, list[str]]:
    """S -> V twice | V thrice | V."""
    phrases = _verb_phrases()
    sentences = dict(phrases)
    for phrase, actions in phrases.items():
        for word, times in REPETITIONS.items():
            sentences[f"{phrase} {word}"] = actions * times
    return sentences


def _verb_phrases() -> dict[str, list[str]]:
    """V -> U | D | D[1] opposite D[2] | D[1] around D[2]; D is a verb and a direction."""
    # The verb "turn" adds no action to the turn itself.
    verbs = {**{verb: [action] for verb, action in VERBS.items()}, "turn": []}
    phrases = {verb: actions for verb, actions in verbs.items() if actions}
    for verb, actions in verbs.items():
        for direction, turn in TURNS.items():
            phrases[f"{verb} {direction}"] = [turn, *actions]
            phrases[f"{verb} opposite {direction}"] = [turn, turn, *actions]
            phrases[f"{verb} around {direction}"] = [turn, *actions] * 4
    return phrases


def _corpus(pairs: list[tuple[str, list[str]]], name: str) -> Corpus:
    return Corpus(
        sources=[command for command, _ in pairs],
        targets=[" ".join(actions) for _, actions in pairs],
        name=name,
    )
