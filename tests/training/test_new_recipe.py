"""A recipe for a corpus: what is chosen, what is written, and that it can be trained."""

import dataclasses
import random
import statistics
import sys

import pytest

from keras_attn.data import ByteTokenizer, Corpus, phrasebook, read_directory
from keras_attn.data.sentencepiece_tokenizer import VocabularySizeError
from keras_attn.training import Recipe, new_recipe
from keras_attn.training.fit_tokenizers import fit_tokenizers
from keras_attn.training.recipe.suggest_recipe import (
    RULES,
    find_rule,
    learns_enough,
    smaller_rule,
    validation_interval,
)
from keras_attn.training.recipe.tokenizer_recipe import TokenizerRecipe
from keras_attn.training.recipe.write_commented import write_commented
from keras_attn.training.update_timer import Timing, UpdateTimer

# The function has the name of its module.
FIT = sys.modules["keras_attn.training.fit_tokenizers"]


@pytest.fixture
def quick(monkeypatch):
    """Replaces the timing: an update takes the seconds that the test says, with and without XLA."""
    seconds = {"of": 0.1, "plain": 0.2, "compile": 0.0, "batch": 2048}

    def timed(timer, recipe):
        share = recipe.training.global_batch_tokens / seconds["batch"]
        if recipe.training.jit_compile:
            return Timing(share * seconds["of"], seconds["compile"])
        return Timing(share * seconds["plain"], 4.0)

    monkeypatch.setattr(UpdateTimer, "__call__", timed)
    return seconds


def test_the_rules_are_in_order_and_the_last_one_has_no_limit():
    limits = [rule.most_pairs for rule in RULES]
    assert limits == sorted(limits) and limits[-1] == float("inf")
    assert find_rule(20_000) is RULES[1] and find_rule(20_001) is RULES[2]
    assert find_rule(10**9) is RULES[-1]


def test_a_smaller_model_keeps_what_the_corpus_asks_for():
    rule = smaller_rule(find_rule(100_000), 100_000)
    assert (rule.hidden_dim, rule.num_layers) == (128, 4)
    assert (rule.vocabulary_size, rule.dropout, rule.passes) == (8_000, 0.1, 20)
    assert smaller_rule(RULES[0], 100) is None
    assert learns_enough(5.0, RULES[3]) and not learns_enough(4.9, RULES[3])


@pytest.mark.parametrize(
    ("steps", "steps_per_epoch", "minutes", "pairs", "interval"),
    [
        (6000, 210, 120, 1000, 210),  # every pass
        (5000, 15_000, 120, 1000, 500),  # a large corpus: ten times
        (1500, 4, 60, 30, 100),  # a small one: not after every pass
        (90, 4, 1, 30, 18),  # five times
        (700, 200, 6, 1000, 350),  # there is no time for more than two
        (6000, 210, 30, 1000, 601),  # one in three minutes
    ],
)
def test_validations_leave_time_for_training(steps, steps_per_epoch, minutes, pairs, interval):
    assert validation_interval(steps, steps_per_epoch, minutes, pairs) == interval


def test_it_writes_splits_and_a_recipe_that_reads_back(quick, tmp_path):
    corpus = phrasebook("train", num_pairs=300, seed=1)
    made = new_recipe(corpus, tmp_path / "my.toml", minutes=5)
    again = Recipe.from_toml(tmp_path / "my.toml")
    assert again == made.recipe and again.name == "my"
    assert again.data.directory == str(tmp_path / "my_data")
    assert sum(made.sizes.values()) == made.report.kept
    assert made.sizes["validation"] >= 29
    for split, count in made.sizes.items():
        for language in ("en", "de"):
            lines = (tmp_path / "my_data" / f"{split}.{language}").read_text("utf-8").splitlines()
            assert len(lines) == count
    assert made.lines()[-1].startswith("few pairs: ")
    many = dataclasses.replace(made, sizes={"train": 2_000})
    assert not any(line.startswith("few pairs") for line in many.lines())
    text = (tmp_path / "my.toml").read_text("utf-8")
    assert "# 300 pairs read" in text and "# the share of the updates over which it falls" in text
    assert "300 updates" not in text and f"{again.cost}" in text


def test_a_slow_machine_gets_a_smaller_model(quick, tmp_path):
    pairs = [(f"word{i} is here", f"wort{i} ist hier") for i in range(3_000)]
    corpus = Corpus(*zip(*pairs, strict=True))
    fast = new_recipe(corpus, tmp_path / "fast.toml", minutes=60).recipe.model.overrides
    quick["of"] = 60.0
    slow = new_recipe(corpus, tmp_path / "slow.toml", minutes=60).recipe.model.overrides
    assert (fast["num_layers"], slow["num_layers"]) == (3, 2)
    assert fast["dropout"] == slow["dropout"] == 0.3


