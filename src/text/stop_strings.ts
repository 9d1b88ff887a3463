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
  /** The stop string that ended it. */
  matched?: string;
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
  #matched?: string;

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

  /** Takes the next piece; after a stop nothing comes out any more. */
  push(piece: string): StopResult {
    if (this.#matched !== undefined) return { text: "", stopped: true, matched: this.#matched };
    const text = this.#held + piece;
    const first = this.#firstMatch(text);
    if (first !== undefined) {
      this.#held = "";
      this.#matched = first.stop;
      return { text: text.slice(0, first.begin), stopped: true, matched: first.stop };
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

  #firstMatch(text: string): { stop: string; begin: number } | undefined {
    let first: { stop: string; begin: number } | undefined;
    let firstEnd = Infinity;
    for (const stop of this.#stops) {
      const begin = text.indexOf(stop);
      const end = begin + stop.length;
      if (begin < 0 || end > firstEnd || (end === firstEnd && begin > first!.begin)) continue;
      first = { stop, begin };
      firstEnd = end;
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
