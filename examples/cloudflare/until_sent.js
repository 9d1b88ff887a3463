/**
 * An answer whose request lives on until it is sent, or until it has noticed that its client went away. workerd stops whatever belongs
 * to a request as soon as its client is gone: code that holds the model then, or waits for it, would never let it go.
 */
export async function untilSent(answering, context) {
  context.waitUntil(answering.catch(() => {}));
  const response = await answering;
  if (!response.body) return response;
  const { readable, writable } = new TransformStream();
  context.waitUntil(send(response.body.getReader(), writable.getWriter()));
  return new Response(readable, response);
}

/** Not `pipeTo`: workerd's may be done before the body's `cancel` is, and with it the request that `cancel` belongs to. */
async function send(reader, writer) {
  try {
    for (
      let piece = await reader.read();
      !piece.done;
      piece = await reader.read()
    ) await writer.write(piece.value);
    await writer.close();
  } catch (error) {
    // Whichever side failed, the other is told: an answer without an end would keep its client waiting.
    await reader.cancel(error).catch(() => {});
    await writer.abort(error).catch(() => {});
  }
}
