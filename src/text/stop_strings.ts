/**
 * Ending an answer at the first of some given texts.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";

/** Text that may be shown, and whether the answer ended. */
export interface StopResult {
  text: string;
  stopped: boolean;
}

/**
 * Lets text through up to the first stop string and holds back what may yet become one.
 *
 * First is the one whose last character comes first; of several that end there the longest, which begins
 * first. So the outcome does not depend on how the text was cut into pieces. The stop string itself is never
 * released, nor any part of it.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";
  #hasStopped = false;
  #found?: string;

  /** @throws {RemoraError} `BAD_ARGUMENT` for a stop string that is empty or no string. */
  constructor(stops: readonly string[]) {
    for (const stop of stops) {
      if (typeof stop === "string" && stop !== "") continue;
      throw new RemoraError("BAD_ARGUMENT", "Cannot stop at this string", {
        expected: "stop to hold texts that are not empty",
        found: JSON.stringify(stop) ?? String(stop),
      });
    }
    this.#stops = [...stops];
  }

  /** The stop string that ended the answer. */
  get found(): string | undefined {
    return this.#found;
  }

  /** Takes the next piece; after a stop nothing comes out any more. */
  push(piece: string): StopResult {
    if (this.#hasStopped) return { text: "", stopped: true };
    const text = this.#held + piece;
    const begin = this.#firstMatch(text);
    if (begin !== undefined) {
      this.#held = "";
      this.#hasStopped = true;
      return { text: text.slice(0, begin), stopped: true };
    }
    const end = text.length - this.#heldLength(text);
    this.#held = text.slice(end);
    return { text: text.slice(0, end), stopped: false };
  }

  /** At the end of the answer: the text held back, as no stop string came of it. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Where the first stop string begins. */
  #firstMatch(text: string): number | undefined {
    let first: number | undefined;
    let firstEnd = Infinity;
    for (const stop of this.#stops) {
      const begin = text.indexOf(stop);
      const end = begin + stop.length;
      if (begin < 0 || end > firstEnd || (end === firstEnd && begin > first!)) continue;
      first = begin;
      firstEnd = end;
      this.#found = stop;
    }
    return first;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #heldLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
