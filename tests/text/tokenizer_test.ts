/**
 * Truth: ids of the small tokenizers follow from their few merges and agree with the `tokenizers` library 0.23.3;
 * everything about SmolLM2 comes from its reference.json, made with that library.
 */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { hasShared, sharedPath } from "../shared.ts";
import { byteLevelJson, sentencePieceJson, type TokenizerJson, tokenizerOf } from "./small_tokenizers.ts";

const SMOLLM2 = ["models", "SmolLM2-135M-Instruct-GPTQ-Int4"];

function readShared(...parts: string[]): Uint8Array {
  return Deno.readFileSync(sharedPath(...parts));
}

let smolLm2: Tokenizer | undefined;
function smolLm2Tokenizer(): Tokenizer {
  return smolLm2 ??= Tokenizer.parse(
    readShared(...SMOLLM2, "tokenizer.json"),
    readShared(...SMOLLM2, "tokenizer_config.json"),
  );
}

interface TokenizerReference {
  vectors: { text: string; ids: number[]; decoded: string }[];
  partial_utf8: { id: number; bytes: string; decoded: string }[];
  pieces: { text: string; ids: number[]; bytes: string[] }[];
}

function smolLm2Reference(): TokenizerReference {
  return JSON.parse(new TextDecoder().decode(readShared(...SMOLLM2, "reference", "reference.json")))
    .tokenizer;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function assertRefused(run: () => unknown, code: string, ...parts: (string | RegExp)[]): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof RemoraError, String(error));
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.match(error.message, new RegExp(part));
    return true;
  });
}

Deno.test({
  name: "SmolLM2: every reference text encodes and decodes as the reference (needs ../shared)",
  ignore: !hasShared,
  fn() {
    const { vectors } = smolLm2Reference();
    assert.equal(vectors.length, 282);
    for (const { text, ids, decoded } of vectors) {
      assert.deepEqual(smolLm2Tokenizer().encode(text), ids, JSON.stringify(text));
      assert.equal(smolLm2Tokenizer().decode(ids), decoded);
    }
  },
});

Deno.test({
  name: "SmolLM2: bytes of tokens that are no whole characters (needs ../shared)",
  ignore: !hasShared,
  fn() {
    const { partial_utf8, pieces } = smolLm2Reference();
    assert.ok(partial_utf8.length >= 60 && pieces.length >= 12);
    for (const { id, bytes, decoded } of partial_utf8) {
      assert.equal(hex(smolLm2Tokenizer().tokenBytes(id)), bytes);
      assert.equal(smolLm2Tokenizer().tokenText(id), decoded);
      assert.equal(smolLm2Tokenizer().decode([id]), decoded);
    }
    for (const { text, ids, bytes } of pieces) {
      assert.deepEqual(smolLm2Tokenizer().encode(text), ids);
      assert.deepEqual(ids.map((id) => hex(smolLm2Tokenizer().tokenBytes(id))), bytes);
    }
  },
});

