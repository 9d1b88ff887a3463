/**
 * When to ask a server again that did not answer, and when to give up.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";

/** Attempts without a byte of progress; with the waits between them a minute passes. */
const ATTEMPTS_MAX = 7;
/** Milliseconds before the second attempt; twice as many before each further one. */
const FIRST_WAIT = 1_000;
const WAIT_MAX = 30_000;
/** Failures in a row from which a wait is told of: a single one is over in a second. */
const TOLD_FROM = 2;
/** Milliseconds that a server may ask for (Retry-After); whoever is told to come back later than that is told so instead. */
const ASKED_WAIT_MAX = 300_000;

/** A failure that may pass: of the connection, of a server that is busy. */
export class TransientFailure extends Error {
  /** @param wait Milliseconds that the server asks to wait. */
  constructor(message: string, readonly wait = 0) {
    super(message);
  }
}

/** The attempts at one thing. */
export class Retries {
  readonly #what: string;
  readonly #firstWait: number;
  readonly #signal?: AbortSignal;
  readonly #onWait?: (text: string) => void;
  #failures = 0;

  /**
   * @param what What is fetched, for messages.
   * @param options.onWait Told in one line why nothing comes.
   */
  constructor(
    what: string,
    { firstWait = FIRST_WAIT, signal, onWait }: {
      firstWait?: number;
      signal?: AbortSignal;
      onWait?: (text: string) => void;
    },
  ) {
    this.#what = what;
    this.#firstWait = firstWait;
    this.#signal = signal;
    this.#onWait = onWait;
  }

  /** Something came: what failed before does not count. */
  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * Waits until it may be tried again.
   *
   * @throws The failure, when it is none that passes. {@linkcode RemoraError} FILE_NOT_FOUND after too many, or when the server asks for
   * too long a wait. The signal's reason when it fires.
   */
  async afterFailure(failure: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!(failure instanceof TransientFailure)) throw failure;
    this.#failures++;
    if (this.#failures >= ATTEMPTS_MAX) {
      throw this.#refusal(`${failure.message}, ${ATTEMPTS_MAX} times`, failure);
    }
    if (failure.wait > ASKED_WAIT_MAX) {
      throw this.#refusal(
        `${failure.message}, to be asked again in ${Math.ceil(failure.wait / 60_000)} minutes`,
        failure,
      );
    }
    const own = Math.min(WAIT_MAX, this.#firstWait * 2 ** (this.#failures - 1));
    const wait = Math.max(own, failure.wait);
    if (this.#failures >= TOLD_FROM) {
      this.#onWait?.(`${this.#what}: ${failure.message}; asked again in ${Math.ceil(wait / 1_000)} s`);
    }
    await pause(wait, this.#signal);
  }

  #refusal(found: string, cause: unknown): RemoraError {
    return new RemoraError("FILE_NOT_FOUND", "Cannot fetch", {
      file: this.#what,
      expected: "an answer",
      found,
      cause,
    });
  }
}

/**
 * Milliseconds that a Retry-After header asks for: a number of seconds or a date.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#field.retry-after | RFC 9110}
 */
export function readRetryAfter(text: string | null, now: number): number {
  if (text === null) return 0;
  if (/^\d+$/.test(text.trim())) return Number(text) * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

/** @throws The signal's reason when it fires. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      settle();
    };
    const abort = () => done(() => reject(signal!.reason));
    const timer = setTimeout(() => done(resolve), milliseconds);
    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort);
  });
}
