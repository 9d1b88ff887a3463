/**
 * Text to token ids and back, as tokenizer.json says.
 *
 * @module
 */

import { Tokenizer as TokenizerParts } from "npm:@huggingface/tokenizers@0.2.0";
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { VOCABULARY_SIZE_MAX } from "../core/limits.ts";
import { type AddedToken, AddedTokenSplitter } from "./added_tokens.ts";
import { BytePairEncoder, MERGES_MAX } from "./byte_pair_encoder.ts";
import { compileNormalizer } from "./normalizer.ts";
import { compilePreTokenizer, type PreTokenizer } from "./pre_tokenizer.ts";
import { compileSpelling, type TokenSpelling } from "./token_spelling.ts";

/** What the two files are called in messages. */
export interface TokenizerFiles {
  tokenizer: string;
  config: string;
}

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

/** The pieces that make up a tokenizer. */
interface Parts {
  ids: Map<string, number>;
  texts: string[];
  added: Map<number, AddedToken>;
  normalize: (text: string) => string;
  preTokenize: PreTokenizer;
  encoder: BytePairEncoder;
  spelling: TokenSpelling;
  prefix: number[];
  suffix: number[];
}

/** Splitters of raw and of normalised text. */
interface Splitters {
  raw: AddedTokenSplitter;
  normalized: AddedTokenSplitter;
}

/**
 * A byte-pair tokenizer in the format of the `tokenizers` library.
 *
 * Ids equal that library's. Decoded text differs in two intended ways: spaces are never cleaned up, whatever
 * `clean_up_tokenization_spaces` says, because that changes text; and see {@linkcode compileSpelling}.
 *
 * Text can become a special token in one way only, by being written out while `parseSpecial` is on: merges
 * that lead to one are left out.
 */
export class Tokenizer {
  readonly #parts: Parts;
  readonly #allSplitters: Splitters;
  readonly #plainSplitters: Splitters;

  private constructor(parts: Parts) {
    this.#parts = parts;
    const tokens = [...parts.added.values()];
    this.#allSplitters = splittersOf(tokens, parts.normalize);
    this.#plainSplitters = splittersOf(tokens.filter((token) => !token.special), parts.normalize);
  }

  /**
   * Reads tokenizer.json and, where there is one, tokenizer_config.json (only for its special tokens).
   *
   * @throws {RemoraError} `BAD_TOKENIZER` naming the file when it is damaged, `UNSUPPORTED` when it holds
   * something other than byte-pair encoding with known steps.
   */
  static parse(
    tokenizerJson: Uint8Array,
    tokenizerConfigJson?: Uint8Array,
    files: TokenizerFiles = { tokenizer: "tokenizer.json", config: "tokenizer_config.json" },
  ): Tokenizer {
    const read = (bytes: Uint8Array, file: string) =>
      asObject(parseJson(bytes, file, { code: "BAD_TOKENIZER" }), "a JSON object", file);
    const config = tokenizerConfigJson === undefined ? {} : read(tokenizerConfigJson, files.config);
    return new Tokenizer(assemble(read(tokenizerJson, files.tokenizer), config, files));
  }

  /** One more than the highest token id. The model's logits may have more rows. */
  get vocabSize(): number {
    return this.#parts.texts.length;
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
    const { texts, spelling, added } = this.#parts;
    if (!Number.isInteger(id) || id < 0 || id >= texts.length) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot decode this token id", {
        expected: `an integer from 0 to ${texts.length - 1}`,
        found: String(id),
      });
    }
    const text = texts[id] ?? "";
    return added.has(id) ? spelling.bytesOfAdded(text) : spelling.bytesOf(text);
  }

  /** The bytes of one token as text, with U+FFFD for what is not a whole character. */
  tokenText(id: number): string {
    return decodeUtf8(this.tokenBytes(id));
  }

  /** Id of a token as the vocabulary writes it, e.g. `Ġthe` or `<|im_end|>`. */
  idOf(token: string): number | undefined {
    return this.#parts.ids.get(token);
  }

  /** Whether a token controls the model instead of standing for text. */
  isSpecial(id: number): boolean {
    return this.#parts.added.get(id)?.special === true;
  }
}

