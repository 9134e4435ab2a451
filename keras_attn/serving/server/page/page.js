// Translates when the user pauses, and shows how sure the model was and what it looked at.

import { drawAttention, lightUpIn } from "./attention.js";
import { predict } from "./serving.js";
import { switchLanguage, text, writeTexts } from "./texts.js";
import { groupPieces, wordAttention, wordProbabilities } from "./words.js";

const PAUSE = 150; // milliseconds without a keystroke
const $ = (name) => document.getElementById(name);

let timer = 0;
let requests = new AbortController();
let composing = false; // while an input method is still composing characters
let seen = null; // the answer of `attention` that is drawn

function start() {
  writeTexts();
  const models = JSON.parse(document.querySelector("meta[name=models]").content || "[]");
  $("models").replaceChildren(...models.map((name) => new Option(name, name)));
  $("model").value = new URLSearchParams(location.search).get("model") ?? models[0] ?? "tatoeba_en_de";
  $("source").addEventListener("input", pause);
  $("source").addEventListener("compositionstart", () => (composing = true));
  $("source").addEventListener("compositionend", () => { composing = false; pause(); });
  $("source").addEventListener("keyup", (event) => event.key.startsWith("Arrow") && pause());
  $("source").addEventListener("click", pause);
  $("model").addEventListener("change", () => translate(true));
  for (const name of ["layer", "head"]) $(name).addEventListener("change", drawSeen);
  lightUpIn($("links"), $("heatmap"));
  $("language").addEventListener("click", () => { switchLanguage(); translate(true); });
  if ($("source").value) pause();
}

let last = "";

function pause() {
  clearTimeout(timer);
  if (!composing) timer = setTimeout(translate, PAUSE);
}

/** The lines of the text, and the index of the line with the caret. */
function readLines() {
  const { value, selectionStart } = $("source");
  return { lines: value.split("\n"), current: value.slice(0, selectionStart).split("\n").length - 1 };
}

async function translate(again = false) {
  const { lines, current } = readLines();
  const state = JSON.stringify([lines, current]);
  if (state === last && again !== true) return; // the caret moved within its line
  last = state;
  requests.abort();
  requests = new AbortController();
  const { signal } = requests;
  if (lines.every((line) => line.trim() === "")) return clear();
  $("translation").classList.add("waiting");
  const started = performance.now();
  try {
    const model = $("model").value;
    const rows = await predictLines(model, lines, signal);
    showTranslations(rows, Math.round(performance.now() - started), lines.length > 1 ? current + 1 : 0);
    const detailed = lines[current].trim() ? current : lines.findIndex((one) => one.trim());
    const line = lines[detailed];
    const [[best], [attention]] = await Promise.all([predict(model, "n_best", [line], signal), predict(model, "attention", [line], signal)]);
    if (signal.aborted) return;
    showConfidence(rows[detailed].confidence);
    showNBest(best);
    showDetails(attention);
  } catch (error) {
    if (error.name === "AbortError") return;
    last = ""; // the same text may be tried again
    showError(error);
  }
}

/** Translates, with confidence if the model reports it. Exports of earlier versions have one signature. */
async function predictLines(model, lines, signal) {
  try {
    return await predict(model, "translate_with_stats", lines, signal);
  } catch (error) {
    if (error.name === "AbortError" || error instanceof TypeError) throw error;
    return predict(model, "serving_default", lines, signal);
  }
}

function clear() {
  $("translation").textContent = $("latency").textContent = $("error").textContent = "";
  $("translation").classList.remove("waiting");
  $("details").hidden = true;
}

function showError(error) {
  $("translation").classList.remove("waiting");
  $("error").textContent = error instanceof TypeError ? text("unreachable") : error.message;
}

function showTranslations(rows, milliseconds, line) {
  $("error").textContent = "";
  $("translation").classList.remove("waiting");
  $("translation").textContent = rows.map((row) => row.translation).join("\n");
  const cut = rows.some((row) => row.truncated) ? text("cut") : "";
  $("latency").textContent = text("milliseconds")(milliseconds) + (line ? text("line")(line) : "") + cut;
}

function showNBest({ translations, scores }) {
  const rows = translations.flatMap((translation, i) => {
    if (scores[i] < -1e30) return []; // the search found fewer
    const row = document.createElement("tr");
    for (const content of [translation, scores[i].toFixed(3)]) row.insertCell().textContent = content;
    return [row];
  });
  document.querySelector("#n-best tbody").replaceChildren(...rows);
}

/** Shows how sure a calibrated model is of the line; hides this for other models. */
function showConfidence(confidence) {
  $("confidence").hidden = confidence === undefined;
  if (confidence === undefined) return;
  $("confidence-value").textContent = `${Math.round(100 * confidence)}%`;
  $("confidence-meter").value = confidence;
}

function showDetails(row) {
  seen = {
    targets: groupPieces(row.target_pieces.slice(0, row.target_length)),
    sources: groupPieces(row.source_pieces.slice(0, row.source_length)),
    attention: row.attention,
  };
  const words = seen.targets.filter((word) => !word.isEnd);
  showWords(words, wordProbabilities(words, row.token_log_probability));
  choices($("layer"), row.attention.length);
  choices($("head"), row.attention[0].length);
  $("details").hidden = words.length === 0;
  drawSeen();
}

function showWords(words, probabilities) {
  $("words").replaceChildren(
    ...words.flatMap((word, i) => {
      const shown = document.createElement("span");
      shown.className = `word${probabilities[i] < 0.4 ? " doubtful" : probabilities[i] < 0.7 ? " unsure" : ""}`;
      const share = document.createElement("small");
      share.textContent = `${Math.round(100 * probabilities[i])}%`;
      shown.append(word.text, share);
      return [shown, " "];
    }),
  );
}

/** Offers the numbers from 1, and the mean of all. The choice is kept if it still exists. */
function choices(select, count) {
  const chosen = select.value;
  const numbers = Array.from({ length: count }, (_, i) => new Option(i + 1, i));
  select.replaceChildren(new Option(text("mean"), ""), ...numbers);
  select.value = chosen !== "" && chosen < count ? chosen : "";
}

function drawSeen() {
  const chosen = (select) => (select.value === "" ? null : Number(select.value));
  const { attention, targets, sources } = seen;
  const weights = wordAttention(attention, chosen($("layer")), chosen($("head")), targets, sources);
  drawAttention($("links"), $("heatmap"), targets, sources, weights);
}

start();