@pytest.mark.parametrize(
    ("minutes", "compile_seconds", "uses_xla"),
    [
        (60.0, 80.0, True),  # a small share of an hour
        (6.0, 190.0, False),  # six minutes: 1,700 updates are left; without XLA there are 1,780
        (6.0, 180.0, True),  # 1,800 are left
    ],
)
def test_a_short_run_does_without_xla(quick, tmp_path, minutes, compile_seconds, uses_xla):
    quick["compile"] = compile_seconds
    pairs = [(f"word{i} is here", f"wort{i} ist hier") for i in range(9_000)]
    corpus = Corpus(*zip(*pairs, strict=True))
    made = new_recipe(corpus, tmp_path / "my.toml", minutes=minutes)
    assert made.recipe.training.jit_compile is uses_xla
    assert made.recipe.training.num_buckets == (4 if uses_xla else 8)
    assert made.seconds_per_step == (0.1 if uses_xla else 0.2)


def test_a_run_that_only_compiles_has_no_updates():
    timing = Timing(step_seconds=0.5, compile_seconds=40.0)
    assert [timing.updates_within(seconds) for seconds in (60.0, 30.0)] == [40.0, 0.0]


@pytest.mark.parametrize(("seconds", "batch_tokens"), [(0.4, 2048), (0.41, 1024), (100.0, 1024)])
def test_a_run_of_few_updates_has_small_batches(quick, tmp_path, seconds, batch_tokens):
    quick["of"] = seconds  # 1,500 updates of 0.4 seconds take ten minutes
    pairs = [(f"word{i} is here", f"wort{i} ist hier") for i in range(3_000)]
    corpus = Corpus(*zip(*pairs, strict=True))
    made = new_recipe(corpus, tmp_path / "my.toml", minutes=10)
    assert made.recipe.training.global_batch_tokens == batch_tokens
    assert made.seconds_per_step == pytest.approx(seconds * batch_tokens / 2048)


