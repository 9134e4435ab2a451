// Joins pieces into words, and turns the values of pieces into values of words.

const SPACE = "\u2581"; // how SentencePiece writes a blank
const END = "</s>";

/**
 * Groups pieces into words.
 *
 * Returns a list of {text, members, isEnd}, where members are positions of pieces. If no piece has the mark
 * of a blank, as with characters, each piece is a word of its own. The end token is also a word.
 */
export function groupPieces(pieces) {
  const hasBlanks = pieces.some((piece) => piece.startsWith(SPACE));
  const words = [];
  pieces.forEach((piece, position) => {
    if (piece === END) {
      words.push({ text: "\u23ce", members: [position], isEnd: true });
      return;
    }
    const text = piece.replaceAll(SPACE, " ").trim();
    const last = words.at(-1);
    if (last && hasBlanks && !piece.startsWith(SPACE)) {
      last.text += text;
      last.members.push(position);
    } else {
      words.push({ text, members: [position] });
    }
  });
  return words.filter((word) => word.text !== "");
}

/** The probability of each word: the product of its pieces' probabilities. */
export function wordProbabilities(words, logProbabilities) {
  return words.map((word) => Math.exp(word.members.reduce((sum, i) => sum + logProbabilities[i], 0)));
}

/**
 * Attention between words, of one layer and head or the mean of all (null).
 *
 * attention is (layers, heads, target pieces, source pieces). The attention of a word to another is the sum
 * over the other's pieces and the mean over its own.
 */
export function wordAttention(attention, layer, head, targets, sources) {
  const layers = layer === null ? attention : [attention[layer]];
  const maps = layers.flatMap((heads) => (head === null ? heads : [heads[head]]));
  const at = (target, source) => maps.reduce((sum, map) => sum + map[target][source], 0) / maps.length;
  return targets.map((target) =>
    sources.map((source) => {
      let sum = 0;
      for (const i of target.members) for (const j of source.members) sum += at(i, j);
      return sum / target.members.length;
    }),
  );
}
