/**
 * From tokenizer.json to the parts of a tokenizer.
 *
 * @module
 */
import { Tokenizer as TokenizerLibrary } from "npm:@huggingface/tokenizers@0.2.0";
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { VOCABULARY_SIZE_MAX } from "../core/limits.ts";
import type { AddedToken } from "./added_tokens.ts";
import { BytePairEncoder, MERGES_MAX } from "./byte_pair_encoder.ts";
import { compileNormalizer } from "./normalizer.ts";
import { compilePreTokenizer, type PreTokenizer } from "./pre_tokenizer.ts";
import { compileSpelling, type TokenSpelling } from "./token_spelling.ts";
import { type Piece, UnigramEncoder } from "./unigram_encoder.ts";

/** What the two files are called in messages. */
export interface TokenizerFiles {
  tokenizer: string;
  config: string;
}

/** Appends the ids of one word. */
interface WordEncoder {
  encode(word: string, ids: number[]): void;
}

/** The pieces that make up a tokenizer. */
export interface TokenizerParts {
  ids: Map<string, number>;
  texts: string[];
  added: Map<number, AddedToken>;
  normalize: (text: string) => string;
  preTokenize: PreTokenizer;
  encoder: WordEncoder;
  spelling: TokenSpelling;
  prefix: number[];
  suffix: number[];
}

type Json = Record<string, unknown>;

/**
 * Reads tokenizer.json and, where there is one, tokenizer_config.json.
 *
 * @throws {RemoraError} `BAD_TOKENIZER` naming the file when it is damaged, `UNSUPPORTED` for what is not known here.
 */
export function readTokenizer(
  tokenizerJson: Uint8Array,
  tokenizerConfigJson: Uint8Array | undefined,
  files: TokenizerFiles,
): TokenizerParts {
  const read = (bytes: Uint8Array, file: string) =>
    asObject(parseJson(bytes, file, { code: "BAD_TOKENIZER" }), "a JSON object", file);
  const config = tokenizerConfigJson === undefined ? {} : read(tokenizerConfigJson, files.config);
  return assemble(read(tokenizerJson, files.tokenizer), config, files);
}

function assemble(json: Json, config: Json, files: TokenizerFiles): TokenizerParts {
  const file = files.tokenizer;
  const model = asObject(json.model, "an object named model", file);
  const type = model.type ?? (Array.isArray(model.vocab) ? "Unigram" : "BPE");
  if (type !== "BPE" && type !== "Unigram") {
    throw new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
      file,
      expected: "model type BPE or Unigram",
      found: String(type),
    });
  }
  const { ids, texts } = type === "BPE" ? readVocabulary(model, file) : readPieces(model, file);
  const added = readAddedTokens(json, config, files);
  for (const { id, content } of added.values()) {
    ids.set(content, id);
    texts[id] = content;
  }
  const isSpecial = (id: number) => added.get(id)?.special === true;
  const encoder = type === "BPE"
    ? bytePairEncoder(model, ids, isSpecial, file)
    : unigramEncoder(model, ids, isSpecial, file);
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

function bytePairEncoder(
  model: Json,
  ids: Map<string, number>,
  isSpecial: (id: number) => boolean,
  file: string,
): BytePairEncoder {
  refuseWordAffixes(model, file);
  const plainIdOf = (token: string) => {
    const id = ids.get(token);
    return id === undefined || isSpecial(id) ? undefined : id;
  };
  return new BytePairEncoder(plainIdOf, readMerges(model, ids, isSpecial, file), {
    unknownId: typeof model.unk_token === "string" ? ids.get(model.unk_token) : undefined,
    fuseUnknown: model.fuse_unk === true,
    byteIds: model.byte_fallback === true ? byteIds(ids) : undefined,
    ignoreMerges: model.ignore_merges === true,
  });
}

function unigramEncoder(
  model: Json,
  ids: Map<string, number>,
  isSpecial: (id: number) => boolean,
  file: string,
): UnigramEncoder {
  const scored = model.vocab as [string, number][];
  const { unk_id: unknownId } = model;
  if (unknownId !== undefined && unknownId !== null && !(asId(unknownId, "unk_id", file) < scored.length)) {
    throw damaged("model.unk_id in the vocabulary", String(unknownId), file);
  }
  const pieces = new Map<string, Piece>();
  scored.forEach(([text, score], id) => {
    if (!isSpecial(id)) pieces.set(text, { text, id, score });
  });
  return new UnigramEncoder([...pieces.values()], {
    lowestScore: scored.reduce((lowest, [, score]) => Math.min(lowest, score), Infinity),
    unknownId: unknownId as number | undefined ?? undefined,
    byteIds: model.byte_fallback === true ? byteIds(ids) : undefined,
    file,
  });
}

/** The list of tokens with their scores; a token's id is its place. */
function readPieces({ vocab }: Json, file: string): { ids: Map<string, number>; texts: string[] } {
  if (!Array.isArray(vocab)) throw damaged("a list named model.vocab", typeof vocab, file);
  const texts = vocab.map((entry, id) => {
    asId(id, "a token", file);
    if (Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number") return entry[0];
    throw damaged("tokens with scores in model.vocab", String(entry), file);
  });
  if (texts.length === 0) throw damaged("tokens in model.vocab", "none", file);
  return { ids: new Map(texts.map((text, id) => [text, id])), texts };
}

function readVocabulary(model: Json, file: string): { ids: Map<string, number>; texts: string[] } {
  const ids = new Map<string, number>();
  const texts: string[] = [];
  const vocabulary = asObject(model.vocab, "an object named model.vocab", file);
  // Not by entries: a pair for each of a hundred thousand tokens is 10 MB of garbage.
  for (const token of Object.keys(vocabulary)) {
    const index = asId(vocabulary[token], token, file);
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
    const space = typeof merge === "string" ? merge.indexOf(" ") : -1;
    const isPair = typeof merge === "string"
      ? space >= 0 && !merge.includes(" ", space + 1)
      : Array.isArray(merge) && merge.length === 2;
    if (!isPair) throw damaged("pairs in model.merges", String(merge), file);
    const first = space >= 0 ? merge.slice(0, space) : merge[0];
    const second = space >= 0 ? merge.slice(space + 1) : merge[1];
    const merged = idInMerge(`${first}${second}`, ids, file);
    const left = idInMerge(first, ids, file);
    const right = idInMerge(second, ids, file);
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
): Pick<TokenizerParts, "prefix" | "suffix"> {
  const textMark = "\0text";
  try {
    const { post_processor: postProcessor } = new TokenizerLibrary({
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