function splittersOf(tokens: AddedToken[], normalize: (text: string) => string): Splitters {
  return {
    raw: new AddedTokenSplitter(tokens.filter((token) => !token.normalized)),
    normalized: new AddedTokenSplitter(
      tokens.filter((token) => token.normalized),
      (token) => normalize(token.content),
    ),
  };
}

function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

type Json = Record<string, unknown>;

function assemble(json: Json, config: Json, files: TokenizerFiles): Parts {
  const file = files.tokenizer;
  const model = asObject(json.model, "an object named model", file);
  if (model.type !== undefined && model.type !== "BPE") {
    throw new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
      file,
      expected: "model type BPE",
      found: String(model.type),
    });
  }
  refuseWordAffixes(model, file);
  const { ids, texts } = readVocabulary(model, file);
  const added = readAddedTokens(json, config, files);
  for (const { id, content } of added.values()) {
    ids.set(content, id);
    texts[id] = content;
  }
  const isSpecial = (id: number) => added.get(id)?.special === true;
  const plainIdOf = (token: string) => {
    const id = ids.get(token);
    return id === undefined || isSpecial(id) ? undefined : id;
  };
  const encoder = new BytePairEncoder(plainIdOf, readMerges(model, ids, isSpecial, file), {
    unknownId: typeof model.unk_token === "string" ? ids.get(model.unk_token) : undefined,
    fuseUnknown: model.fuse_unk === true,
    byteIds: model.byte_fallback === true ? byteIds(ids) : undefined,
    ignoreMerges: model.ignore_merges === true,
  });
  const preTokenize = compilePreTokenizer(json.pre_tokenizer, file);
  const spelling = compileSpelling(json.decoder, file);
  const normalize = compileNormalizer(json.normalizer, file);
  return {
    ids,
    texts,
    added,
    encoder,
    normalize,
    preTokenize,
    spelling,
    ...readSurroundings(json, ids, file),
  };
}

function readVocabulary(model: Json, file: string): { ids: Map<string, number>; texts: string[] } {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  for (const [token, id] of Object.entries(asObject(model.vocab, "an object named model.vocab", file))) {
    const index = asId(id, token, file);
    ids.set(token, index);
    texts[index] = token;
  }
  if (ids.size === 0) throw damaged("tokens in model.vocab", "none", file);
  return { ids, texts };
}

/** Added tokens from both files: the list of tokenizer.json, and what tokenizer_config.json adds to it. */
function readAddedTokens(json: Json, config: Json, files: TokenizerFiles): Map<number, AddedToken> {
  const listed = json.added_tokens ?? [];
  if (!Array.isArray(listed)) throw damaged("a list named added_tokens", typeof listed, files.tokenizer);
  const added = new Map<number, AddedToken>();
  const named = namesOfSpecialTokens(config);
  const add = (entry: unknown, givenId: unknown, file: string) => {
    const token = asObject(entry, "objects in added_tokens", file);
    const { content } = token;
    if (typeof content !== "string") throw damaged("added tokens with content", typeof content, file);
    const id = asId(givenId, content, file);
    const special = token.special === true || named.has(content);
    const known = added.get(id);
    if (known !== undefined) known.special ||= special;
    else {
      added.set(id, {
        id,
        content,
        special,
        singleWord: token.single_word === true,
        stripLeft: token.lstrip === true,
        stripRight: token.rstrip === true,
        normalized: typeof token.normalized === "boolean" ? token.normalized : !special,
      });
    }
  };
  for (const entry of listed) add(entry, (entry as Json | null)?.id, files.tokenizer);
  const decoder = config.added_tokens_decoder;
  if (typeof decoder === "object" && decoder !== null) {
    for (const [id, entry] of Object.entries(decoder)) add(entry, Number(id), files.config);
  }
  return added;
}

