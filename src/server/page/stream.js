/**
 * Chat completions from the server, piece by piece.
 *
 * @module
 */

/** What the server refused, or that it could not be reached. */
export class RequestFailed extends Error {}

/**
 * Asks, and yields chunks of the answer. A server with a budget is asked again until the answer is whole.
 *
 * @param {Record<string, unknown>} body
 * @param {{ key: string, signal: AbortSignal }} options
 */
export async function* streamChat(body, options) {
  let state;
  do {
    const piece = streamPiece({ ...body, remora_state: state }, options);
    state = undefined;
    for await (const chunk of piece) {
      state = chunk.remora?.state ?? state;
      // Where a piece ends the answer does not.
      if (state === undefined) yield chunk;
    }
  } while (state !== undefined);
}

/** What one request gives. */
async function* streamPiece(body, { key, signal }) {
  const response = await send(body, key, signal);
  let rest = "";
  try {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      rest += text;
      const events = rest.split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const data = event.replace(/^data: /, "");
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new RequestFailed(chunk.error.message);
        yield chunk;
      }
    }
  } catch (error) {
    if (error instanceof RequestFailed || signal.aborted) throw error;
    throw new RequestFailed("The connection broke off.");
  }
  throw new RequestFailed("The answer broke off.");
}

/** @returns {Promise<Response>} */
async function send(body, key, signal) {
  const headers = { "content-type": "application/json" };
  if (key !== "") headers.authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new RequestFailed("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const found = await response.json().catch(() => undefined);
  throw new RequestFailed(found?.error?.message ?? `The server answers with status ${response.status}.`);
}

/**
 * The models that the server has.
 *
 * @param {string} key
 * @returns {Promise<{ id: string, vision: boolean }[]>}
 */
export async function listModels(key) {
  const response = await fetch(
    "/v1/models",
    key === "" ? {} : { headers: { authorization: `Bearer ${key}` } },
  );
  const found = await response.json();
  if (!response.ok) throw new RequestFailed(found.error.message);
  return found.data;
}
