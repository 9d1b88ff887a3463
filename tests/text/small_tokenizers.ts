/**
 * Two tokenizers small enough to follow by hand, as tokenizer.json objects to vary.
 *
 * @module
 */
import { Tokenizer } from "../../src/text/tokenizer.ts";

// deno-lint-ignore no-explicit-any
export type TokenizerJson = any;

/** GPT-2's byte alphabet, in the order of bytes. */
function byteAlphabet(): string[] {
  const ranges = [[0x21, 0x7e], [0xa1, 0xac], [0xae, 0xff]];
  let spare = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = ranges.some(([first, last]) => byte >= first && byte <= last);
    return String.fromCodePoint(isPrintable ? byte : spare++);
  });
}

function vocabularyOf(tokens: string[], merges: [string, string][]): Record<string, number> {
  const all = [...new Set([...tokens, ...merges.map((pair) => pair.join(""))])];
  return Object.fromEntries(all.map((token, id) => [token, id]));
}

function addedToken(id: number, content: string, special: boolean) {
  return { id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false };
}

/**
 * Byte-level: the id of a one-byte token is that byte. 256 he, 257 ll, 258 hell, 259 hello, 260 Ġw, 261 Ġwo,
 * 262 rl; added: 263 `<s>`, 264 `</s>` (special, put round every text), 265 `<tool>` (ordinary).
 */
export function byteLevelJson(): TokenizerJson {
  const merges: [string, string][] = [
    ["h", "e"],
    ["l", "l"],
    ["he", "ll"],
    ["hell", "o"],
    ["Ġ", "w"],
    ["Ġw", "o"],
    ["r", "l"],
  ];
  return {
    added_tokens: [
      addedToken(263, "<s>", true),
      addedToken(264, "</s>", true),
      addedToken(265, "<tool>", false),
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "<s>", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "</s>", type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        "<s>": { id: "<s>", ids: [263], tokens: ["<s>"] },
        "</s>": { id: "</s>", ids: [264], tokens: ["</s>"] },
      },
    },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", unk_token: null, vocab: vocabularyOf(byteAlphabet(), merges), merges },
  };
}

/**
 * As converted from SentencePiece: 0 `<unk>`, 1 `<s>`, 2 `</s>`, 3 … 258 `<0x00>` … `<0xFF>`, 259 ▁, 260 h,
 * 261 e, 262 l, 263 o, 264 <, 265 s, 266 >, 267 /, 268 ll, 269 ▁h, 270 ▁he, 271 ▁hell, 272 ▁hello, 273 ▁▁.
 */
export function sentencePieceJson(): TokenizerJson {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
  const merges: [string, string][] = [
    ["l", "l"],
    ["▁", "h"],
    ["▁h", "e"],
    ["▁he", "ll"],
    ["▁hell", "o"],
    ["▁", "▁"],
  ];
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, "▁", "h", "e", "l", "o", "<", "s", ">", "/"];
  return {
    added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => addedToken(id, content, true)),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabularyOf(tokens, merges),
      merges,
    },
  };
}

/** Reads a tokenizer that is an object. */
export function tokenizerOf(json: TokenizerJson, config?: unknown): Tokenizer {
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return Tokenizer.parse(bytes(json), config === undefined ? undefined : bytes(config));
}
