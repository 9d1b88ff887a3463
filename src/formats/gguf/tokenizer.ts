/**
 * From the metadata of a GGUF file to the tokenizer.json and tokenizer_config.json that the model would have elsewhere.
 *
 * @module
 */
import type { Metadata } from "./metadata.ts";
import { PRE_TOKENIZATIONS } from "./pre_tokenizers.ts";

/** Kinds of tokens, by `tokenizer.ggml.token_type`. */
const UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6;
const SPACE = "▁";

type Json = Record<string, unknown>;

/** The tokens of a file, and what they are. */
interface Vocabulary {
  readonly tokens: readonly string[];
  readonly typeOf: (id: number) => number;
}

/**
 * The contents of tokenizer.json; `undefined` where the file has no tokenizer.
 *
 * @throws {RemoraError} UNSUPPORTED for a kind of tokenizer or of words that is not known here, BAD_TOKENIZER for a damaged one,
 * both naming the file and the key.
 */
export function tokenizerOf(metadata: Metadata): Json | undefined {
  const model = metadata.string("tokenizer.ggml.model");
  if (model === undefined || model === "none" || model === "no_vocab") return undefined;
  const tokens = metadata.strings("tokenizer.ggml.tokens");
  if (tokens === undefined) {
    throw metadata.refusal("BAD_TOKENIZER", "tokenizer.ggml.tokens", "a list of strings", "none");
  }
  const types = metadata.numbers("tokenizer.ggml.token_type");
  const vocabulary = { tokens, typeOf: (id: number) => types?.[id] ?? 1 };
  if (model === "gpt2") return bytePairTokenizer(metadata, vocabulary);
  if (model === "llama") return sentencePieceTokenizer(metadata, vocabulary);
  throw metadata.refusal("UNSUPPORTED", "tokenizer.ggml.model", "gpt2 or llama", model);
}

/** The contents of tokenizer_config.json: special tokens by their roles, and the chat templates. */
export function tokenizerConfigOf(metadata: Metadata): Json {
  const tokens = metadata.strings("tokenizer.ggml.tokens") ?? [];
  const roles = { bos: "bos", eos: "eos", unknown: "unk", padding: "pad" };
  const named = Object.entries(roles).flatMap(([role, name]) => {
    const token = tokens[metadata.number(`tokenizer.ggml.${role}_token_id`) ?? -1];
    return token === undefined ? [] : [[`${name}_token`, token]];
  });
  return { ...Object.fromEntries(named), chat_template: templatesOf(metadata) };
}

function templatesOf(metadata: Metadata): unknown {
  const plain = metadata.string("tokenizer.chat_template");
  const others = (metadata.strings("tokenizer.chat_templates") ?? []).flatMap((name) => {
    const template = metadata.string(`tokenizer.chat_template.${name}`);
    return template === undefined ? [] : [{ name, template }];
  });
  if (plain === undefined || others.length === 0) return plain ?? null;
  return [{ name: "default", template: plain }, ...others];
}

/** Byte-pair encoding as GPT-2 has it. */
function bytePairTokenizer(metadata: Metadata, vocabulary: Vocabulary): Json {
  const key = "tokenizer.ggml.pre", name = metadata.string(key) ?? "default";
  const words = PRE_TOKENIZATIONS.get(name);
  if (words === undefined) {
    throw metadata.refusal("UNSUPPORTED", key, [...PRE_TOKENIZATIONS.keys()].join(", "), name);
  }
  const merges = metadata.strings("tokenizer.ggml.merges");
  if (merges === undefined) {
    throw metadata.refusal("BAD_TOKENIZER", "tokenizer.ggml.merges", "a list of strings", "none");
  }
  return {
    added_tokens: addedTokens(vocabulary),
    normalizer: words.normalizer ?? null,
    pre_tokenizer: words.steps,
    post_processor: surroundings(metadata, vocabulary, words.addsBegin ?? false),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab: idsByToken(vocabulary),
      merges,
      ignore_merges: words.ignoreMerges ?? false,
    },
  };
}

