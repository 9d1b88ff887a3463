/** Memory of an answer is reserved or refused before anything is computed, and what is reserved is not yet taken. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel, memoryModelSource, type Model, RemoraError, type Sequence } from "../../mod.ts";
import { assertRefused } from "../errors.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
/** Tokens whose keys and values take 1.7 GB in the embedded model's shape: one memory holds two such sequences. */
const LONG = 1 << 20;

/** The embedded model with a decoder that promises so many tokens. */
async function loadLong(): Promise<Model> {
  const files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(SCENES)) {
    if (isFile) files.set(name, Deno.readFileSync(`${SCENES}/${name}`));
  }
  const config = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  config.text_config.max_position_embeddings = LONG;
  files.set("config.json", new TextEncoder().encode(JSON.stringify(config)));
  const source = memoryModelSource(files);
  const sizes = { contextSize: LONG, memoryBytes: Infinity, kvCache: "f32" as const };
  return await loadModel(source, { threads: 1, ...sizes });
}

const residentMegabytes = () => Deno.memoryUsage().rss / 2 ** 20;

Deno.test("what is reserved takes no memory until it is used, the second time too", async () => {
  await using model = await loadLong();
  using sequence = model.createSequence();
  await sequence.forward([1, 2, 3]);
  const before = residentMegabytes();
  for (let round = 0; round < 3; round++) {
    using _reserved = sequence.reserve(LONG / 2);
    await sequence.forward([4, 5]);
    assert.ok(residentMegabytes() - before < 100, `of 850 MB that are reserved, round ${round}`);
  }
});

Deno.test("an answer that there is no memory for is refused before anything is computed", async () => {
  await using model = await loadLong();
  const holders: Sequence[] = [];
  let refusal: unknown;
  while (!refusal && holders.length < 3) {
    const holder = model.createSequence();
    holders.push(holder);
    try {
      holder.reserve(LONG);
    } catch (error) {
      refusal = error;
    }
  }
  assert.ok(refusal instanceof RemoraError && refusal.code === "OUT_OF_MEMORY");
  assert.match(refusal.message, /expected room for keys and values of 1,048,576 tokens, 1\.[67] GB, found /);
  using sequence = model.createSequence();
  const chunks: string[] = [];
  const generate = async (maxTokens?: number) => {
    for await (const { text } of model.generate({ prompt: [1, 2, 3], maxTokens, sequence })) {
      chunks.push(text);
    }
  };
  await assertRefused(() => generate(), "OUT_OF_MEMORY", "1,048,576 tokens");
  assert.equal(sequence.length, 0);
  assert.deepEqual(chunks, []);
  await generate(2);
  assert.ok(sequence.length > 0, "a shorter answer finds room");
  for (const holder of holders) holder.dispose();
  const fits = sequence.reserve(LONG);
  fits[Symbol.dispose]();
});

Deno.test("reserving beyond the context is refused", async () => {
  await using model = await loadModel(SCENES, { threads: 1, contextSize: 32 });
  using sequence = model.createSequence();
  await assertRefused(() => sequence.reserve(33), "CONTEXT_OVERFLOW", "32", "33");
  sequence.reserve(32);
  await sequence.forward(Array(32).fill(5));
});

Deno.test("a prompt tells how much of it is read", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  using sequence = model.createSequence();
  const told: number[][] = [];
  const onPromptProgress = (done: number, total: number) => told.push([done, total]);
  const prompt = Array.from({ length: 1100 }, (_, i) => 5 + i % 200);
  await model.complete({ prompt, maxTokens: 3, sequence, onPromptProgress });
  const dones = told.map(([done]) => done);
  assert.deepEqual(dones, dones.toSorted((a, b) => a - b));
  for (const step of [512, 1024, 1100]) assert.ok(dones.includes(step));
  assert.ok(told.every(([, total]) => total === 1100));
  await model.complete({ prompt: [...prompt, 7], maxTokens: 3, sequence, onPromptProgress });
  assert.deepEqual(told.at(-1), [1, 1], "the rest is new");
});

Deno.test("with maxTokens 0 a prompt is read into the sequence", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  using sequence = model.createSequence();
  const prompt = [5, 6, 7, 8];
  const { tokenIds, usage } = await model.complete({ prompt, maxTokens: 0, sequence });
  assert.deepEqual(tokenIds, []);
  assert.equal(usage.promptTokens, 4);
  assert.deepEqual(sequence.tokenIds, prompt);
});
