/**
 * Byte-pair encoding: from a word to token ids.
 *
 * @module
 */
import { WordCache } from "./word_cache.ts";

/** Merges a tokenizer may have: keys of the queue stay exact doubles. The largest known have about half a million. */
export const MERGES_MAX = 1 << 21;
/** Characters whose ids are at hand before they are cleared: all of a byte-level vocabulary, the usual ones of any script. */
const CHARACTERS_MAX = 4_096;
const POSITIONS = 2 ** 32;
const CONSUMED = -1;

/** What differs between byte-pair models; `undefined` stands for absent. */
export interface BytePairOptions {
  /** Id of a character outside of the vocabulary; without it such a character is dropped. */
  unknownId?: number;
  /** One unknown token for a run of unknown characters. */
  fuseUnknown: boolean;
  /** Ids of the `<0xNN>` tokens that spell characters outside of the vocabulary, as far as they are there. */
  byteIds?: readonly (number | undefined)[];
  /** A word that is a token is that token, whatever the merges say. */
  ignoreMerges: boolean;
}

/**
 * Applies merges in the order of their rank, leftmost first, as the `tokenizers` library does.
 *
 * Merges lie in a flat hash table (12 bytes per merge plus 8 to 16 of table) instead of a Map with strings for
 * keys, which takes several times as much: Llama 3 has 280,000 merges. A word of n characters costs
 * O(n log n).
 */
export class BytePairEncoder {
  readonly #idOf: (token: string) => number | undefined;
  readonly #options: BytePairOptions;
  /** [3 · merges]: left, right and merged id of each rank. */
  readonly #merges: Int32Array;
  /** Open addressing with linear probing; rank + 1, or 0 for a free slot. */
  readonly #slots: Int32Array;
  readonly #cache = new WordCache();
  readonly #characterIds = new Map<string, number>();

  /**
   * @param idOf Id of a token that text may become.
   * @param merges [3 · count] left, right and merged id of each rank; kept, not copied.
   */
  constructor(idOf: (token: string) => number | undefined, merges: Int32Array, options: BytePairOptions) {
    this.#idOf = idOf;
    this.#options = options;
    this.#merges = merges;
    let size = 2;
    while (size < merges.length / 3 * 2) size *= 2;
    this.#slots = new Int32Array(size);
    for (let rank = 0; rank < merges.length / 3; rank++) {
      // A pair named twice counts as its last mention, as in the reference implementation.
      this.#slots[this.#slotOf(merges[3 * rank], merges[3 * rank + 1])] = rank + 1;
    }
  }

  /** Appends the ids of one word to `ids`. */
  encode(word: string, ids: number[]): void {
    for (const id of this.#cache.get(word, () => this.#encodeAfresh(word))) ids.push(id);
  }

  #encodeAfresh(word: string): number[] {
    if (this.#options.ignoreMerges) {
      const id = this.#idOf(word);
      if (id !== undefined) return [id];
    }
    return this.#merge(this.#characters(word));
  }

  /**
   * The ids that a word starts from, one or more per character. A character outside of the vocabulary falls back to its bytes only if
   * all of them have ids. An unknown token waits for the next character that is no fallback, so bytes that follow come before it: the
   * reference has it so (tokenizers, models/bpe/model.rs, `merge_word`).
   */
  #characters(word: string): number[] {
    const { unknownId, fuseUnknown } = this.#options;
    const symbols: number[] = [];
    let isUnknownPending = false;
    for (const character of word) {
      const id = this.#idOfCharacter(character);
      const bytes = id === undefined ? this.#bytesOf(character) : undefined;
      if (bytes) {
        symbols.push(...bytes);
        continue;
      }
      if (id === undefined && unknownId === undefined) continue;
      if (isUnknownPending && !(id === undefined && fuseUnknown)) symbols.push(unknownId!);
      isUnknownPending = id === undefined;
      if (id !== undefined) symbols.push(id);
    }
    if (isUnknownPending) symbols.push(unknownId!);
    return symbols;
  }

  #idOfCharacter(character: string): number | undefined {
    const known = this.#characterIds.get(character);
    if (known !== undefined) return known;
    const id = this.#idOf(character);
    if (id === undefined) return undefined;
    if (this.#characterIds.size >= CHARACTERS_MAX) this.#characterIds.clear();
    this.#characterIds.set(character, id);
    return id;
  }

  #bytesOf(character: string): number[] | undefined {
    const { byteIds } = this.#options;
    if (!byteIds) return undefined;
    const ids = Array.from(new TextEncoder().encode(character), (byte) => byteIds[byte]);
    return ids.every((id) => id !== undefined) ? ids : undefined;
  }

  /** Merges in place over a linked list of the symbols still standing. */
  #merge(symbols: number[]): number[] {
    const count = symbols.length;
    if (count < 2) return symbols;
    const next = Int32Array.from(symbols, (_, i) => i + 1);
    const previous = Int32Array.from(symbols, (_, i) => i - 1);
    // A key is rank · 2^32 + position: the smallest key is the merge to do next.
    const queue: number[] = [];
    const offer = (position: number) => {
      if (position < 0 || next[position] >= count) return;
      const rank = this.#rankOf(symbols[position], symbols[next[position]]);
      if (rank >= 0) pushKey(queue, rank * POSITIONS + position);
    };
    for (let i = 0; i < count; i++) offer(i);
    while (queue.length > 0) {
      const key = popKey(queue);
      const position = key % POSITIONS;
      const rank = (key - position) / POSITIONS;
      const right = next[position];
      // Stale: one of the two was merged with another neighbour since.
      if (symbols[position] === CONSUMED || right >= count) continue;
      if (this.#rankOf(symbols[position], symbols[right]) !== rank) continue;
      symbols[position] = this.#merges[3 * rank + 2];
      symbols[right] = CONSUMED;
      next[position] = next[right];
      if (next[position] < count) previous[next[position]] = position;
      offer(previous[position]);
      offer(position);
    }
    return symbols.filter((id) => id !== CONSUMED);
  }

  #rankOf(left: number, right: number): number {
    return this.#slots[this.#slotOf(left, right)] - 1;
  }

  /** The slot that holds a pair, or the free one where it belongs. */
  #slotOf(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    while (this.#slots[slot] !== 0) {
      const at = 3 * (this.#slots[slot] - 1);
      if (this.#merges[at] === left && this.#merges[at + 1] === right) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}

/** Adds a key to a binary heap with the smallest on top. */
function pushKey(heap: number[], key: number): void {
  let child = heap.length;
  heap.push(key);
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (heap[parent] <= key) break;
    heap[child] = heap[parent];
    child = parent;
  }
  heap[child] = key;
}

/** Takes the smallest key off a non-empty heap. */
function popKey(heap: number[]): number {
  const smallest = heap[0];
  const key = heap.pop()!;
  const size = heap.length;
  if (size === 0) return smallest;
  let parent = 0;
  for (let child = 1; child < size; child = 2 * parent + 1) {
    if (child + 1 < size && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= key) break;
    heap[parent] = heap[child];
    parent = child;
  }
  heap[parent] = key;
  return smallest;
}
