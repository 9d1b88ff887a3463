/**
 * Text to token ids and back, as tokenizer.json says.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { type AddedToken, AddedTokenSplitter } from "./added_tokens.ts";
import { readTokenizer, type TokenizerFiles, type TokenizerParts } from "./tokenizer_file.ts";

/** How to encode. */
export interface EncodeOptions {
  /** Add what the tokenizer puts round every text, e.g. `<s>`; default false, as chat templates write it. */
  addSpecialTokens?: boolean;
  /** Recognise special tokens written in the text; false makes them ordinary text. Default true. */
  parseSpecial?: boolean;
}

/** How to decode. */
export interface DecodeOptions {
  /** Leave special tokens out; default false. */
  skipSpecialTokens?: boolean;
}

/** Splitters of raw and of normalised text. */
interface Splitters {
  raw: AddedTokenSplitter;
  normalized: AddedTokenSplitter;
}

/**
 * A byte-pair or unigram tokenizer in the format of the `tokenizers` library.
 *
 * Ids equal that library's. Decoded text differs in two intended ways: spaces are never cleaned up, whatever
 * `clean_up_tokenization_spaces` says, because that changes text; and see {@linkcode compileSpelling}.
 *
 * Text can become a special token in one way only, by being written out while `parseSpecial` is on: merges
 * and paths that lead to one are left out.
 */
export class Tokenizer {
  readonly #parts: TokenizerParts;
  readonly #allSplitters: Splitters;
  readonly #plainSplitters: Splitters;

  #tokenBytesMax?: number;

  private constructor(parts: TokenizerParts, file: string) {
    this.#parts = parts;
    const tokens = [...parts.added.values()];
    this.#allSplitters = splittersOf(tokens, parts.normalize, file);
    this.#plainSplitters = splittersOf(tokens.filter((token) => !token.special), parts.normalize, file);
  }

  /**
   * Reads tokenizer.json and, where there is one, tokenizer_config.json (only for its special tokens).
   *
   * @throws {RemoraError} `BAD_TOKENIZER` naming the file when it is damaged, `UNSUPPORTED` when it holds
   * something other than byte-pair encoding or a unigram model with known steps.
   */
  static parse(
    tokenizerJson: Uint8Array,
    tokenizerConfigJson?: Uint8Array,
    files: TokenizerFiles = { tokenizer: "tokenizer.json", config: "tokenizer_config.json" },
  ): Tokenizer {
    return new Tokenizer(readTokenizer(tokenizerJson, tokenizerConfigJson, files), files.tokenizer);
  }

  /** One more than the highest token id. The model's logits may have more rows. */
  get vocabSize(): number {
    return this.#parts.vocabulary.size;
  }

  /** Bytes of the longest token: what one token stands for has no more characters. */
  get tokenBytesMax(): number {
    if (this.#tokenBytesMax === undefined) {
      this.#tokenBytesMax = 0;
      for (let id = 0; id < this.vocabSize; id++) {
        this.#tokenBytesMax = Math.max(this.#tokenBytesMax, this.tokenBytes(id).length);
      }
    }
    return this.#tokenBytesMax;
  }

  /** Spaces that {@linkcode decode} drops where a text begins. */
  get leadingSpaces(): number {
    return this.#parts.spelling.leadingSpaces;
  }

  /** Ids of a text; an empty text has none. */
  encode(text: string, { addSpecialTokens = false, parseSpecial = true }: EncodeOptions = {}): number[] {
    const { prefix, suffix, normalize, preTokenize, encoder } = this.#parts;
    const { raw, normalized } = parseSpecial ? this.#allSplitters : this.#plainSplitters;
    const ids = addSpecialTokens ? [...prefix] : [];
    raw.split(text).forEach((part, i) => {
      if (typeof part !== "string") return ids.push(part.id);
      normalized.split(normalize(part)).forEach((stretch, j) => {
        if (typeof stretch !== "string") return ids.push(stretch.id);
        for (const word of preTokenize(stretch, i === 0 && j === 0)) encoder.encode(word, ids);
      });
    });
    if (addSpecialTokens) { for (const id of suffix) ids.push(id); }
    return ids;
  }

  /**
   * The text of ids. Bytes that are not UTF-8 become U+FFFD.
   *
   * @throws {RemoraError} `BAD_ARGUMENT` for an id outside of 0 … vocabSize - 1.
   */
  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for (let i = 0; i < ids.length; i++) {
      const bytes = this.tokenBytes(ids[i]);
      if (skipSpecialTokens && this.isSpecial(ids[i])) continue;
      pieces.push(bytes);
      size += bytes.length;
    }
    const all = new Uint8Array(size);
    let end = 0;
    for (const piece of pieces) {
      all.set(piece, end);
      end += piece.length;
    }
    let begin = 0;
    while (begin < Math.min(this.leadingSpaces, size) && all[begin] === 0x20) begin++;
    return decodeUtf8(all.subarray(begin));
  }

  /**
   * The bytes of one token, which need not be whole UTF-8 characters; none for an unused id.
   *
   * @throws {RemoraError} `BAD_ARGUMENT` for an id outside of 0 … vocabSize - 1.
   */
  tokenBytes(id: number): Uint8Array {
    const { vocabulary, spelling, added } = this.#parts;
    if (!Number.isInteger(id) || id < 0 || id >= vocabulary.size) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot decode this token id", {
        expected: `an integer from 0 to ${vocabulary.size - 1}`,
        found: String(id),
      });
    }
    const text = vocabulary.textOf(id);
    return added.has(id) ? spelling.bytesOfAdded(text) : spelling.bytesOf(text);
  }

  /** The bytes of one token as text, with U+FFFD for what is not a whole character. */
  tokenText(id: number): string {
    return decodeUtf8(this.tokenBytes(id));
  }

  /** Id of a token as the vocabulary writes it, e.g. `Ġthe` or `<|im_end|>`. */
  idOf(token: string): number | undefined {
    return this.#parts.vocabulary.idOf(token);
  }

  /** Whether a token controls the model instead of standing for text. */
  isSpecial(id: number): boolean {
    return this.#parts.added.get(id)?.special === true;
  }
}

function splittersOf(
  tokens: AddedToken[],
  normalize: (text: string) => string,
  file: string,
): Splitters {
  return {
    raw: new AddedTokenSplitter(tokens.filter((token) => !token.normalized), file),
    normalized: new AddedTokenSplitter(
      tokens.filter((token) => token.normalized),
      file,
      (token) => normalize(token.content),
    ),
  };
}

function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
