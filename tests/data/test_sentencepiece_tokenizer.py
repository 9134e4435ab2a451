"""Subwords in the graph are those of the SentencePiece library, and training explains itself."""

import io
import re

import pytest
import sentencepiece
import tensorflow as tf

from keras_attn.data import SentencePieceTokenizer, read_directory

NORMALIZATIONS = ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"]
ODD_TEXTS = [
    "",
    "   ",
    "  two   blanks  ",
    "👩‍👩‍👧 a family",
    "e\u0301 a\u0308 and \u0308",
    "שלום עולם",
    "مرحبا بالعالم",
    "a\0b",
    "\x01\x02 x\x7f",
    "a\u2581b \u2581",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈",
    "word " * 9000,
    "x" * 30_000,
    "\u2028 line \u0085",
    "\ufeffmark",
    "㍿ ① ﬁ ｆｕｌｌ",
    "\u200bzero\u200dwidth",
    "a\nb\tc\rd",
    "<s> </s> <unk> <pad> <0x41>",
    "\ufffd \u2585",
    "İstanbul ẞ ß ΑΣ",
    "\u00a0x\u3000y",
    "日本語のテキスト",
]
TEXTS = ["the dog sees the cat", "zwölf Bären sehen den Hund", "cats and dogs"] * 4


@pytest.fixture(scope="module")
def tokenizer() -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train(TEXTS, vocabulary_size=310)


def processor_of(tokenizer: SentencePieceTokenizer) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)


def as_normalized(processor: sentencepiece.SentencePieceProcessor, text: str) -> str:
    """What the library's own normalizer makes of a text, its mark for blanks as a blank."""
    return processor.normalize(text).removeprefix("\u2581").replace("\u2581", " ")


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_odd_text_is_split_as_the_library_does_and_comes_back_normalized(normalization, model_type):
    tokenizer = SentencePieceTokenizer.train(TEXTS, 287, model_type, normalization=normalization)
    processor = processor_of(tokenizer)
    token_ids = tokenizer.tokenize(ODD_TEXTS)
    assert token_ids.to_list() == processor.encode(ODD_TEXTS)
    texts = [text.decode("utf-8") for text in tokenizer.detokenize(token_ids).numpy()]
    assert texts == [as_normalized(processor, text) for text in ODD_TEXTS]


@pytest.mark.parametrize("name", ["multi30k", "tatoeba_en_de"])
@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_real_text_is_split_as_the_library_does_and_comes_back(corpora_directory, name, model_type):
    corpus = read_directory(corpora_directory / name, "train", "en", "de").take(2000)
    texts = [*corpus.sources, *corpus.targets]
    tokenizer = SentencePieceTokenizer.train(texts[::2], 1200, model_type)
    processor = processor_of(tokenizer)
    token_ids = tokenizer.tokenize(texts)
    assert token_ids.to_list() == processor.encode(texts)
    decoded = [text.decode("utf-8") for text in tokenizer.detokenize(token_ids).numpy()]
    assert decoded == [as_normalized(processor, text) for text in texts]


def test_text_in_plain_letters_comes_back_unchanged(tokenizer):
    texts = [*TEXTS, "Ein ganz neuer Satz: 1,234 €!"]
    decoded = tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()
    assert [text.decode() for text in decoded] == texts


def test_the_vocabulary_has_the_size_asked_for_and_the_special_pieces(tokenizer):
    assert tokenizer.vocabulary_size == 310
    assert tokenizer.pieces([0, 1, 2, 3, 4, 259]) == [
        "<pad>", "<unk>", "<s>", "</s>", "<0x00>", "<0xFF>",
    ]  # fmt: skip


def test_a_frequent_word_is_one_piece(tokenizer):
    assert tokenizer.pieces(tokenizer.tokenize(["dog"]).to_list()[0]) == ["\u2581dog"]


def test_training_gives_the_same_model_every_time():
    for model_type in ("bpe", "unigram"):
        first, second = (
            SentencePieceTokenizer.train(iter(TEXTS), 287, model_type).model for _ in range(2)
        )
        assert first == second