Deno.test({
  name: "Llama 3's pre-tokenizer: prompts become the ids of the reference processor (needs ../shared)",
  ignore: !hasShared,
  fn() {
    const tokenizer = Tokenizer.parse(readShared("goldens", "mllama-gptq", "tokenizer.json"));
    const { inputs } = JSON.parse(
      new TextDecoder().decode(readShared("goldens", "mllama-inputs", "inputs.json")),
    );
    const tensors = readShared("goldens", "mllama-inputs", "inputs.safetensors");
    const headerSize = Number(new DataView(tensors.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(tensors.subarray(8, 8 + headerSize)));
    assert.equal(Object.keys(inputs).length, 6);
    for (const [name, input] of Object.entries<{ prompt: string }>(inputs)) {
      const [begin, end] = header[`${name}.input_ids`].data_offsets;
      const ids = new BigInt64Array(tensors.slice(8 + headerSize + begin, 8 + headerSize + end).buffer);
      assert.deepEqual(tokenizer.encode(input.prompt), Array.from(ids, Number), name);
    }
  },
});

Deno.test("encode() merges by rank, and words do not merge with each other", () => {
  const tokenizer = tokenizerOf(byteLevelJson());
  assert.equal(tokenizer.vocabSize, 266);
  assert.deepEqual(tokenizer.encode(""), []);
  assert.deepEqual(tokenizer.encode("hello world"), [259, 261, 262, 100]);
  assert.deepEqual(tokenizer.encode("hellhello"), [258, 259]);
  assert.deepEqual(tokenizer.encode("🐍"), [0xf0, 0x9f, 0x90, 0x8d]);
  assert.deepEqual(tokenizer.encode("\u0085\ufeff!"), [0xc2, 0x85, 0xef, 0xbb, 0xbf, 0x21]);
});

Deno.test("merges in the older notation, one string each, give the same ids", () => {
  const json = byteLevelJson();
  json.model.merges = json.model.merges.map((pair: string[]) => pair.join(" "));
  assert.deepEqual(tokenizerOf(json).encode("hello world"), [259, 261, 262, 100]);
});

Deno.test("addSpecialTokens puts the post-processor's tokens round the text", () => {
  const tokenizer = tokenizerOf(byteLevelJson());
  assert.deepEqual(tokenizer.encode("hello", { addSpecialTokens: true }), [263, 259, 264]);
  assert.deepEqual(tokenizer.encode("", { addSpecialTokens: true }), [263, 264]);
  assert.deepEqual(tokenizerOf(sentencePieceJson()).encode("hello", { addSpecialTokens: true }), [272]);
});

Deno.test("parseSpecial false makes special tokens ordinary text, and leaves other added tokens", () => {
  const tokenizer = tokenizerOf(byteLevelJson());
  const text = "hello<s><tool></s>";
  assert.deepEqual(tokenizer.encode(text), [259, 263, 265, 264]);
  const plain = tokenizer.encode(text, { parseSpecial: false });
  assert.deepEqual(plain, [259, 60, 115, 62, 265, 60, 47, 115, 62]);
  assert.equal(tokenizer.decode(plain), text);
});

Deno.test("text never becomes a special token, though the vocabulary and the merges allow it", () => {
  const json = sentencePieceJson();
  json.model.merges.push(["<", "s"], ["<s", ">"]);
  json.model.vocab["<s"] = 274;
  const spelled = [259, 274, 266]; // ▁ <s >
  assert.deepEqual(tokenizerOf(json).encode("<s>", { parseSpecial: false }), spelled);
  json.model.ignore_merges = true;
  json.normalizer = null;
  assert.deepEqual(tokenizerOf(json).encode("<s>", { parseSpecial: false }), spelled.slice(1));
  assert.deepEqual(tokenizerOf(json).encode("<s>"), [1]);
});

Deno.test("tokens that tokenizer_config.json names are special and known, wherever they are described", () => {
  const config = {
    eos_token: { content: "<tool>" },
    added_tokens_decoder: { "266": { content: "<new>", special: true, normalized: false } },
  };
  const tokenizer = tokenizerOf(byteLevelJson(), config);
  assert.equal(tokenizer.isSpecial(265), true);
  assert.equal(tokenizerOf(byteLevelJson()).isSpecial(265), false);
  assert.deepEqual(tokenizer.encode("<new>"), [266]);
  assert.equal(tokenizer.idOf("<new>"), 266);
});

Deno.test("added tokens swallow white space and respect words as they say", () => {
  const json = byteLevelJson();
  json.added_tokens.push(
    { id: 266, content: "[L]", lstrip: true, normalized: false },
    { id: 267, content: "[R]", rstrip: true, normalized: false },
    { id: 268, content: "in", single_word: true, normalized: false },
    { id: 269, content: "<tool>s", normalized: false },
  );
  const tokenizer = tokenizerOf(json);
  assert.deepEqual(tokenizer.encode("a \t[L] b"), [97, 266, 32, 98]);
  assert.deepEqual(tokenizer.encode("a [R]\u0085\n b"), [97, 32, 267, 98]);
  assert.deepEqual(tokenizer.encode("in,inn"), [268, 44, 105, 110, 110]);
  assert.deepEqual(tokenizer.encode("<tool>s<tool>"), [269, 265]);
});

Deno.test("unknown characters fall back to bytes, to one unknown token, or to none", () => {
  const json = sentencePieceJson();
  assert.deepEqual(tokenizerOf(json).encode("é"), [259, 3 + 0xc3, 3 + 0xa9]);
  json.model.byte_fallback = false;
  assert.deepEqual(tokenizerOf(json).encode("éöh"), [259, 0, 260]);
  json.model.fuse_unk = false;
  assert.deepEqual(tokenizerOf(json).encode("éöh"), [259, 0, 0, 260]);
  json.model.unk_token = null;
  assert.deepEqual(tokenizerOf(json).encode("éöh"), [269]);
});

Deno.test("decode() drops the space that encoding put before the text, and only that one", () => {
  const tokenizer = tokenizerOf(sentencePieceJson());
  for (const text of ["hello", " hello", "  hello hello", "é", ""]) {
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  }
  assert.equal(tokenizer.decode([1, 272]), "<s> hello");
  assert.equal(tokenizer.decode([1, 272], { skipSpecialTokens: true }), "hello");
});

Deno.test("decode() never cleans up spaces, whatever the config says", () => {
  const tokenizer = tokenizerOf(byteLevelJson(), { clean_up_tokenization_spaces: true });
  const text = "hello , world . do n't !";
  assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
});

Deno.test("decode() takes U+FFFD, U+FEFF and lone halves of characters as they are", () => {
  const tokenizer = tokenizerOf(byteLevelJson());
  assert.equal(tokenizer.decode(tokenizer.encode("\ufeff\ufffd")), "\ufeff\ufffd");
  // The Unicode standard's example of maximal subparts (section 3.9, table 3-8).
  assert.equal(tokenizer.decode([0x61, 0xf1, 0x80, 0x80, 0xe1, 0x80, 0xc2, 0x62]), "a\ufffd\ufffd\ufffdb");
  assert.equal(tokenizer.decode([0xe2, 0x82, 263, 0xac]), "\ufffd<s>\ufffd");
});

Deno.test("decode() and tokenBytes() refuse ids that no token has", () => {
  const tokenizer = tokenizerOf(byteLevelJson());
  for (const id of [-1, 266, 0.5, NaN, 2 ** 40]) {
    assertRefused(() => tokenizer.decode([104, id]), "BAD_ARGUMENT", "0 to 265", "found");
    assertRefused(() => tokenizer.tokenBytes(id), "BAD_ARGUMENT");
  }
});

Deno.test("idOf() knows vocabulary and added tokens", () => {
  const tokenizer = tokenizerOf(byteLevelJson());
  assert.equal(tokenizer.idOf("Ġwo"), 261);
  assert.equal(tokenizer.idOf("</s>"), 264);
  assert.equal(tokenizer.idOf("nothing"), undefined);
  assert.equal(tokenizer.idOf("constructor"), undefined);
  assert.equal(tokenizer.tokenText(261), " wo");
});

Deno.test("the split behaviours and Metaspace cut as their names say", () => {
  // Which bytes end up in one word shows in merges across the cut: "l" + "l" becomes 257 inside a word only.
  const cut = (behavior: string, invert = false) => {
    const json = byteLevelJson();
    const split = { type: "Split", pattern: { String: "l" }, behavior, invert };
    json.pre_tokenizer = {
      type: "Sequence",
      pretokenizers: [split, { type: "ByteLevel", use_regex: false }],
    };
    return tokenizerOf(json).encode("allb");
  };
  assert.deepEqual(cut("Isolated"), [97, 108, 108, 98]);
  assert.deepEqual(cut("Removed"), [97, 98]);
  assert.deepEqual(cut("Removed", true), [108, 108]);
  assert.deepEqual(cut("Contiguous"), [97, 257, 98]);
  assert.deepEqual(cut("MergedWithPrevious"), [97, 108, 108, 98]);
  assert.deepEqual(cut("MergedWithNext"), [97, 108, 108, 98]);

  const metaspace = (options: object, text: string) => {
    const json = sentencePieceJson();
    json.normalizer = null;
    json.pre_tokenizer = { type: "Metaspace", replacement: "▁", ...options };
    return tokenizerOf(json).encode(text);
  };
  assert.deepEqual(metaspace({ prepend_scheme: "always", split: true }, "hello  "), [272, 259, 259]);
  assert.deepEqual(metaspace({ prepend_scheme: "always", split: false }, "hello  "), [272, 273]);
  assert.deepEqual(metaspace({ prepend_scheme: "first" }, "hello<s>hello"), [272, 1, 260, 261, 268, 263]);
  assert.deepEqual(metaspace({ prepend_scheme: "never" }, "hello hello"), [260, 261, 268, 263, 272]);
});

Deno.test("damaged tokenizers are refused, naming tokenizer.json", () => {
  const damage = (change: (json: TokenizerJson) => unknown) => {
    const json = byteLevelJson();
    change(json);
    return () => tokenizerOf(json);
  };
  const changes: ((json: TokenizerJson) => unknown)[] = [
    (json) => delete json.model,
    (json) => delete json.model.vocab,
    (json) => json.model.vocab = {},
    (json) => json.model.vocab = [],
    (json) => json.model.vocab.h = -1,
    (json) => json.model.vocab.h = 1e12,
    (json) => json.model.vocab.h = "7",
    (json) => delete json.model.merges,
    (json) => json.model.merges.push(["h", "zz"]),
    (json) => json.model.merges.push(["h", "h"]),
    (json) => json.model.merges.push("h e l"),
    (json) => json.model.merges.push(5),
    (json) => json.added_tokens = {},
    (json) => json.added_tokens.push(null),
    (json) => json.added_tokens.push({ id: 300 }),
    (json) => json.added_tokens.push({ content: "x" }),
    (json) => json.post_processor.single[0].SpecialToken.id = "<none>",
  ];
  for (const change of changes) assertRefused(damage(change), "BAD_TOKENIZER", "tokenizer\\.json");
  const text = new TextEncoder();
  assertRefused(() => Tokenizer.parse(text.encode("[]")), "BAD_TOKENIZER", "tokenizer\\.json");
  assertRefused(
    () => Tokenizer.parse(text.encode("{}"), text.encode("{")),
    "BAD_TOKENIZER",
    "tokenizer_config\\.json",
  );
});

Deno.test("tokens and merges are read as strictly as any JSON, and may be written as any JSON", () => {
  const text = JSON.stringify(byteLevelJson());
  const parse = (text: string) => Tokenizer.parse(new TextEncoder().encode(text));
  const change = (from: string, to: string) => {
    assert.ok(text.includes(from), from);
    return () => parse(text.replace(from, to));
  };
  const wrong: [string, string, string?][] = [
    ['"vocab":{', '"vocab":{"h":3,', '"h" twice'],
    ['"vocab":{', '"vocab":{"\\u0068":3,', '"h" twice'],
    ['"vocab":{', '"vocab":{},"vocab":{', '"vocab" twice'],
    ['"model":{', '"model":{},"model":{', '"model" twice'],
    ['"vocab":{', '"vocab":{,'],
    ['"hello":259', '"hello":259,'],
    ['"hello":259', '"hello":NaN', "NaN"],
    ['"hello":259', '"hello":1e12', "token ids"],
    ['"hello":259', '"hello":2.5', "token ids"],
    ['"hello":259', '"hello":{"a":1,"a":2}', '"a" twice'],
    ['"hello":259', '"hello":0259', "JSON"],
    ['"hello":259', '"hell\\x":259', "escapes"],
    ['"hello":259', '"hello\\ud800":259', "surrogate"],
    ['"hello":259', '"hello\n":259', "control"],
    ['"content":"<tool>"', '"content":"\\ud800"', "surrogate"],
    ['["h","e"]', '["h"]', "pairs"],
    ['["h","e"]', '["h","e","l"]', "pairs"],
    ['["h","e"]', '["h","e",]'],
    ['["h","e"]', '["h","e"'],
    ['["h","e"]', '["h",5]'],
    ['["h","e"]', '["h","\\udc00"]', "surrogate"],
    ['["h","e"]', "null", "pairs"],
    ['"merges":[', '"merges":[,'],
    ['"merges":[', '"merges":{},"other":['],
  ];
  for (const [from, to, words = ""] of wrong) {
    assertRefused(change(from, to), "BAD_TOKENIZER", "tokenizer\\.json", words);
  }
  const bytes = new TextEncoder().encode(text);
  bytes[new TextEncoder().encode(text.slice(0, text.indexOf('hello"'))).length] = 0xff;
  assertRefused(() => Tokenizer.parse(bytes), "BAD_TOKENIZER", "UTF-8");

  const escaped = text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  assert.notEqual(escaped, text);
  const { model, ...rest } = byteLevelJson();
  const { type, vocab, merges } = model;
  const backwards = { model: { merges, vocab, type }, ...rest };
  for (
    const same of [
      escaped,
      JSON.stringify(backwards, null, "\t"),
      text.replace('"hello":259', '"hello":2.59e2'),
    ]
  ) {
    assert.deepEqual(parse(same).encode("hello world é"), parse(text).encode("hello world é"));
  }
});

Deno.test("tokenizers of other kinds are refused as unsupported", () => {
  const changes: ((json: TokenizerJson) => unknown)[] = [
    (json) => json.model.type = "WordPiece",
    (json) => json.model.end_of_word_suffix = "</w>",
    (json) => json.pre_tokenizer = { type: "UnicodeScripts" },
    (json) => json.pre_tokenizer = { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" },
    (json) => json.pre_tokenizer = { type: "Split", pattern: { String: "a" }, behavior: "Sideways" },
    (json) => json.decoder = { type: "WordPiece" },
    (json) => json.decoder = null,
  ];
  for (const change of changes) {
    const json = byteLevelJson();
    change(json);
    assertRefused(() => tokenizerOf(json), "UNSUPPORTED", "tokenizer\\.json");
  }
});

for (const name of ["tok-not-json", "tok-merge-unknown"]) {
  Deno.test({
    name: `hostile ${name} is refused, naming tokenizer.json (needs ../shared)`,
    ignore: !hasShared,
    fn() {
      const bytes = readShared("goldens", "hostile", name, "tokenizer.json");
      assertRefused(() => Tokenizer.parse(bytes), "BAD_TOKENIZER", "tokenizer\\.json");
    },
  });
}

Deno.test("one word of half a million letters takes no quadratic time", () => {
  // Quadratic merging would take minutes; the limit is far above what any machine needs.
  const tokenizer = tokenizerOf(byteLevelJson());
  const begin = performance.now();
  const ids = tokenizer.encode("hell".repeat(125_000));
  assert.ok(performance.now() - begin < 20_000);
  assert.deepEqual(new Set(ids), new Set([258]));
  assert.equal(ids.length, 125_000);
});
