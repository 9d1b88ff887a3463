/**
 * Clients that go away before they have their answer.
 *
 * @module
 */

/**
 * A signal that fires when the client goes away. Before the first byte the request's own signal says so; while a stream is sent, the
 * cancellation of its body does, for which the caller calls `stop`.
 */
export function untilGone(request: Request): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const stop = () => controller.abort(new DOMException("The client went away.", "AbortError"));
  if (request.signal.aborted) stop();
  else request.signal.addEventListener("abort", stop, { once: true, signal: controller.signal });
  return { signal: controller.signal, stop };
}
