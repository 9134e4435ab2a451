"""BLEU counts the words of the target language, also where no spaces stand between them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics import BLEU

from keras_attn.evaluation import corpus_scores, default_bleu_tokenizer, evaluate, is_unspaced
from keras_attn.evaluation.bleu_tokenizer import find_bleu_tokenizer

SENTENCES = {
    "zh": ["今天早上我在公园里看见了两只小狗。", "老师把书放在桌子上，然后离开了教室。"],
    "yue": ["我哋聽日一齊去街市買餸啦。", "呢本書真係好好睇，你一定要睇。"],
    "ja": ["今日は朝から公園で二匹の犬を見ました。", "先生は本を机の上に置いて、教室を出た。"],
    "ko": ["오늘 아침에 공원에서 강아지 두 마리를 보았다.", "선생님은 책을 책상 위에 두고 나갔다."],
    "th": ["เมื่อเช้านี้ฉันเห็นสุนัขสองตัวในสวนสาธารณะ", "คุณครูวางหนังสือไว้บนโต๊ะแล้วออกจากห้องเรียน"],
    "lo": ["ຂ້ອຍເຫັນໝາສອງໂຕຢູ່ສວນສາທາລະນະ", "ນາຍຄູວາງປຶ້ມໄວ້ເທິງໂຕະແລ້ວອອກໄປ"],
    "km": ["ខ្ញុំបានឃើញឆ្កែពីរក្បាលនៅក្នុងសួន", "គ្រូដាក់សៀវភៅនៅលើតុហើយចេញពីថ្នាក់"],
    "my": ["ပန်းခြံထဲမှာခွေးနှစ်ကောင်ကိုတွေ့ခဲ့တယ်", "ဆရာကစာအုပ်ကိုစားပွဲပေါ်မှာတင်ခဲ့တယ်"],
    "bo": ["ངས་གླིང་ཀའི་ནང་ལ་ཁྱི་གཉིས་མཐོང་བྱུང་།", "དགེ་རྒན་གྱིས་དེབ་ཅོག་ཙེའི་སྒང་ལ་བཞག"],
}
UNSPACED = [language for language in SENTENCES if language != "ko"]
PACKAGES = {"ja": "MeCab", "ko": "mecab_ko"}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_perfect_translation_has_bleu_100_in_every_language(language: str) -> None:
    if language in PACKAGES:
        pytest.importorskip(PACKAGES[language])
    texts = SENTENCES[language]
    scores = corpus_scores(texts, texts, target_language=language)
    assert scores.bleu == pytest.approx(100)
    assert f"tok:{default_bleu_tokenizer(language)}" in scores.signatures["bleu"]
    assert not any("BLEU" in note for note in scores.notes)


@pytest.mark.parametrize("language", ["zh", "ja", "ko", "de", "en", ""])
def test_the_default_is_that_of_sacrebleu_where_it_has_one(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    tokenizer = BLEU(tokenize="none").tokenizer

    def remember(name: str) -> Any:
        chosen.append(name)
        return lambda: tokenizer

    module = importlib.import_module("sacrebleu.metrics.bleu")
    monkeypatch.setattr(module, "_get_tokenizer", remember)
    BLEU(trg_lang=language)
    assert chosen[0] == default_bleu_tokenizer(language)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("zh_TW", "zh"), ("ZH-hans", "zh"), ("zho_Hant", "zh"), ("cmn", "zh"), ("yue_Hant", "zh"),
        ("ja-JP", "ja-mecab"), ("jpn_Jpan", "ja-mecab"), ("kor_Hang", "ko-mecab"),
        ("tha_Thai", "char"), ("khm_Khmr", "char"), ("lao", "char"), ("mya_Mymr", "char"),
        ("deu_Latn", "13a"), ("thv", "13a"), ("mn", "13a"), ("vi", "13a"),
    ],
)  # fmt: skip
def test_codes_of_every_style_are_known(code: str, name: str) -> None:
    assert default_bleu_tokenizer(code) == name


@pytest.mark.parametrize("tokenizer", ["zh", "char", "intl"])
def test_every_tokenizer_scores_as_the_command_line(tokenizer: str, tmp_path: Path) -> None:
    hypotheses = ["今天早上我在公园里看见一只小狗。", "老师把书放在桌上，离开了教室。"]
    for name, lines in (("h", hypotheses), ("r", SENTENCES["zh"])):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", str(tmp_path / "r"), "-i", str(tmp_path / "h")]
    command += ["--tokenize", tokenizer, "--width", "9", "--score-only"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    scores = corpus_scores(hypotheses, SENTENCES["zh"], bleu_tokenizer=tokenizer)
    assert scores.bleu == pytest.approx(float(printed.stdout), abs=1e-8)
    assert f"tok:{tokenizer}|" in scores.signatures["bleu"]


@pytest.mark.parametrize("language", UNSPACED)
def test_a_bleu_that_means_nothing_says_so(language: str) -> None:
    texts = SENTENCES[language]
    scores = corpus_scores(texts, texts)
    assert scores.bleu < 50  # of a perfect translation
    assert any("BLEU means nothing" in note and "`bleu_tokenizer`" in note for note in scores.notes)
    assert [line for line in scores.lines() if line.startswith("note: BLEU means nothing")]
    assert scores.to_dict()["notes"] == list(scores.notes)


@pytest.mark.parametrize(
    "texts",
    [
        ["Zwei Hunde rennen im Park.", "Der Hund 狗 bellt."],
        SENTENCES["ko"],
        ["今天 早上 我 在 公园 里 看见 了 两 只 小狗 。"],
        ["เมื่อเช้า นี้ ฉัน เห็น สุนัข สอง ตัว ใน สวนสาธารณะ"],
        ["", " "],
        ["12345678901234567890", "www.example.org/a/long/address"],
    ],
)
def test_nothing_is_said_of_text_with_spaces(texts: list[str]) -> None:
    assert not is_unspaced(texts)
    assert corpus_scores(texts, texts).notes == ()


def test_tokenized_references_are_told_once_and_sacrebleu_is_silent(caplog) -> None:
    plain = ["Ein Hund rennt.", "Zwei Hunde schlafen.", "Wer bellt?"] * 40
    tokenized = [f"{text[:-1]} {text[-1]}" for text in plain]
    (note,) = corpus_scores(plain, tokenized).notes
    assert "the references seem to be tokenized" in note
    assert corpus_scores(tokenized, plain).notes == ()  # the references say what is compared
    assert corpus_scores(plain, tokenized, bleu_tokenizer="char").notes == ()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("language", "module", "package"),
    [
        ("ja", "tokenizer_ja_mecab", "keras_attn[japanese]"),
        ("ko", "tokenizer_ko_mecab", "keras_attn[korean]"),
    ],
)
def test_a_missing_package_is_named_before_anything_is_translated(
    language: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"sacrebleu.tokenizers.{module}.MeCab", None)

    class Never:
        def translate(self, texts: list[str]) -> list[str]:
            raise AssertionError("translated")

    texts = SENTENCES[language]
    with pytest.raises(ValueError, match="default for the target language") as caught:
        evaluate(Never(), texts, texts, target_language=language)
    message = str(caught.value)
    assert f'`pip install "{package}"`' in message and "'char'" in message
    assert "\n" not in message


def test_an_unknown_tokenizer_is_named_before_anything_is_translated() -> None:
    class Never:
        def translate(self, texts: list[str]) -> list[str]:
            raise AssertionError("translated")

    with pytest.raises(ValueError, match="Received: 'mecab'. Nearest names: .*ja-mecab"):
        evaluate(Never(), ["a"], ["b"], bleu_tokenizer="mecab")


def test_another_dictionary_than_sacrebleus_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise AssertionError("Please make sure to use the IPA dictionary for MeCab")

    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.TokenizerJaMecab.__init__", refuse)
    with pytest.raises(ValueError, match="Received: 'ja-mecab'. .*IPA dictionary"):
        find_bleu_tokenizer("ja-mecab")