/** The contents of `bos_token` and its like; they are special even where their entry does not say so. */
function namesOfSpecialTokens(config: Json): Set<string> {
  const roles = ["bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"];
  const additional = Array.isArray(config.additional_special_tokens) ? config.additional_special_tokens : [];
  const names = new Set<string>();
  for (const value of [...roles.map((role) => config[role]), ...additional]) {
    const name = typeof value === "object" && value !== null ? (value as Json).content : value;
    if (typeof name === "string") names.add(name);
  }
  return names;
}

/** [3 · merges] left, right and merged id, without merges into special tokens. */
function readMerges(
  model: Json,
  ids: Map<string, number>,
  isSpecial: (id: number) => boolean,
  file: string,
): Int32Array {
  const { merges } = model;
  if (!Array.isArray(merges)) throw damaged("a list named model.merges", typeof merges, file);
  if (merges.length > MERGES_MAX) throw damaged(`at most ${MERGES_MAX} merges`, `${merges.length}`, file);
  const table = new Int32Array(3 * merges.length);
  let end = 0;
  for (const merge of merges) {
    // Older files write the pair as one string; a space inside of a token cannot occur there.
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw damaged("pairs in model.merges", String(merge), file);
    }
    const merged = idInMerge(`${pair[0]}${pair[1]}`, ids, file);
    const left = idInMerge(pair[0], ids, file);
    const right = idInMerge(pair[1], ids, file);
    if (isSpecial(merged)) continue;
    table[end++] = left;
    table[end++] = right;
    table[end++] = merged;
  }
  return table.slice(0, end);
}

function idInMerge(token: unknown, ids: Map<string, number>, file: string): number {
  const id = ids.get(token as string);
  if (id === undefined) throw damaged("merges of tokens in the vocabulary", `"${token}"`, file);
  return id;
}

/** Ids of `<0x00>` … `<0xFF>`; `undefined` for those that are missing. */
function byteIds(ids: Map<string, number>): (number | undefined)[] {
  return Array.from(
    { length: 256 },
    (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
}

function refuseWordAffixes(model: Json, file: string): void {
  for (const name of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    if (!model[name]) continue;
    throw new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
      file,
      expected: `no ${name}`,
      found: String(model[name]),
    });
  }
}

/** The tokens round a text come from the library, given an empty model. */
function readSurroundings(
  json: Json,
  ids: Map<string, number>,
  file: string,
): Pick<Parts, "prefix" | "suffix"> {
  const textMark = "\0text";
  try {
    const { post_processor: postProcessor } = new TokenizerParts({
      normalizer: null,
      post_processor: json.post_processor ?? null,
      pre_tokenizer: null,
      decoder: null,
      added_tokens: [],
      model: { type: "BPE", vocab: {}, merges: [] },
    }, {});
    const tokens = postProcessor?.post_process([textMark], null, true).tokens ?? [textMark];
    const surrounding = tokens.map((token) => {
      const id = token === textMark ? -1 : ids.get(token);
      if (id === undefined) throw new Error(`post_processor names the unknown token "${token}"`);
      return id;
    });
    const at = surrounding.indexOf(-1);
    return { prefix: surrounding.slice(0, at), suffix: surrounding.slice(at + 1) };
  } catch (cause) {
    throw damaged(
      "a known post_processor",
      cause instanceof Error ? cause.message : String(cause),
      file,
    );
  }
}

function asId(id: unknown, token: string, file: string): number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < VOCABULARY_SIZE_MAX) return id;
  throw damaged(`token ids from 0 to ${VOCABULARY_SIZE_MAX - 1}`, `${String(id)} for "${token}"`, file);
}

function asObject(value: unknown, expected: string, file: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw damaged(expected, value === null ? "null" : Array.isArray(value) ? "a list" : typeof value, file);
}

function damaged(expected: string, found: string, file: string): RemoraError {
  return new RemoraError("BAD_TOKENIZER", "Cannot read the tokenizer from", { file, expected, found });
}
