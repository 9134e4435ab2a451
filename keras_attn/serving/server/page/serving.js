// TensorFlow Serving's REST interface, and nothing else.

// ?server=http://host:8501 asks a server other than the one that served this page.
const server = new URLSearchParams(location.search).get("server") ?? "";

/**
 * Sends lines to a signature.
 *
 * Returns one object for each line, with the outputs of the signature by name.
 */
export async function predict(model, signature, lines, signal) {
  const response = await fetch(`${server}/v1/models/${encodeURIComponent(model)}:predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ signature_name: signature, instances: lines.map((text) => ({ text })) }),
    signal,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer.predictions;
}
