/**
 * A sequence that passes LongRoPE's original context is as if computed with the long factors from its start, however it came there:
 * each way is compared with a fresh sequence of the same tokens, bit by bit.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource, type Model, type Sequence } from "../../mod.ts";
import { goldenPath } from "../shared.ts";

const GOLDEN = goldenPath("arch-phi3-longrope");
const { original_max_position_embeddings: original } = JSON.parse(
  Deno.readTextFileSync(`${GOLDEN}/config.json`),
);
const idsOf = (count: number) => Array.from({ length: count }, (_, i) => (i * 37 + 5) % 250);

async function fresh(model: Model, ids: readonly number[]): Promise<Float32Array> {
  using sequence = model.createSequence();
  return (await sequence.forward(ids)).data;
}

/** Appends a token and compares its logits with those of a sequence that is computed at once. */
async function assertAsFresh(model: Model, sequence: Sequence, what: string): Promise<void> {
  const ids = [...sequence.tokenIds, 7];
  assert.deepEqual((await sequence.forward([7])).data, await fresh(model, ids), what);
}

Deno.test("in pieces, one by one, after cutting, dropping and restoring", async () => {
  await using model = await loadModel(GOLDEN, { threads: 2 });
  const ids = idsOf(original + 5);
  for (const size of [1, 7, original, original + 1]) {
    using sequence = model.createSequence();
    for (let begin = 0; begin < ids.length; begin += size) {
      await sequence.forward(ids.slice(begin, begin + size));
    }
    await assertAsFresh(model, sequence, `calls of ${size}`);
    const snapshot = await sequence.snapshot();
    sequence.truncate(original - 3);
    await assertAsFresh(model, sequence, "cut back to the short factors");
    const short = await sequence.snapshot();
    await sequence.forward(ids.slice(0, 4));
    await assertAsFresh(model, sequence, "grown again");
    await sequence.restore(short);
    await assertAsFresh(model, sequence, "a short one restored");
    await sequence.restore(snapshot);
    sequence.truncate(original - 3);
    using other = model.createSequence();
    await other.restore(await sequence.snapshot());
    await assertAsFresh(model, other, "one that was cut back, restored elsewhere");
    await sequence.restore(snapshot);
    await sequence.drop(2, 12);
    await assertAsFresh(model, sequence, "dropped to the short factors");
  }
});

Deno.test("sequences on both sides share passes, and an abort on the way leaves one that goes on", async () => {
  await using model = await loadModel(GOLDEN, { threads: 1 });
  const grow = async (length: number) => {
    using sequence = model.createSequence();
    await sequence.forward(idsOf(length), { logits: "none" });
    for (let i = 0; i < 6; i++) await sequence.forward([i]);
    await assertAsFresh(model, sequence, `from ${length}`);
  };
  await Promise.all([3, original - 3, original - 2, original + 1].map(grow));
  using sequence = model.createSequence();
  await sequence.forward(idsOf(original), { logits: "none" });
  const reason = new Error("enough");
  await assert.rejects(sequence.forward([1], { signal: AbortSignal.abort(reason) }), reason);
  await assertAsFresh(model, sequence, "after an abort");
});

Deno.test("guesses never pass the original context with the token before it, and change no answer", async () => {
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(GOLDEN)) files.set(name, Deno.readFileSync(`${GOLDEN}/${name}`));
  // It has none of its own; ids are all that is used here.
  files.set("tokenizer.json", Deno.readFileSync(`${goldenPath("arch-llama")}/tokenizer.json`));
  await using model = await loadModel(memoryModelSource(files), { threads: 1 });
  const pattern = [10, 20, 30, 40];
  const prompt = Array.from({ length: original - 6 }, (_, i) => pattern[i % 4]);
  const request = { prompt, maxTokens: 14, temperature: 0 };
  const plain = await model.complete(request);
  assert.deepEqual(await model.complete({ ...request, promptLookup: 8 }), plain);
});
