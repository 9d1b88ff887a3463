/**
 * Turns at something that one may use at a time.
 *
 * @module
 */

/** First come, first served. */
export class Turns {
  /** Settles when everybody who came so far is done; never rejects. */
  #last: Promise<void> = Promise.resolve();

  /**
   * Runs `work` when all who came before are done. Whoever holds a turn must not wait for another of the same kind.
   *
   * @throws What `work` throws; the signal's reason when it fires before the turn comes: whoever waits gives up the place.
   *
   * @example Two pieces of work never overlap
   * ```ts
   * import { Turns } from "./turns.ts";
   *
   * const turns = new Turns();
   * let isRunning = false;
   * async function work() {
   *   if (isRunning) throw new Error("another piece is running");
   *   isRunning = true;
   *   await new Promise((resolve) => setTimeout(resolve, 1));
   *   isRunning = false;
   * }
   * await Promise.all([turns.take(work), turns.take(work)]);
   * ```
   */
  async take<T>(work: () => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    const before = this.#last;
    const { promise: done, resolve: leave } = Promise.withResolvers<void>();
    this.#last = before.then(() => done);
    try {
      await untilAborted(before, signal);
      return await work();
    } finally {
      leave();
    }
  }
}

/** Waits for the promise, or throws the signal's reason as soon as it fires. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
