// The texts of the page, in English and Japanese.

const TEXTS = {
  en: {
    title: "Try a translation model",
    model: "Model",
    source: "Text",
    hint: "Type a sentence. It is translated as you pause.",
    translation: "Translation",
    sure: "How sure the model was",
    confidence: "Probability that this is a good translation",
    sureExplanation: "The probability of each word, given the words before it. Dashed: below 70%. Dotted: below 40%.",
    nBest: "Other translations",
    score: "Score",
    attention: "What the model looked at",
    attentionExplanation: "Move over a word, or reach it with the Tab key: the words that it attends to light up.",
    heatmap: "Attention as a heatmap: the translation downwards, the text across",
    layer: "Layer",
    head: "Head",
    mean: "mean",
    footer: "This page uses the REST interface of TensorFlow Serving and nothing else.",
    milliseconds: (count) => `${count} ms`,
    line: (number) => ` · details of line ${number}`,
    cut: " · cut at the length limit",
    attends: (word, others) => `${word}: ${others}`,
    unreachable: "The server cannot be reached.",
    other: "日本語",
  },
  ja: {
    title: "翻訳モデルを試す",
    model: "モデル",
    source: "原文",
    hint: "文を入力してください。手を止めると翻訳されます。",
    translation: "訳文",
    sure: "モデルの確信度",
    confidence: "よい訳である確率",
    sureExplanation: "前の語を踏まえた、各語の確率です。破線は70%未満、点線は40%未満です。",
    nBest: "ほかの候補",
    score: "スコア",
    attention: "モデルが注目した箇所",
    attentionExplanation: "語にカーソルを合わせるか、Tabキーで移動すると、注目している語が光ります。",
    heatmap: "注意のヒートマップ(縦が訳文、横が原文)",
    layer: "層",
    head: "ヘッド",
    mean: "平均",
    footer: "このページはTensorFlow ServingのRESTインターフェースだけを使います。",
    milliseconds: (count) => `${count}ミリ秒`,
    line: (number) => `・${number}行目の詳細`,
    cut: "・長さの上限で切れています",
    attends: (word, others) => `${word}:${others}`,
    unreachable: "サーバーに接続できません。",
    other: "English",
  },
};

let language = navigator.language.startsWith("ja") ? "ja" : "en";

/** The text with this name in the chosen language. */
export function text(name) {
  return TEXTS[language][name];
}

/** Writes all texts into the page. */
export function writeTexts() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = text(element.dataset.placeholder);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  const button = document.getElementById("language");
  button.textContent = text("other");
  button.lang = language === "ja" ? "en" : "ja";
}

/** Switches to the other language. */
export function switchLanguage() {
  language = language === "ja" ? "en" : "ja";
  writeTexts();
}
