"""Characters and words: what is a token, what comes back, and what is refused."""

import unicodedata

import pytest
import tensorflow as tf

from keras_attn.data import CharacterTokenizer, WordTokenizer, load_tokenizer

WORDS = ["été", "naïve", "", "zwölf", "한글", "д͡ж", "👩‍👩‍👧", "a\tb"]
PHONES = ["e t e", "n a i v", "", "t͡s v œ l f", "h a̠ n ɡ ɯ l"]


def test_a_character_is_a_composed_code_point():
    tokenizer = CharacterTokenizer.train(WORDS)
    decomposed = [unicodedata.normalize("NFD", word) for word in WORDS]
    expected = [list(unicodedata.normalize("NFC", word)) for word in WORDS]
    for given in (WORDS, decomposed):
        token_ids = tokenizer.tokenize(given)
        assert [tokenizer.pieces(row) for row in token_ids.to_list()] == expected
        assert token_ids.dtype == tf.int32
    assert tokenizer.vocabulary_size == 4 + len({one for word in expected for one in word})


def test_decomposed_a_letter_its_marks_and_the_parts_of_a_syllable_are_tokens():
    tokenizer = CharacterTokenizer.train(WORDS, decompose=True)
    expected = [list(unicodedata.normalize("NFD", word)) for word in WORDS]
    assert expected[0] == ["e", "\u0301", "t", "e", "\u0301"] and len(expected[4]) == 6
    for form in ("NFC", "NFD"):
        rows = tokenizer.tokenize([unicodedata.normalize(form, word) for word in WORDS])
        assert [tokenizer.pieces(row) for row in rows.to_list()] == expected


def test_a_word_is_what_stands_between_blanks():
    tokenizer = WordTokenizer.train(PHONES)
    token_ids = tokenizer.tokenize(["  t͡s \t a̠\n", *PHONES])
    rows = [tokenizer.pieces(row) for row in token_ids.to_list()]
    assert rows == [["t͡s", "a̠"], *(text.split() for text in PHONES)]


@pytest.mark.parametrize(
    "tokenizer, texts",
    [
        (CharacterTokenizer.train(WORDS), WORDS),
        (CharacterTokenizer.train(WORDS, decompose=True), WORDS),
        (WordTokenizer.train(PHONES), PHONES),
    ],
)
def test_every_text_comes_back_also_from_a_saved_tokenizer(tokenizer, texts, tmp_path):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer) and loaded.vocabulary == tokenizer.vocabulary
    for one in (tokenizer, loaded):
        padded = one.tokenize(texts).to_tensor(0)
        assert [text.decode() for text in one.detokenize(padded).numpy()] == texts


def test_the_most_frequent_pieces_have_the_lowest_ids_and_ties_are_in_order():
    assert CharacterTokenizer.train(["cabcc", "b"]).vocabulary == ["c", "b", "a"]
    assert CharacterTokenizer.train(["ba"]).vocabulary == ["a", "b"]
    assert WordTokenizer.train(["x y y", "z"], vocabulary_size=6).vocabulary == ["y", "x"]


def test_unknown_pieces_are_unknown_tokens_and_become_replacement_characters():
    characters, words = CharacterTokenizer(["a", "b"]), WordTokenizer(["a", "bc"])
    assert characters.tokenize(["abc"]).to_list() == [[4, 5, 1]]
    assert characters.detokenize([[4, 1, 5, 3, 4]]).numpy()[0].decode() == "a\ufffdb"
    assert words.tokenize(["bc abc a"]).to_list() == [[5, 1, 4]]
    assert words.detokenize([[2, 5, 99, 4, 3, 0]]).numpy()[0].decode() == "bc \ufffd a"
    assert words.pieces([0, 1, 2, 3, 5, 99]) == ["<pad>", "<unk>", "<s>", "</s>", "bc", "<unk>"]


def test_symbols_stay_whole_wherever_they_stand_and_others_do_not():
    symbols = ["<fr>", "(c)", "<f>"]
    tokenizer = CharacterTokenizer.train(["<fr> <x> a.b(c)"], symbols=symbols)
    pieces = tokenizer.pieces(tokenizer.tokenize(["<fr> <x>(c)a<f>"])[0].numpy())
    assert pieces == ["<fr>", " ", "<", "x", ">", "(c)", "a", "<f>"]
    assert tokenizer.vocabulary[:3] == symbols
    texts = ["<fr> <x> a.b(c)", "<fr><f>"]
    assert [
        one.decode() for one in tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()
    ] == texts


def test_a_small_vocabulary_holds_the_symbols_and_the_most_frequent_characters():
    tokenizer = CharacterTokenizer.train(["<s1>aab"], vocabulary_size=6, symbols=["<s1>"])
    assert tokenizer.vocabulary == ["<s1>", "a"]


def test_symbols_are_saved(tmp_path):
    CharacterTokenizer.train(["<fr>a"], symbols=["<fr>"]).save(tmp_path)
    assert load_tokenizer(tmp_path).tokenize(["a<fr>"]).to_list() == [[5, 4]]


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer(["a"]), WordTokenizer(["a"])])
def test_it_runs_in_a_saved_model(tokenizer, tmp_path):
    class Exported(tf.Module):
        def __init__(self):
            self.tokenizer = tokenizer

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def back(self, texts):
            return self.tokenizer.detokenize(self.tokenizer.tokenize(texts))

    tf.saved_model.save(Exported(), str(tmp_path))
    back = tf.saved_model.load(str(tmp_path)).back(tf.constant(["a", "", "z"]))
    assert [text.decode() for text in back.numpy()] == ["a", "", "\ufffd"]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: CharacterTokenizer([]), "`vocabulary` must hold at least one piece"),
        (lambda: CharacterTokenizer(["a", "a"]), "distinct, non-empty str. Received: 'a'"),
        (lambda: CharacterTokenizer(["ab"]), "does not split. Received: 'ab'"),
        (lambda: CharacterTokenizer(["e\u0301"]), "does not split"),
        (lambda: WordTokenizer(["a b"]), "does not split. Received: 'a b'"),
        (lambda: WordTokenizer(["a", ""]), "Received: ''"),
        (lambda: WordTokenizer.train("a b"), "iterable of str, not one string"),
        (lambda: WordTokenizer.train(["", " "]), "only empty or blank texts"),
        (lambda: WordTokenizer.train(["a"], vocabulary_size=4), "above 4"),
        (
            lambda: CharacterTokenizer.train(["a"], vocabulary_size=5, symbols=["<a>", "<b>"]),
            "`vocabulary_size` must be",
        ),
    ],
)
def test_mistakes_are_refused_in_one_line(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert words in str(caught.value) and "\n" not in str(caught.value)
