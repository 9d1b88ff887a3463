/**
 * An answer whose request lives on until it is sent, or until it has noticed that its client went away. workerd stops whatever belongs
 * to a request as soon as its client is gone: code that holds the model then, or waits for it, would never let it go.
 */
export async function untilSent(answering, context) {
  context.waitUntil(answering.catch(() => {}));
  const response = await answering;
  if (!response.body) return response;
  const { readable, writable } = new TransformStream();
  context.waitUntil(response.body.pipeTo(writable).catch(() => {}));
  return new Response(readable, response);
}
