// Draws attention between words: as lines, and as a heatmap. Both light up together.

import { text } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const LINE = 26; // pixels between words
const WEAKEST = 0.03; // weaker attention is not drawn as a line

/** Draws both pictures of weights[target][source]. */
export function drawAttention(links, heatmap, targets, sources, weights) {
  links.replaceChildren(drawLinks(targets, sources, weights));
  heatmap.replaceChildren(drawHeatmap(targets, sources, weights));
}

/** Makes words light up under the pointer or with the focus. */
export function lightUpIn(...pictures) {
  for (const picture of pictures) {
    for (const event of ["pointerover", "focusin"]) picture.addEventListener(event, lightUp);
    for (const event of ["pointerleave", "focusout"]) picture.addEventListener(event, lightDown);
  }
}

function drawLinks(targets, sources, weights) {
  const height = Math.max(targets.length, sources.length) * LINE;
  const left = columnWidth(sources);
  const width = left + 180 + columnWidth(targets);
  const picture = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": text("attention") });
  weights.forEach((row, target) =>
    row.forEach((weight, source) => {
      if (weight < WEAKEST) return;
      const [from, to] = [source * LINE + LINE / 2, target * LINE + LINE / 2];
      const path = `M${left + 4},${from} C${left + 90},${from} ${left + 90},${to} ${left + 176},${to}`;
      picture.append(element("path", { class: "link", d: path, "stroke-width": 1 + 5 * weight, "stroke-opacity": 0.15 + 0.85 * weight, "data-target": target, "data-source": source }));
    }),
  );
  sources.forEach((word, source) => picture.append(end(word.text, 0, source, left, "end", { source }, strongest(weights.map((row) => row[source]), targets))));
  targets.forEach((word, target) => picture.append(end(word.text, left + 180, target, width - left - 180, "start", { target }, strongest(weights[target], sources))));
  return picture;
}

function end(word, x, row, width, anchor, position, others) {
  const [kind] = Object.keys(position);
  const group = element("g", { class: "end", tabindex: 0, role: "img", "aria-label": text("attends")(word, others), [`data-${kind}`]: position[kind] });
  group.append(element("rect", { class: "box", x, y: row * LINE + 1, width, height: LINE - 2, rx: 5 }));
  const label = element("text", { x: anchor === "end" ? x + width - 6 : x + 6, y: row * LINE + LINE * 0.68, "text-anchor": anchor });
  label.textContent = word;
  group.append(label);
  return group;
}

function drawHeatmap(targets, sources, weights) {
  const left = columnWidth(targets);
  const top = Math.min(140, columnWidth(sources));
  const width = left + sources.length * LINE + 60;
  const height = top + targets.length * LINE + 4;
  const picture = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  sources.forEach((word, source) => {
    const [x, y] = [left + source * LINE + LINE * 0.65, top - 6];
    const label = element("text", { x, y, transform: `rotate(-50 ${x} ${y})` });
    label.textContent = word.text;
    picture.append(label);
  });
  targets.forEach((word, target) => {
    const label = element("text", { x: left - 8, y: top + target * LINE + LINE * 0.68, "text-anchor": "end" });
    label.textContent = word.text;
    picture.append(label);
    sources.forEach((other, source) => {
      const cell = element("rect", { class: "cell", x: left + source * LINE + 1, y: top + target * LINE + 1, width: LINE - 2, height: LINE - 2, rx: 3, "fill-opacity": Math.min(1, weights[target][source]), "data-target": target, "data-source": source });
      const title = element("title");
      title.textContent = `${word.text} → ${other.text}: ${Math.round(100 * weights[target][source])}%`;
      cell.append(title);
      picture.append(cell);
    });
  });
  picture.append(element("rect", { class: "frame", x: left, y: top, width: sources.length * LINE, height: targets.length * LINE }));
  return picture;
}

/** The words with the most weight, for screen readers. */
function strongest(weights, words) {
  return weights
    .map((weight, i) => [weight, words[i].text])
    .sort((a, b) => b[0] - a[0])
    .slice(0, 3)
    .map(([weight, word]) => `${word} ${Math.round(100 * weight)}%`)
    .join(", ");
}

/** Dims everything unrelated to the word under the pointer or with the focus. */
function lightUp(event) {
  const found = event.target.closest("[data-target], [data-source]");
  if (!found) return lightDown();
  const { target, source } = found.dataset;
  const fits = ({ dataset }) => (target === undefined || dataset.target === target) && (source === undefined || dataset.source === source);
  for (const one of document.querySelectorAll(".link, .cell")) one.classList.toggle("dim", !fits(one));
  for (const one of document.querySelectorAll(".end")) one.classList.toggle("lit", one.dataset.target === target && target !== undefined || one.dataset.source === source && source !== undefined);
}

function lightDown() {
  for (const one of document.querySelectorAll(".dim, .lit")) one.classList.remove("dim", "lit");
}

function columnWidth(words) {
  // Letters of East Asian scripts are twice as wide as others.
  const length = (word) => [...word.text].reduce((sum, letter) => sum + (letter > "\u2e80" ? 15 : 8.5), 0);
  return Math.max(40, ...words.map(length)) + 16;
}

function element(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
