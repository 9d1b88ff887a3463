/**
 * Turns at something that only one caller may use at a time.
 *
 * @module
 */

/** First come, first served. */
export class Turns {
  /** Settles when all callers so far are done; never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** Callers that are here or wait. */
  #callers = 0;

  /**
   * Runs `work` when all callers before are done. `work` must not take another turn of the same object: it would wait for itself.
   *
   * @throws What `work` throws; the signal's reason when it fires before the turn comes: then the caller loses its place.
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
    this.#callers++;
    try {
      // Nobody is before a first caller, who begins at once.
      if (this.#callers > 1) await untilAborted(before, signal);
      else signal?.throwIfAborted();
      return await work();
    } finally {
      this.#callers--;
      leave();
    }
  }

  /**
   * A turn that lasts until it is disposed.
   *
   * @throws The signal's reason when it fires before the turn comes.
   */
  async enter(signal?: AbortSignal): Promise<Disposable> {
    const entered = Promise.withResolvers<void>(), left = Promise.withResolvers<void>();
    const stay = () => {
      entered.resolve();
      return left.promise;
    };
    this.take(stay, signal).catch(entered.reject);
    await entered.promise;
    return { [Symbol.dispose]: left.resolve };
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
