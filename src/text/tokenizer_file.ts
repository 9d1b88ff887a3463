/**
 * From tokenizer.json to the parts of a tokenizer.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { LIST, readMembers } from "../core/json_reader.ts";
import { JSON_DEPTH_MAX } from "../core/limits.ts";
import type { AddedToken } from "./added_tokens.ts";
import { BytePairEncoder } from "./byte_pair_encoder.ts";
import { asId, damaged, readMerges, readVocabulary } from "./byte_pair_file.ts";
import { compileNormalizer } from "./normalizer.ts";
import { compilePreTokenizer, type PreTokenizer } from "./pre_tokenizer.ts";
import { readSurroundings } from "./surroundings.ts";
import { compileSpelling, type TokenSpelling } from "./token_spelling.ts";
import { type Piece, UnigramEncoder } from "./unigram_encoder.ts";
import { Vocabulary } from "./vocabulary.ts";

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
  vocabulary: Vocabulary;
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
  const config = tokenizerConfigJson === undefined ? {} : asObject(
    parseJson(tokenizerConfigJson, files.config, { code: "BAD_TOKENIZER" }),
    "a JSON object",
    files.config,
  );
  return assemble(tokenizerJson, config, files);
}

function assemble(bytes: Uint8Array, config: Json, files: TokenizerFiles): TokenizerParts {
  const file = files.tokenizer;
  const members = readMembers(bytes, "a JSON object", file, "BAD_TOKENIZER");
  const modelBytes = members.get("model");
  if (modelBytes === undefined) throw damaged("an object named model", "none", file);
  const modelMembers = readMembers(modelBytes, "an object named model", file, "BAD_TOKENIZER");
  const json = parseMembers(members, ["model"], 1, file);
  const model = parseMembers(modelMembers, LARGE_MEMBERS, 2, file);
  const [vocab, merges] = LARGE_MEMBERS.map((name) => modelMembers.get(name));
  const type = model.type ?? (vocab?.[0] === LIST.opening ? "Unigram" : "BPE");
  if (type !== "BPE" && type !== "Unigram") {
    throw new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
      file,
      expected: "model type BPE or Unigram",
      found: String(type),
    });
  }
  if (type === "Unigram") Object.assign(model, parseMembers(modelMembers, [], 2, file));
  const vocabulary = type === "BPE" ? readVocabulary(vocab, file) : readPieces(model, file);
  const added = addTokens(vocabulary, json, config, files);
  const isSpecial = (id: number) => added.get(id)?.special === true;
  const encoder = type === "BPE"
    ? bytePairEncoder(model, vocabulary, readMerges(merges, vocabulary, isSpecial, file), isSpecial, file)
    : unigramEncoder(model, vocabulary, isSpecial, file);
  return {
    vocabulary,
    added,
    encoder,
    normalize: compileNormalizer(json.normalizer, file),
    preTokenize: compilePreTokenizer(json.pre_tokenizer, file),
    spelling: compileSpelling(json.decoder, file),
    ...readSurroundings(json.post_processor, vocabulary.size, file),
  };
}

/** What of a model is read from its bytes. */
const LARGE_MEMBERS = ["vocab", "merges"];

/** An object of the members that have not their own reader. */
function parseMembers(members: Map<string, Uint8Array>, others: string[], level: number, file: string): Json {
  const options = { code: "BAD_TOKENIZER", maxDepth: JSON_DEPTH_MAX - level } as const;
  return Object.fromEntries(
    [...members].filter(([name]) => !others.includes(name)).map((
      [name, bytes],
    ) => [name, parseJson(bytes, file, options)]),
  );
}

function bytePairEncoder(
  model: Json,
  vocabulary: Vocabulary,
  merges: Int32Array,
  isSpecial: (id: number) => boolean,
  file: string,
): BytePairEncoder {
  refuseWordAffixes(model, file);
  const plainIdOf = (token: string) => {
    const id = vocabulary.idOf(token);
    return id === undefined || isSpecial(id) ? undefined : id;
  };
  return new BytePairEncoder(plainIdOf, merges, {
    unknownId: typeof model.unk_token === "string" ? vocabulary.idOf(model.unk_token) : undefined,
    fuseUnknown: model.fuse_unk === true,
    byteIds: model.byte_fallback === true ? byteIds(vocabulary) : undefined,
    ignoreMerges: model.ignore_merges === true,
  });
}

function unigramEncoder(
  model: Json,
  vocabulary: Vocabulary,
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
    byteIds: model.byte_fallback === true ? byteIds(vocabulary) : undefined,
    file,
  });
}

/** The list of tokens with their scores; a token's id is its place. */
function readPieces({ vocab }: Json, file: string): Vocabulary {
  if (!Array.isArray(vocab)) throw damaged("a list named model.vocab", typeof vocab, file);
  if (vocab.length === 0) throw damaged("tokens in model.vocab", "none", file);
  asId(vocab.length - 1, "a token", file);
  const vocabulary = new Vocabulary(vocab.length);
  vocab.forEach((entry, id) => {
    if (!Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "number") {
      throw damaged("tokens with scores in model.vocab", String(entry), file);
    }
    vocabulary.set(asWhole(entry[0], file), id);
  });
  return vocabulary;
}

/**
 * Adds the tokens of both files to the vocabulary: the list of tokenizer.json, then tokenizer_config.json, whose settings win.
 *
 * A text that the model has keeps its id, a new one gets the next, whatever the files write: the reference numbers them so
 * (tokenizers, tokenizer/added_vocabulary.rs, `add_tokens`), and so do all tools that rest on it.
 */
function addTokens(
  vocabulary: Vocabulary,
  json: Json,
  config: Json,
  files: TokenizerFiles,
): Map<number, AddedToken> {
  const listed = json.added_tokens ?? [];
  if (!Array.isArray(listed)) throw damaged("a list named added_tokens", typeof listed, files.tokenizer);
  const added = new Map<number, AddedToken>();
  const named = namesOfSpecialTokens(config);
  let next = vocabulary.count;
  const add = (entry: unknown, writtenId: unknown, file: string) => {
    const token = asObject(entry, "objects in added_tokens", file);
    const { content } = token;
    if (typeof content !== "string") throw damaged("added tokens with content", typeof content, file);
    asId(writtenId, asWhole(content, file), file);
    if (content === "") return;
    const id = asId(vocabulary.idOf(content) ?? next, content, file);
    next = Math.max(next, id + 1);
    vocabulary.set(content, id);
    const special = token.special === true || named.has(content) || added.get(id)?.special === true;
    added.set(id, {
      id,
      content,
      special,
      singleWord: token.single_word === true,
      stripLeft: token.lstrip === true,
      stripRight: token.rstrip === true,
      normalized: typeof token.normalized === "boolean" ? token.normalized : !special,
    });
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

/** Ids of `<0x00>` … `<0xFF>`; `undefined` for those that are missing. */
function byteIds(vocabulary: Vocabulary): (number | undefined)[] {
  return Array.from(
    { length: 256 },
    (_, byte) => vocabulary.idOf(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
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

/** A token that is a text: half a character, which JSON can write, is none, and the reference refuses it too. */
function asWhole(token: string, file: string): string {
  if (token.isWellFormed()) return token;
  throw damaged("tokens of whole characters (no unpaired surrogates)", JSON.stringify(token), file);
}

function asObject(value: unknown, expected: string, file: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw damaged(expected, value === null ? "null" : Array.isArray(value) ? "a list" : typeof value, file);
}
