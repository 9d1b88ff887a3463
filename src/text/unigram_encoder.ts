/**
 * Unigram language model: from a word to token ids.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { WordCache } from "./word_cache.ts";

/** What a character that no token spells costs beyond the least likely token (SentencePiece, `kUnkPenalty`). */
const UNKNOWN_PENALTY = 10;

/** A token that text may become. */
export interface Piece {
  text: string;
  id: number;
  /** The logarithm of its probability. */
  score: number;
}

/** What differs between unigram models; `undefined` stands for absent. */
export interface UnigramOptions {
  /** The lowest score of the whole vocabulary. */
  lowestScore: number;
  /** Id of characters that no token spells; without it such text is refused. */
  unknownId?: number;
  /** Ids of the `<0xNN>` tokens that spell unknown characters, as far as they are there. */
  byteIds?: readonly (number | undefined)[];
  /** Name of the tokenizer, for refusals. */
  file: string;
}

/**
 * Cuts a word into the tokens whose scores have the largest sum, as the `tokenizers` library does (models/unigram/model.rs): of equals
 * the path that was found first, and neighbouring unknown characters as one.
 *
 * Tokens lie sorted in a list; the candidates at a place of the text are narrowed down character by character. A word of n
 * characters costs O(n · m · log v) for tokens of at most m characters in a vocabulary of v.
 */
export class UnigramEncoder {
  readonly #pieces: readonly Piece[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #options: UnigramOptions;
  readonly #cache = new WordCache();

  /** @param pieces Each text once. */
  constructor(pieces: readonly Piece[], options: UnigramOptions) {
    this.#pieces = pieces.toSorted((a, b) => a.text < b.text ? -1 : 1);
    this.#ids = new Map(pieces.map(({ text, id }) => [text, id]));
    this.#options = options;
  }

  /**
   * Appends the ids of one word to `ids`.
   *
   * @throws {RemoraError} `BAD_TOKENIZER` for an unknown character where there is no unknown token.
   */
  encode(word: string, ids: number[]): void {
    for (const id of this.#cache.get(word, () => this.#encodeAfresh(word))) ids.push(id);
  }

  #encodeAfresh(word: string): number[] {
    const { unknownId, byteIds } = this.#options;
    return this.#bestPath(word).flatMap((text) => {
      const id = this.#ids.get(text);
      if (id !== undefined) return [id];
      // Bytes stand for a run of unknown characters only if all of them have ids.
      const bytes = byteIds && Array.from(new TextEncoder().encode(text), (byte) => byteIds[byte]);
      return bytes?.every((byteId) => byteId !== undefined) ? bytes : [unknownId!];
    });
  }

  /** The texts of the best path, neighbouring unknown ones joined. */
  #bestPath(word: string): string[] {
    const { unknownId } = this.#options;
    const { starts, ids } = this.#search(word);
    const texts: string[] = [];
    let wasUnknown = false;
    for (let end = word.length; end > 0; end = starts[end]) {
      const text = word.slice(starts[end], end);
      const isUnknown = ids[end] === unknownId;
      if (isUnknown && wasUnknown) texts[texts.length - 1] = text + texts[texts.length - 1];
      else texts.push(text);
      wasUnknown = isUnknown;
    }
    return texts.reverse();
  }

  /** For each place of the word where the last token of the best path to it begins, and that token; −1 where none ends. */
  #search(word: string): { starts: Int32Array; ids: Int32Array } {
    const { lowestScore, unknownId, file } = this.#options;
    const scores = new Float64Array(word.length + 1);
    const starts = new Int32Array(word.length + 1).fill(-1), ids = new Int32Array(word.length + 1);
    const offer = (start: number, end: number, id: number | undefined, score: number) => {
      if (starts[end] >= 0 && score <= scores[end]) return;
      if (id === undefined) {
        throw new RemoraError("BAD_TOKENIZER", "Cannot encode a text with", {
          file,
          expected: "model.unk_id, for characters that no token spells",
          found: `none, and ${JSON.stringify(word.slice(start, end))}`,
        });
      }
      scores[end] = score;
      starts[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < word.length;) {
      const next = start + (word.codePointAt(start)! > 0xffff ? 2 : 1);
      let isSpelt = false;
      for (const { text, id, score } of this.#piecesAt(word, start)) {
        offer(start, start + text.length, id, score + scores[start]);
        if (start + text.length === next) isSpelt = true;
      }
      if (!isSpelt) offer(start, next, unknownId, lowestScore - UNKNOWN_PENALTY + scores[start]);
      start = next;
    }
    return { starts, ids };
  }

  /** The tokens with which the word goes on, the shortest first. */
  *#piecesAt(word: string, start: number): Iterable<Piece> {
    const pieces = this.#pieces;
    let begin = 0, end = pieces.length;
    for (let length = 0; start + length < word.length; length++) {
      const unit = word.charCodeAt(start + length);
      begin = this.#firstFrom(begin, end, length, unit);
      end = this.#firstFrom(begin, end, length, unit + 1);
      if (begin === end) return;
      if (pieces[begin].text.length === length + 1) yield pieces[begin];
    }
  }

  /** The first of some pieces, alike up to a place, that has at least this character there. */
  #firstFrom(begin: number, end: number, place: number, unit: number): number {
    while (begin < end) {
      const middle = (begin + end) >>> 1;
      // One that has ended is the first; NaN compares as false.
      if (this.#pieces[middle].text.charCodeAt(place) >= unit) end = middle;
      else begin = middle + 1;
    }
    return begin;
  }
}
