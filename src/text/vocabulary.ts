/**
 * Tokens and their ids.
 *
 * @module
 */

import { Utf8Buffer } from "../core/utf8.ts";

/** Bytes of a token for which there is room at first; in English vocabularies they have 7 on average. */
const TOKEN_BYTES = 8;

/**
 * The tokens of a model as its tokenizer writes them, e.g. `Ġthe`, by text and by id.
 *
 * They lie as UTF-8 one after another in one array, found by a hash table of numbers: about 35 bytes a token. As strings in a `Map`
 * they take twice that, and, made between garbage while a file is parsed, leave V8's heap several times as large.
 */
export class Vocabulary {
  /** All tokens, in the order in which they came. */
  readonly #texts: Utf8Buffer;
  /** [count + 1] where the bytes of each token begin. */
  #begins: Int32Array;
  /** [count] */
  #ids: Int32Array;
  /** [ids] the token of each id, plus 1; 0 for unused ids. */
  #tokenOf: Int32Array;
  /** Open addressing with linear probing; token + 1, or 0 for a free slot. At least half are free. */
  #slots: Int32Array;
  /** Differs from one vocabulary to the next, so that no file can be made whose tokens all have one slot. */
  readonly #seed = Math.random() * 2 ** 32 | 0;
  readonly #wanted = new Utf8Buffer(64);
  #count = 0;
  #size = 0;
  #longest = 0;

  /** @param capacity Tokens that are about to come; more may. */
  constructor(capacity: number) {
    const most = Math.max(capacity, 1);
    this.#texts = new Utf8Buffer(most * TOKEN_BYTES);
    this.#begins = new Int32Array(most + 1);
    this.#ids = new Int32Array(most);
    this.#tokenOf = new Int32Array(most);
    this.#slots = new Int32Array(slotsFor(most));
  }

  /** Of tokens with their ids. Of a text or an id that comes twice the last one counts. */
  static of(tokens: Iterable<readonly [text: string, id: number]>, capacity = 0): Vocabulary {
    const vocabulary = new Vocabulary(capacity);
    for (const [text, id] of tokens) vocabulary.set(text, id);
    return vocabulary;
  }

  /** Different texts. */
  get count(): number {
    return this.#count;
  }

  /** One more than the highest id; 0 without tokens. */
  get size(): number {
    return this.#size;
  }

  /** The id of a token. */
  idOf(text: string): number | undefined {
    // UTF-8 is never shorter than UTF-16.
    if (text.length > this.#longest) return undefined;
    const wanted = this.#wanted;
    wanted.length = 0;
    wanted.append(text);
    return this.idOfBytes(wanted.bytes, 0, wanted.length);
  }

  /** The id of a token that lies as UTF-8 in an array. */
  idOfBytes(bytes: Uint8Array, begin: number, end: number): number | undefined {
    const token = this.#slots[this.#slotOf(bytes, begin, end)] - 1;
    return token < 0 ? undefined : this.#ids[token];
  }

  /** The token of an id; an empty text for an unused one. */
  textOf(id: number): string {
    const token = (this.#tokenOf[id] ?? 0) - 1;
    if (token < 0) return "";
    return this.#texts.toString(this.#begins[token], this.#begins[token + 1]);
  }

  /** Gives a token its id; another text that had the id keeps it, but is not its text any more. */
  set(text: string, id: number): void {
    const bytes = new Utf8Buffer(3 * text.length);
    bytes.append(text);
    this.setBytes(bytes, id);
  }

  /** As {@linkcode set}, of UTF-8. Whether the text is new. */
  setBytes({ bytes, length }: Utf8Buffer, id: number): boolean {
    const slot = this.#slotOf(bytes, 0, length);
    const isNew = this.#slots[slot] === 0;
    const token = isNew ? this.#count : this.#slots[slot] - 1;
    if (isNew) {
      this.#append(bytes, length);
      this.#slots[slot] = this.#count;
      if (this.#slots.length < 2 * this.#count) this.#enlargeSlots();
    }
    this.#ids[token] = id;
    this.#tokenOf = enlarged(this.#tokenOf, id + 1);
    this.#tokenOf[id] = token + 1;
    this.#size = Math.max(this.#size, id + 1);
    return isNew;
  }

  #append(bytes: Uint8Array, length: number): void {
    const texts = this.#texts;
    texts.reserve(length);
    for (let i = 0; i < length; i++) texts.bytes[texts.length + i] = bytes[i];
    texts.length += length;
    this.#count++;
    this.#begins = enlarged(this.#begins, this.#count + 1);
    this.#begins[this.#count] = texts.length;
    this.#ids = enlarged(this.#ids, this.#count);
    this.#longest = Math.max(this.#longest, length);
  }

  #enlargeSlots(): void {
    this.#slots = new Int32Array(2 * this.#slots.length);
    for (let token = 0; token < this.#count; token++) {
      const slot = this.#slotOf(this.#texts.bytes, this.#begins[token], this.#begins[token + 1]);
      this.#slots[slot] = token + 1;
    }
  }

  /** The slot that holds a token, or the free one where it belongs. */
  #slotOf(bytes: Uint8Array, begin: number, end: number): number {
    const slots = this.#slots, begins = this.#begins, texts = this.#texts.bytes;
    const mask = slots.length - 1, length = end - begin;
    let hash = this.#seed;
    for (let i = begin; i < end; i++) {
      hash = Math.imul(hash ^ bytes[i], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = begins[slots[slot] - 1];
      if (begins[slots[slot]] - at !== length) continue;
      let same = 0;
      while (same < length && texts[at + same] === bytes[begin + same]) same++;
      if (same === length) break;
    }
    return slot;
  }
}

/** A power of two, twice as many as tokens or more. */
function slotsFor(tokens: number): number {
  let size = 2;
  while (size < 2 * tokens) size *= 2;
  return size;
}

/** The array, or a copy of at least twice its length where it is too short. */
function enlarged(array: Int32Array, length: number): Int32Array {
  if (length <= array.length) return array;
  const copy = new Int32Array(Math.max(length, 2 * array.length));
  copy.set(array);
  return copy;
}
