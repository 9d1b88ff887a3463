/**
 * The bytes of a body, passed on as they are asked for.
 *
 * @module
 */

/** What somebody wants to know of a body that passes. */
export interface BodyWatch {
  /** Called when it is over: read to its end, broken off or given up. */
  onOver?(): void;
  /** What is told in place of the error that it broke off with. */
  reasonOf?(error: unknown): unknown;
}

/** The same body, watched. Nothing is read of it before it is asked for. */
export function watchedBody<Bytes extends Uint8Array>(
  body: ReadableStream<Bytes>,
  { onOver, reasonOf = (error) => error }: BodyWatch,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        onOver?.();
        controller.close();
      } catch (error) {
        onOver?.();
        controller.error(reasonOf(error));
      }
    },
    async cancel(reason) {
      onOver?.();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