def test_a_sample_of_the_texts_depends_on_the_seed_alone():
    texts = [f"number {number} is {number * 7919 % 10007}" for number in range(400)]

    def train(**options):
        return SentencePieceTokenizer.train(texts, 290, **options).model

    assert train(max_texts=40, seed=1) == train(max_texts=40, seed=1)
    assert train(max_texts=40, seed=1) != train(max_texts=40, seed=2)
    assert train(max_texts=400, seed=1) == train()


def test_no_text_is_left_out_of_training_for_its_length_or_its_characters():
    long_text = " ".join(["zebra"] * 2000)
    assert len(long_text) > 4192  # what SentencePiece leaves out unless told otherwise
    for text in (long_text, "zebra zebra \u2585", "zebra zebra \0"):
        tokenizer = SentencePieceTokenizer.train([*TEXTS, *[text] * 8], 300)
        assert tokenizer.pieces(tokenizer.tokenize(["zebra"]).to_list()[0]) == ["\u2581zebra"]


def test_characters_never_seen_are_bytes_with_fallback_and_unknown_without(tokenizer):
    assert tokenizer.detokenize(tokenizer.tokenize(["日"])).numpy()[0].decode() == "日"
    without = SentencePieceTokenizer.train(TEXTS, 60, byte_fallback=False)
    assert 1 in without.tokenize(["日"]).to_list()[0]


def test_training_writes_nothing_to_the_screen(capfd):
    SentencePieceTokenizer.train(TEXTS, 300)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_too_large_a_vocabulary_names_the_largest_that_works(model_type):
    texts = ["a dog runs", "the cat sleeps all day"]
    with pytest.raises(ValueError, match=r"`vocabulary_size` must be at most \d+") as raised:
        SentencePieceTokenizer.train(texts, 5000, model_type)
    largest = int(re.search(r"at most (\d+)", str(raised.value)).group(1))
    assert raised.value.possible == largest
    assert SentencePieceTokenizer.train(texts, largest, model_type).vocabulary_size == largest
    with pytest.raises(ValueError, match="at most"):
        SentencePieceTokenizer.train(texts, largest + 1, model_type)


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_too_small_a_vocabulary_names_the_smallest_that_works(model_type):
    with pytest.raises(ValueError, match=r"`vocabulary_size` must be at least \d+") as raised:
        SentencePieceTokenizer.train(TEXTS, 100, model_type)
    smallest = int(re.search(r"at least (\d+)", str(raised.value)).group(1))
    assert raised.value.possible == smallest
    assert SentencePieceTokenizer.train(TEXTS, smallest, model_type).vocabulary_size == smallest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": []}, "`texts` must hold some text"),
        ({"texts": ["", ""]}, "`texts` must hold some text"),
        ({"texts": ["  "]}, "`texts` must hold some text"),
        ({"texts": "one string"}, "`texts`.*not one string"),
        ({"texts": [1, 2]}, "`texts` must hold str"),
        ({"vocabulary_size": 0}, "`vocabulary_size` must be positive"),
        ({"model_type": "unigramm"}, "`model_type`.*'unigramm'.*'unigram'"),
        ({"normalization": "nfck"}, "`normalization`.*nfkc"),
        ({"character_coverage": 1.5}, "`character_coverage`.*1.5"),
        ({"max_texts": 0}, "`max_texts`"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message) as raised:
        SentencePieceTokenizer.train(**{"texts": TEXTS, "vocabulary_size": 300, **options})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("model", [b"", b"no model", "path.model", None])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(ValueError, match="`model` must be"):
        SentencePieceTokenizer(model)


def test_a_model_with_other_special_ids_is_refused():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=31, minloglevel=2
    )
    with pytest.raises(ValueError, match=r"special ids.*Received: \(-1, 0, 1, 2\)"):
        SentencePieceTokenizer(model.getvalue())


def test_many_texts_at_once_give_what_each_gives_alone(tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS * 20).batch(7)
    dataset = dataset.map(tokenizer.tokenize, num_parallel_calls=4)
    rows = [row for batch in dataset for row in batch.to_list()]
    assert rows == [tokenizer.tokenize([text]).to_list()[0] for text in TEXTS] * 20
