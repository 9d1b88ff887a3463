/** What GGUF files say of their model, and files that are wrong. Blocks and logits: gguf_blocks_test.ts, tests/models/goldens_test.ts. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { inspectModel } from "../../mod.ts";
import { PRE_TOKENIZATIONS } from "../../src/formats/gguf/pre_tokenizers.ts";
import { openSelfDescribed } from "../../src/formats/self_described.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { readBytes } from "../../src/io/read.ts";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { assertRefused } from "../errors.ts";
import { LLAMA, writeGguf, type WrittenGgufTensor } from "./gguf_writer.ts";

function tensor(name: string, shape: number[]): WrittenGgufTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return { name, shape, values: Float32Array.from({ length: count }, (_, i) => i) };
}

const EMBEDDING = tensor("token_embd.weight", [5, 8]);

async function open(files: Record<string, Uint8Array>) {
  return (await openSelfDescribed(memoryModelSource(new Map(Object.entries(files)))))!;
}

async function readJson({ source }: Awaited<ReturnType<typeof open>>, name: string) {
  const size = (await source.list()).get(name)!;
  return JSON.parse(new TextDecoder().decode(await readBytes(source, name, 0, size)));
}

async function configOf(metadata: Parameters<typeof writeGguf>[0], ...more: WrittenGgufTensor[]) {
  return await readJson(await open({ "m.gguf": writeGguf(metadata, [EMBEDDING, ...more]) }), "config.json");
}

Deno.test("names of words that llama.cpp reads alike are read alike (llama-vocab.cpp)", () => {
  const groups = [
    "llama-bpe midm-2.0",
    "dbrx glm4 chatglm-bpe",
    "stablelm2 hunyuan grok-2 solar-open",
    "starcoder command-r exaone minerva-7b",
    "gpt-2 jais trillion granite-docling gigachat a.x-4.0 mellum exaone4",
    "gpt-4o kanana2",
  ];
  for (const names of groups) {
    const [first, ...others] = names.split(" ").map((name) => PRE_TOKENIZATIONS.get(name)!);
    for (const other of others) deepEqual(other, first, names);
  }
});

Deno.test("metadata become a config; what nobody knows is passed on", async () => {
  const config = await configOf({ ...LLAMA, "llama.unheard_of": 7, "tokenizer.ggml.eos_token_id": 3 });
  equal(config.model_type, "llama");
  deepEqual([config.vocab_size, config.head_dim, config.num_key_value_heads], [5, 4, 2]);
  deepEqual([config.rope_theta, config.tie_word_embeddings, config.eos_token_id], [10000, true, [3]]);
  equal(config.rms_norm_eps, Math.fround(1.5e-5));
  equal(config["llama.unheard_of"], 7);
  const own = await configOf(LLAMA, tensor("output.weight", [5, 8]), tensor("rope_freqs.weight", [2]));
  equal(own.tie_word_embeddings, false);
  deepEqual(own.rope_scaling, {
    rope_type: "longrope",
    short_factor: [0, 1],
    long_factor: [0, 1],
    attention_factor: 1,
  });
});

Deno.test("what the metadata say wrongly is told with the file's own name and keys", async () => {
  const refused = (changed: Record<string, unknown>, ...words: string[]) => {
    const metadata = { ...LLAMA, ...changed } as Parameters<typeof writeGguf>[0];
    const source = memoryModelSource(new Map([["m.gguf", writeGguf(metadata, [EMBEDDING])]]));
    return assertRefused(() => inspectModel(source), "BAD_CONFIG", "m.gguf", ...words);
  };
  await refused({ "llama.block_count": 70_000 }, "llama.block_count", "70000");
  await refused({ "llama.context_length": "long" }, "llama.context_length", "long");
  await refused({ "llama.attention.layer_norm_rms_epsilon": -1.5 }, "llama.attention.layer_norm_rms_epsilon");
});

Deno.test("rows of Llama's queries are read in the order of other files, whole and in pieces", async () => {
  // Two heads of four rows; the file has 0 2 1 3 of each.
  const stored = { ...tensor("blk.0.attn_q.weight", [8, 8]), values: new Float32Array(64) };
  [0, 2, 1, 3, 4, 6, 5, 7].forEach((row, place) => {
    for (let k = 0; k < 8; k++) stored.values[place * 8 + k] = row * 8 + k;
  });
  const { checkpoint } = await open({ "m.gguf": writeGguf(LLAMA, [EMBEDDING, stored]) });
  const entry = checkpoint.tensors.get("model.layers.0.self_attn.q_proj.weight")!;
  const whole = new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => i).buffer);
  deepEqual(await checkpoint.readTensor(entry), whole);
  for (const [begin, length] of [[0, 7], [30, 70], [128, 128], [200, 56]]) {
    const target = new Uint8Array(length);
    await checkpoint.readTensorInto(entry, begin, target);
    deepEqual(target, whole.slice(begin, begin + length));
  }
});

Deno.test("parts of a split file are one checkpoint", async () => {
  const part = (no: number, tensors: WrittenGgufTensor[]) =>
    writeGguf({ ...LLAMA, "split.no": no, "split.count": 2 }, tensors);
  const files = {
    "m-00001-of-00002.gguf": part(0, [EMBEDDING]),
    "m-00002-of-00002.gguf": part(1, [tensor("output_norm.weight", [8])]),
  };
  const { checkpoint } = await open(files);
  deepEqual([...checkpoint.tensors.keys()], ["model.embed_tokens.weight", "model.norm.weight"]);
  const { "m-00001-of-00002.gguf": first } = files;
  await assertRefused(
    () => open({ "m-00001-of-00002.gguf": first }),
    "FILE_NOT_FOUND",
    "m-00002-of-00002.gguf",
  );
  await assertRefused(() => open({ "m.gguf": first }), "BAD_FILE", "split.count");
  const twice = { ...files, "m-00002-of-00002.gguf": part(1, [EMBEDDING]) };
  await assertRefused(() => open(twice), "BAD_FILE", "token_embd.weight");
});

Deno.test("a SentencePiece tokenizer merges by score, keeps control tokens and falls back to bytes", async () => {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, "▁", "a", "b", "ab", "▁ab", "ba"];
  const scores = [0, 0, 0, ...bytes.map(() => 0), -5, -6, -7, -1, -2, -3].map((score) => score + 0.5);
  const types = [2.5, 3.5, 3.5, ...bytes.map(() => 6.5), 1.5, 1.5, 1.5, 1.5, 1.5, 1.5].map((type) =>
    type - 0.5
  );
  const metadata = {
    ...LLAMA,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.scores": scores,
    "tokenizer.ggml.token_type": types,
    "tokenizer.ggml.bos_token_id": 1,
  };
  const model = await open({ "m.gguf": writeGguf(metadata, [EMBEDDING]) });
  const json = new TextEncoder().encode(JSON.stringify(await readJson(model, "tokenizer.json")));
  const tokenizer = Tokenizer.parse(json);
  const textOf = (text: string) => tokenizer.encode(text).map((id) => tokens[id]);
  deepEqual(textOf("ab ba"), ["▁ab", "▁", "ba"]);
  deepEqual(textOf("abab"), ["▁ab", "ab"]);
  deepEqual(textOf("é"), ["▁", "<0xC3>", "<0xA9>"]);
  deepEqual(textOf("a</s>b"), ["▁", "a", "</s>", "▁", "b"]);
  deepEqual(tokenizer.encode("b", { addSpecialTokens: true })[0], 1);
  equal(tokenizer.decode(tokenizer.encode("ab é")), "ab é");
});

Deno.test("files that are wrong, and models that are not run, are refused by name", async () => {
  const valid = writeGguf(LLAMA, [EMBEDDING]);
  const changed = (at: number, ...bytes: number[]) => {
    const copy = valid.slice();
    copy.set(bytes, at);
    return copy;
  };
  const refused = (file: Uint8Array, code: Parameters<typeof assertRefused>[1], ...words: string[]) =>
    assertRefused(() => open({ "m.gguf": file }), code, "m.gguf", ...words);
  await refused(changed(0, 0x58), "BAD_FILE", "GGUF");
  await refused(changed(4, 0, 0, 0, 3), "UNSUPPORTED", "big-endian");
  await refused(changed(4, 1), "UNSUPPORTED", "version 1");
  await refused(changed(8, 255, 255, 255, 255), "BAD_FILE", "tensors");
  await refused(changed(16, 255, 255, 255, 255), "BAD_FILE", "metadata");
  await refused(changed(24, 255, 255, 255, 255, 255, 255, 255, 255), "BAD_FILE", "header");
  for (let length = 0; length < valid.length; length += 7) await refused(valid.slice(0, length), "BAD_FILE");
  const with_ = (...tensors: WrittenGgufTensor[]) => writeGguf(LLAMA, tensors);
  await refused(with_({ ...EMBEDDING, type: 39 }), "UNSUPPORTED", "token_embd.weight", "MXFP4");
  await refused(with_({ ...EMBEDDING, type: 12 }), "BAD_FILE", "token_embd.weight", "multiples of 256");
  await refused(with_({ ...EMBEDDING, offset: 1 << 20 }), "BAD_FILE", "token_embd.weight", "truncated");
  await refused(with_({ ...EMBEDDING, shape: [2 ** 40, 2 ** 40] }), "BAD_FILE", "token_embd.weight");
  await refused(with_(EMBEDDING, { ...tensor("x", [8]), offset: 32 }), "BAD_FILE", '"x"', "overlap");
  const named = (name: string) => writeGguf({ ...LLAMA, "general.architecture": name }, [EMBEDDING]);
  await refused(named("clip"), "UNSUPPORTED", "mmproj");
  await refused(named("mamba"), "UNSUPPORTED", "general.architecture", "mamba");
  const words = { ...LLAMA, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a"] };
  await refused(
    writeGguf({ ...words, "tokenizer.ggml.pre": "x" }, [EMBEDDING]),
    "UNSUPPORTED",
    "tokenizer.ggml.pre",
  );
  await refused(writeGguf(words, [EMBEDDING]), "BAD_TOKENIZER", "merges");
  const two = () => open({ "a.gguf": valid, "b.gguf": valid });
  ok((await assertRefused(two, "BAD_FILE", "a.gguf", "b.gguf")).message.includes("the name of the file"));
  equal((await open({ "a.gguf": valid, "mmproj-a.gguf": named("clip") })).checkpoint.tensors.size, 1);
});
