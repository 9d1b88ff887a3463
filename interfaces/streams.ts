/**
 * Answers as streams.
 *
 * @module
 */

/**
 * A stream of what a generator gives; its cancellation ends the generator, also in the middle of a step.
 *
 * @param make Begins it; the signal fires when the reader leaves or the caller's own one fires.
 */
export function streamOf<Part>(
  make: (signal: AbortSignal) => AsyncGenerator<Part, void, void>,
  given: AbortSignal | undefined,
  options?: QueuingStrategy<Part>,
): ReadableStream<Part> {
  const gone = new AbortController();
  const parts = make(AbortSignal.any([gone.signal, ...given ? [given] : []]));
  return new ReadableStream<Part>({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      gone.abort(reason);
      await parts.return();
    },
  }, options);
}
