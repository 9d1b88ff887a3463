/**
 * Words that were encoded before: natural text repeats few words very often.
 *
 * @module
 */

/** Words in the cache before it is cleared. */
const WORDS_MAX = 10_000;
/** Longest word in the cache, in UTF-16 units, so that the cache stays below a few MB. */
const WORD_LENGTH_MAX = 64;

/** Remembers the ids of short words. */
export class WordCache {
  readonly #known = new Map<string, readonly number[]>();

  /** The ids of a word; computed where they are not known. */
  get(word: string, compute: () => readonly number[]): readonly number[] {
    const known = this.#known.get(word);
    if (known !== undefined) return known;
    const ids = compute();
    if (word.length > WORD_LENGTH_MAX) return ids;
    if (this.#known.size >= WORDS_MAX) this.#known.clear();
    this.#known.set(word, ids);
    return ids;
  }
}
