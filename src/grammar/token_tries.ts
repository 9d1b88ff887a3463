/**
 * A vocabulary as tries of bytes, for finding the tokens that a grammar allows.
 *
 * @module
 */
import type { Tokenizer } from "../text/tokenizer.ts";
import { byteRange, type ByteSet, joinBytes } from "./byte_set.ts";
import { type CharacterSet, otherCharacters } from "./characters.ts";

/** What a grammar must know of a tokenizer. */
export type TokenBytes = Pick<Tokenizer, "vocabSize" | "tokenBytes" | "isSpecial">;

/** Tokens of more characters are not counted as plain: they would make every plain text be looked ahead as far. */
const PLAIN_CHARACTERS_MAX = 32;

/** A byte that no text in UTF-8 has; it begins what stands for a special token. */
const SPECIAL_MARK = 0xff;

/** The characters that stand for themselves within a JSON string. */
export const PLAIN_CHARACTERS: CharacterSet = otherCharacters([[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c], [
  0x7f,
  0x7f,
]]);

/** The bytes that stand for a special token in a grammar. */
export function specialBytes(id: number): number[] {
  return [SPECIAL_MARK, id >> 14 & 0x7f, id >> 7 & 0x7f, id & 0x7f];
}

/** A trie whose nodes lie in the order of a walk that goes down first. */
export interface TokenTrie {
  /** The last byte of each node. */
  readonly bytes: Uint8Array;
  /** Bytes before it. */
  readonly depths: Uint16Array;
  /** The node after those below. */
  readonly ends: Int32Array;
  /** Where the tokens of a node begin in `ids`; the next node's begin where they end. */
  readonly firsts: Int32Array;
  readonly ids: Int32Array;
  readonly depthMax: number;
}

/** The tokens of a model by their bytes. Tokens without bytes are in none of the tries: nothing asks for them. */
export class TokenTries {
  readonly size: number;
  /** Tokens that consist of whole plain characters. */
  readonly plain: TokenTrie;
  /** Masks of these: those of at most so many characters, up to the longest. */
  readonly plainMasks: readonly Uint32Array[];
  /** All others; special tokens by their `specialBytes`. */
  readonly rest: TokenTrie;
  /** Bytes that are a token by themselves. */
  readonly alphabet: ByteSet;
  readonly #bytes: readonly ArrayLike<number>[];

  constructor(tokens: TokenBytes) {
    this.size = tokens.vocabSize;
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    // deno-lint-ignore no-control-regex -- the control characters are what must not be there
    const isPlain = (text: string) => !/[\x00-\x1f"\\\x7f]/.test(text);
    const all: ArrayLike<number>[] = [], rest: number[] = [];
    const plain: { id: number; length: number }[] = [];
    let alphabet: ByteSet = new Uint32Array(8);
    for (let id = 0; id < tokens.vocabSize; id++) {
      const bytes = tokens.isSpecial(id) ? specialBytes(id) : tokens.tokenBytes(id);
      all.push(bytes);
      if (bytes.length === 0) continue;
      if (bytes.length === 1) alphabet = joinBytes(alphabet, byteRange(bytes[0]));
      const text = tokens.isSpecial(id) ? undefined : decoded(decoder, bytes as Uint8Array);
      const length = text === undefined || !isPlain(text) ? Infinity : [...text].length;
      if (length > PLAIN_CHARACTERS_MAX) rest.push(id);
      else plain.push({ id, length });
    }
    this.#bytes = all;
    this.alphabet = alphabet;
    this.plain = buildTrie(plain.map(({ id }) => id), all);
    this.rest = buildTrie(rest, all);
    const longest = plain.reduce((most, { length }) => Math.max(most, length), 0);
    this.plainMasks = Array.from({ length: longest + 1 }, (_, characters) => {
      const mask = new Uint32Array(this.maskWords);
      for (const { id, length } of plain) if (length <= characters) mask[id >> 5] |= 1 << (id & 31);
      return mask;
    });
  }

  /** Words of a mask: a bit for each token. */
  get maskWords(): number {
    return (this.size + 31) >> 5;
  }

  /** Bytes of the longest token. */
  get bytesMax(): number {
    return Math.max(this.plain.depthMax, this.rest.depthMax);
  }

  /** The bytes that a token is to a grammar. */
  bytesOf(id: number): ArrayLike<number> {
    return this.#bytes[id];
  }
}

function decoded(decoder: TextDecoder, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function compareBytes(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

function buildTrie(tokens: readonly number[], bytesOf: readonly ArrayLike<number>[]): TokenTrie {
  const sorted = tokens.toSorted((a, b) => compareBytes(bytesOf[a], bytesOf[b]) || a - b);
  const bytes: number[] = [], depths: number[] = [], firsts: number[] = [], ids: number[] = [];
  const ends: number[] = [];
  const path: number[] = [];
  let before: ArrayLike<number> = [];
  const close = (depth: number) => {
    while (path.length > depth) ends[path.pop()!] = bytes.length;
  };
  for (const id of sorted) {
    const text = bytesOf[id];
    let shared = 0;
    while (shared < before.length && shared < text.length && before[shared] === text[shared]) shared++;
    close(shared);
    for (let depth = shared; depth < text.length; depth++) {
      path.push(bytes.length);
      bytes.push(text[depth]);
      depths.push(depth);
      firsts.push(ids.length);
    }
    ids.push(id);
    before = text;
  }
  close(0);
  firsts.push(ids.length);
  return {
    bytes: Uint8Array.from(bytes),
    depths: Uint16Array.from(depths),
    ends: Int32Array.from(ends),
    firsts: Int32Array.from(firsts),
    ids: Int32Array.from(ids),
    depthMax: depths.reduce((most, depth) => Math.max(most, depth + 1), 0),
  };
}
