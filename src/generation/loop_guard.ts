/**
 * Answers that say the same over and over.
 *
 * @module
 */

/** Tokens of the longest stretch whose repetitions are noticed: about a paragraph. */
const PERIOD_MAX = 128;
/** Times that a stretch comes in a row, and tokens that they have together: tables and rulers of real answers stay below. */
const TIMES_MIN = 8, TOKENS_MIN = 256;

/** Watches for an end that is one stretch of tokens, again and again; choosing the likeliest token it would go on for ever. */
export class LoopGuard {
  readonly #ids: number[] = [];
  /** [period]: how many of the last tokens equal the ones that many before them. */
  readonly #repeated = new Int32Array(PERIOD_MAX + 1);

  /** Takes the next token, and says whether the answer goes round in circles. */
  push(id: number): boolean {
    const place = this.#ids.push(id) - 1;
    let isLoop = false;
    for (let period = 1; period <= Math.min(PERIOD_MAX, place); period++) {
      const count = this.#ids[place - period] === id ? this.#repeated[period] + 1 : 0;
      this.#repeated[period] = count;
      isLoop ||= count + period >= Math.max(TOKENS_MIN, TIMES_MIN * period);
    }
    return isLoop;
  }
}