/** Byte-pair encoding as SentencePiece has it: scores say which pair is merged first. */
function sentencePieceTokenizer(metadata: Metadata, vocabulary: Vocabulary): Json {
  const scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores?.length !== vocabulary.tokens.length) {
    const expected = `as many numbers as there are tokens, ${vocabulary.tokens.length}`;
    const found = scores === undefined ? "none" : `${scores.length}`;
    throw metadata.refusal("BAD_TOKENIZER", "tokenizer.ggml.scores", expected, found);
  }
  const hasPrefix = metadata.boolean("tokenizer.ggml.add_space_prefix") ?? true;
  const unknown = vocabulary.tokens.find((_, id) => vocabulary.typeOf(id) === UNKNOWN) ?? null;
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE };
  const prefix = { type: "Prepend", prepend: SPACE };
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  return {
    added_tokens: addedTokens(vocabulary),
    normalizer: { type: "Sequence", normalizers: [...(hasPrefix ? [prefix] : []), spaces] },
    pre_tokenizer: null,
    post_processor: surroundings(metadata, vocabulary, true),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(hasPrefix ? [strip] : []),
      ],
    },
    model: {
      type: "BPE",
      vocab: idsByToken(vocabulary),
      merges: mergesByScore(vocabulary, scores),
      unk_token: unknown,
      fuse_unk: true,
      byte_fallback: vocabulary.tokens.some((_, id) => vocabulary.typeOf(id) === BYTE),
    },
  };
}

/** Every way to put a token together of two others, the highest score first. */
function mergesByScore({ tokens, typeOf }: Vocabulary, scores: readonly number[]): [string, string][] {
  const isPlain = (id: number) => typeOf(id) === 1 || typeOf(id) === USER_DEFINED;
  const plain = new Set(tokens.filter((_, id) => isPlain(id)));
  const ids = Array.from(tokens.keys()).filter(isPlain).sort((a, b) => scores[b] - scores[a]);
  const merges: [string, string][] = [];
  for (const id of ids) {
    const characters = Array.from(tokens[id]);
    let left = "";
    for (const character of characters.slice(0, -1)) {
      left += character;
      const right = tokens[id].slice(left.length);
      if (plain.has(left) && plain.has(right)) merges.push([left, right]);
    }
  }
  return merges;
}

function idsByToken({ tokens }: Vocabulary): Json {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** Tokens that are found in a text before it is cut into words. */
function addedTokens({ tokens, typeOf }: Vocabulary): Json[] {
  return tokens.flatMap((content, id) => {
    const type = typeOf(id);
    if (type !== CONTROL && type !== USER_DEFINED && type !== UNKNOWN || content === "") return [];
    return [{ id, content, special: type !== USER_DEFINED, normalized: false }];
  });
}

/** The tokens round every text. */
function surroundings(metadata: Metadata, { tokens }: Vocabulary, addsBegin: boolean): Json | null {
  const tokenOf = (flag: string, role: string, otherwise: boolean) => {
    if (!(metadata.boolean(`tokenizer.ggml.add_${flag}_token`) ?? otherwise)) return [];
    const id = metadata.number(`tokenizer.ggml.${role}_token_id`);
    return id === undefined || tokens[id] === undefined ? [] : [{ id, token: tokens[id] }];
  };
  const before = tokenOf("bos", "bos", addsBegin), after = tokenOf("eos", "eos", false);
  if (before.length + after.length === 0) return null;
  const special = ({ token }: { token: string }) => ({ SpecialToken: { id: token, type_id: 0 } });
  const single = [...before.map(special), { Sequence: { id: "A", type_id: 0 } }, ...after.map(special)];
  return {
    type: "TemplateProcessing",
    single,
    pair: single,
    special_tokens: Object.fromEntries(
      [...before, ...after].map(({ id, token }) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  };
}