def test_two_scripts_have_two_vocabularies(quick, tmp_path):
    letters = [(chr(97 + i // 10) * 3, chr(0x430 + i % 10) * 3) for i in range(100)]
    pairs = [
        (f"the house {a}{i}{b and a[0]}", f"дом {b}{i} {'абвгдежзик'[i // 10]}")
        for i, (a, b) in enumerate(letters)
    ]
    recipe = new_recipe(Corpus(*zip(*pairs, strict=True)), tmp_path / "ru.toml").recipe
    assert recipe.tokenizer.shared is False


def test_two_sides_of_one_language_have_two_files(quick, tmp_path):
    pairs = [(f"this is word{i}", f"word{i} it is") for i in range(80)]
    corpus = Corpus(*zip(*pairs, strict=True), source_language="en", target_language="en")
    recipe = new_recipe(corpus, tmp_path / "my.toml").recipe
    assert (recipe.data.source_language, recipe.data.target_language) == ("source", "target")
    lines = [(tmp_path / "my_data" / f"test.{side}").read_text() for side in ("source", "target")]
    assert lines[0].startswith("this is") and "it is" in lines[1]


def test_nothing_is_overwritten_and_nothing_is_left_behind(quick, tmp_path, monkeypatch):
    corpus = phrasebook("train", num_pairs=100)
    (tmp_path / "there.toml").write_text("mine")
    with pytest.raises(ValueError, match="`path` and .* must be new.*there.toml, which exists"):
        new_recipe(corpus, tmp_path / "there.toml")
    assert (tmp_path / "there.toml").read_text() == "mine"
    with pytest.raises(ValueError, match="must end in .toml"):
        new_recipe(corpus, tmp_path / "my.json")
    with pytest.raises(
        ValueError, match="at least 50 good pairs. Received: 2 of 3 .left out: 1 emp"
    ):
        new_recipe(Corpus(["a b", "", "c d"], ["x y", "z", "v w"]), tmp_path / "my.toml")
    with pytest.raises(ValueError, match="`minutes` must be finite and greater than zero"):
        new_recipe(corpus, tmp_path / "my.toml", minutes=0)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(UpdateTimer, "__call__", fail)
    with pytest.raises(KeyboardInterrupt):
        new_recipe(corpus, tmp_path / "my.toml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.toml"]


def test_a_commented_recipe_is_the_same_recipe(tmp_path):
    for name in ("phrasebook_tiny", "multi30k_en_de", "g2p_french", "wmt14_en_de_big"):
        recipe = Recipe.named(name)
        write_commented(recipe, tmp_path / f"{name}.toml")
        assert Recipe.from_toml(tmp_path / f"{name}.toml") == recipe


@pytest.mark.parametrize(
    ("smallest", "largest", "tried"),
    [
        (1400, 5000, [1000, 1400]),
        (300, 700, [1000, 500]),
        (600, 900, [1000, 500, 600]),
        (990, 995, [1000, 500, 990]),
    ],
)
def test_the_vocabulary_suits_the_text(monkeypatch, smallest, largest, tried):
    sizes = []

    def train_tokenizer(recipe, texts):
        size = recipe.vocabulary_size
        sizes.append(size)
        if not smallest <= size <= largest:
            raise VocabularySizeError("", min(max(size, smallest), largest))
        return ByteTokenizer()

    monkeypatch.setattr(FIT, "train_tokenizer", train_tokenizer)
    fitted, _ = fit_tokenizers(TokenizerRecipe(vocabulary_size=1000), Corpus(["a"], ["b"]))
    assert sizes == tried and fitted.vocabulary_size == tried[-1]


def test_texts_that_allow_no_vocabulary_are_an_error_and_no_endless_loop(monkeypatch):
    def train_tokenizer(recipe, texts):
        raise VocabularySizeError("no size", 700 if recipe.vocabulary_size < 700 else 500)

    monkeypatch.setattr(FIT, "train_tokenizer", train_tokenizer)
    with pytest.raises(VocabularySizeError, match="no size"):
        fit_tokenizers(TokenizerRecipe(vocabulary_size=1000), Corpus(["a"], ["b"]))


def test_two_sides_that_no_single_size_suits_get_a_size_each(quick, tmp_path):
    """Hundreds of characters against the few letters of their transcription."""
    syllables = [a + b for a in "bpmfdtnlgkhjqx" for b in ("a", "o", "e", "ai", "ang", "u")]
    texts = [[(17 * i + 5 * j * j) % 800 for j in range(5 + i % 7)] for i in range(300)]
    pairs = [
        ("".join(chr(0x4E00 + n) for n in text), " ".join(syllables[n % 84] for n in text))
        for text in texts
    ]
    recipe = new_recipe(Corpus(*zip(*pairs, strict=True)), tmp_path / "my.toml").recipe
    # 800 characters, 256 bytes, 4 special tokens; and no more pieces than the syllables give
    assert recipe.tokenizer.vocabulary_size > 1000 > recipe.tokenizer.target_vocabulary_size
    assert Recipe.from_toml(tmp_path / "my.toml") == recipe


def test_few_pairs_are_validated_every_100_updates_and_not_at_each_pass(quick, tmp_path):
    made = new_recipe(phrasebook("train", num_pairs=300, seed=1), tmp_path / "my.toml")
    assert made.recipe.training.validate_every_steps == 100


def test_hardly_a_pair_is_too_long_however_many_pieces_its_text_has(quick, tmp_path):
    """A Korean letter is a token, or three: as many tokens as the mean has letters are too few."""
    dice = random.Random(0)
    letters = [chr(0xAC00 + 7 * i) for i in range(900)]
    texts = ["".join(dice.choices(letters, k=dice.randint(20, 80))) for _ in range(300)]
    pairs = [(text, text[::-1]) for text in texts]
    recipe = new_recipe(Corpus(*zip(*pairs, strict=True)), tmp_path / "my.toml").recipe
    train = read_split(recipe)
    _, pair = fit_tokenizers(recipe.tokenizer, train)
    lengths = [len(pair.source.tokenize([text])[0]) for text in train.sources]
    assert statistics.fmean(lengths) > 40
    assert sum(length > recipe.data.max_source_tokens for length in lengths) <= 1


def read_split(recipe):
    data = recipe.data
    return read_directory(data.directory, "train", data.source_language, data.target_language)


def test_the_vocabulary_is_made_once_however_many_models_are_tried(quick, tmp_path, monkeypatch):
    calls, original = [], FIT.train_tokenizer
    monkeypatch.setattr(
        FIT, "train_tokenizer", lambda *arguments: calls.append(1) or original(*arguments)
    )
    pairs = [(f"word{i} is here", f"wort{i} ist hier") for i in range(3_000)]
    quick["of"] = 1e9  # so slow that every smaller model is tried
    made = new_recipe(Corpus(*zip(*pairs, strict=True)), tmp_path / "my.toml")
    sizes_tried = 1 + int(made.recipe.tokenizer.vocabulary_size < 4000)
    assert made.recipe.model.overrides["num_layers"] == 2
    assert len(calls) <= sizes_tried + 1


@pytest.mark.slow
def test_ten_updates_are_timed_and_the_recipe_trains(tmp_path):
    from keras_attn.training import train

    made = new_recipe(phrasebook("train", num_pairs=400, seed=2), tmp_path / "my.toml", minutes=1)
    assert made.seconds_per_step > 0
    assert made.recipe.tokenizer.vocabulary_size <= 1000
    recipe = made.recipe.override({"training.max_steps": 4, "training.num_buckets": 1})
    assert train(recipe, tmp_path / "run", progress=False).steps == 4


def test_a_directory_that_appears_meanwhile_is_left_alone(quick, tmp_path):
    def show(line):
        if line.startswith("looking at"):
            (tmp_path / "my_data").mkdir()
            (tmp_path / "my_data" / "thesis.txt").write_text("years of work")

    with pytest.raises(ValueError, match="`path` and .* must be new.*my_data, which exists"):
        new_recipe(phrasebook("train", num_pairs=100), tmp_path / "my.toml", show=show)
    assert [path.name for path in (tmp_path / "my_data").iterdir()] == ["thesis.txt"]
