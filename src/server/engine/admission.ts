/**
 * Who is answered now, and who waits.
 *
 * @module
 */
import { ApiError } from "../api_error.ts";

/** Seconds that a place in a full queue takes to become free, at least. */
const RETRY_SECONDS_MIN = 1;
const RETRY_SECONDS_MAX = 30;
/** Weight of the latest request in the estimate of how long one takes. */
const DURATION_WEIGHT = 1 / 8;

interface Waiting {
  enter(): void;
  signal?: AbortSignal;
}

/** First come, first served; so many at once, so many that wait, and no more. */
export class Admission {
  readonly #maxConcurrent: number;
  readonly #maxQueue: number;
  readonly #queue: Waiting[] = [];
  #running = 0;
  /** Of a request, in milliseconds. */
  #duration = 1000;

  constructor(maxConcurrent: number, maxQueue: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueue = maxQueue;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Waits for a place; what is returned gives it back.
   *
   * @throws {ApiError} 429 when the queue is full. The signal's reason when it fires.
   */
  async enter(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#running < this.#maxConcurrent && this.#queue.length === 0) return this.#begin();
    if (this.#queue.length >= this.#maxQueue) throw this.#full();
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const waiting: Waiting = { enter: () => resolve(this.#begin()), signal };
    const leave = () => {
      const at = this.#queue.indexOf(waiting);
      if (at >= 0) this.#queue.splice(at, 1);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", leave);
    this.#queue.push(waiting);
    return await promise.finally(() => signal?.removeEventListener("abort", leave));
  }

  #begin(): Disposable {
    this.#running++;
    const begin = performance.now();
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        this.#duration += DURATION_WEIGHT * (performance.now() - begin - this.#duration);
        this.#running--;
        this.#queue.shift()?.enter();
      },
    };
  }

  #full(): ApiError {
    const seconds = this.#duration / 1000 * this.#queue.length / this.#maxConcurrent;
    const retryAfter = Math.min(RETRY_SECONDS_MAX, Math.max(RETRY_SECONDS_MIN, Math.ceil(seconds)));
    return new ApiError(
      429,
      "rate_limit_error",
      `The server answers ${this.#running} requests and ${this.#queue.length} wait; try again in ${retryAfter} s.`,
      { code: "rate_limit_exceeded", retryAfter },
    );
  }
}
