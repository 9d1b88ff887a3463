/**
 * Signals of the operating system as an AbortSignal.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that the program can answer. */
export type SignalName = keyof typeof EXIT_CODES;

/** Why something was aborted: the user, or the system, asked for it. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** 128 + the signal's number, as shells have it. */
  readonly exitCode: number;

  constructor(readonly signalName: SignalName) {
    super(`interrupted by ${signalName}`);
    this.exitCode = EXIT_CODES[signalName];
  }
}

/** Aborts at the first of the given signals; listens until disposed. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners: [SignalName, () => void][];

  constructor(...names: SignalName[]) {
    // Windows has no SIGTERM to listen to.
    const known = names.filter((name) => name === "SIGINT" || process.platform !== "win32");
    this.#listeners = known.map((name) => [name, () => this.#controller.abort(new Interrupted(name))]);
    for (const [name, listener] of this.#listeners) process.on(name, listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }
}

/** Resolves after the host has handled events that were pending, as between two tokens of an answer. */
export function letEventsIn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
