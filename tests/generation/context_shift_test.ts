/** A full context is shifted exactly: what is left has the bits of a sequence that never saw anything else. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "../../mod.ts";
import { SINK_TOKENS } from "../../src/generation/context_shift.ts";
import { assertRefused } from "../errors.ts";
import { ARCHITECTURES } from "../goldens.ts";
import { goldenPath, goldenTest } from "../shared.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const BEGIN = "<|begin_of_text|>", PICTURE = "<|image|>";

const pictureOf = (name: string) => Deno.readFileSync(`${SCENES}/reference/${name}.png`);

/** Ids of ordinary tokens. */
const idsOf = (count: number) => Array.from({ length: count }, (_, i) => (i * 37 + 5) % 250);

// One of every rotary variant: plain, scaled for long contexts, two tables, only a part of each head, none in some layers.
for (const name of ARCHITECTURES) {
  goldenTest(name, `what is left after drop() has the bits of a fresh sequence`, async () => {
    for (const threads of [1, 2]) {
      await using model = await loadModel(goldenPath(name), { threads });
      const ids = idsOf(Math.min(model.info.contextSize, 90)).map((id) => id % model.info.vocabularySize);
      using shifted = model.createSequence();
      for (let i = 0; i < ids.length; i += 31) await shifted.forward(ids.slice(i, i + 31));
      const half = Math.floor((ids.length - SINK_TOKENS) / 2);
      await shifted.drop(SINK_TOKENS, SINK_TOKENS + half);
      using fresh = model.createSequence();
      const kept = ids.toSpliced(SINK_TOKENS, half);
      await fresh.forward(kept);
      assert.deepEqual(shifted.tokenIds, kept);
      assert.deepEqual((await shifted.forward([3])).data, (await fresh.forward([3])).data);
    }
  });
}

for (const crossAttentionRows of ["meta", "transformers"] as const) {
  Deno.test(`drop() drops pictures with their tokens, rows as ${crossAttentionRows}`, async () => {
    await using model = await loadModel(SCENES, { threads: 1, contextSize: 256, crossAttentionRows });
    const encode = (text: string) => model.tokenizer.encode(text);
    const [first, middle, last] = [
      `${BEGIN}${PICTURE}What is red?`,
      `${PICTURE}How many?`,
      `${PICTURE}Where is it?`,
    ]
      .map(encode);
    const [a, b, c] = ["one-tile", "wide", "two-by-two"].map(pictureOf);
    using shifted = model.createSequence();
    await shifted.forward([...first, ...middle, ...last], { images: [a, b, c] });
    const [keyA, , keyC] = shifted.pictureKeys;
    await shifted.drop(first.length, first.length + middle.length);
    assert.deepEqual(shifted.pictureKeys, [keyA, keyC]);
    using fresh = model.createSequence();
    await fresh.forward([...first, ...last], { images: [a, c] });
    assert.deepEqual((await shifted.forward([7])).data, (await fresh.forward([7])).data);
    await shifted.drop(0, first.length);
    assert.deepEqual(shifted.pictureKeys, [keyC]);
    using only = model.createSequence();
    await only.forward([...last, 7], { images: [c] });
    assert.deepEqual((await shifted.forward([9])).data, (await only.forward([9])).data);
  });
}

/** Sinks and the recent half, in plain words: what the shifted sequence must hold after each token. */
function expectedAfter(ids: readonly number[], sinks: number, contextSize: number): number[] {
  const kept: number[] = [];
  for (const id of ids) {
    if (kept.length === contextSize) kept.splice(sinks, Math.floor((contextSize - sinks) / 2));
    kept.push(id);
  }
  return kept;
}

Deno.test("an answer goes on beyond the context; without contextShift it ends there", async () => {
  const contextSize = 48;
  await using model = await loadModel(SCENES, { threads: 1, contextSize });
  const request = {
    prompt: `${BEGIN}There are`,
    logitBias: banned(model),
    temperature: 0,
  };
  using sequence = model.createSequence();
  const answer = await model.complete({ ...request, maxTokens: 120, contextShift: true, sequence });
  assert.equal(answer.tokenIds.length, 120);
  assert.equal(answer.finishReason, "length");
  const promptIds = model.tokenizer.encode(request.prompt);
  const all = [...promptIds, ...answer.tokenIds];
  assert.deepEqual(sequence.tokenIds, expectedAfter(all.slice(0, -1), SINK_TOKENS, contextSize));
  // The last token is the likeliest one behind what the sequence holds.
  using fresh = model.createSequence();
  const { data } = await fresh.forward(sequence.tokenIds);
  for (const id of Object.keys(request.logitBias)) data[Number(id)] = -Infinity;
  assert.equal(data.indexOf(Math.max(...data)), answer.tokenIds.at(-1));

  const ended = await model.complete({ ...request, maxTokens: 120 });
  assert.equal(ended.usage.promptTokens + ended.usage.completionTokens, contextSize + 1);
});

Deno.test("a prompt beyond the context is cut to first and recent tokens, or refused", async () => {
  const contextSize = 48;
  await using model = await loadModel(SCENES, { threads: 1, contextSize });
  const ids = model.tokenizer.encode(`${PICTURE}${BEGIN}`).concat(idsOf(60));
  const place = 20, images = [pictureOf("one-tile"), pictureOf("wide")];
  ids.splice(place, 0, ids[0]);
  using sequence = model.createSequence();
  const request = { prompt: ids, images, maxTokens: 1, temperature: 0, sequence };
  await assertRefused(() => model.complete(request), "CONTEXT_OVERFLOW", "48", "63");
  const { usage } = await model.complete({ ...request, contextShift: true });
  const kept = expectedAfter(ids, SINK_TOKENS, contextSize);
  assert.deepEqual(sequence.tokenIds, kept);
  assert.equal(usage.promptTokens, kept.length);
  assert.equal(sequence.pictureKeys.length, 1, "the second picture's token was cut out");
  const again = await model.complete({ ...request, prompt: [...ids, 3], contextShift: true });
  assert.equal(again.usage.cachedTokens, kept.length, "a longer prompt is cut in the same place");
});

Deno.test("tokens that begin a text are never cut", async () => {
  await using model = await loadModel(SCENES, { threads: 1, contextSize: 24 });
  const ids = model.tokenizer.encode(PICTURE.repeat(6) + BEGIN).concat(idsOf(30));
  const images = ["one-tile", "wide", "one-tile", "wide", "one-tile", "wide"].map(pictureOf);
  using sequence = model.createSequence();
  await model.complete({ prompt: ids, images, maxTokens: 1, contextShift: true, sequence });
  assert.deepEqual(sequence.tokenIds, expectedAfter(ids, 7, 24));
  assert.equal(sequence.pictureKeys.length, 6);
});

Deno.test("a context that holds only the first tokens cannot be shifted", async () => {
  await using model = await loadModel(SCENES, { threads: 1, contextSize: SINK_TOKENS + 1 });
  await assertRefused(
    () => model.complete({ prompt: [5], maxTokens: 9, contextShift: true }),
    "CONTEXT_OVERFLOW",
    `${SINK_TOKENS + 1}`,
  );
});

Deno.test("drop() refuses a range that is not there, and keeps what an abort leaves", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  using sequence = model.createSequence();
  await sequence.forward(idsOf(20));
  for (const [begin, end] of [[-1, 3], [3, 2], [0, 21], [0.5, 2]]) {
    await assertRefused(() => sequence.drop(begin, end), "BAD_ARGUMENT", `${begin} to ${end}`);
  }
  assert.equal(sequence.length, 20);
  const reason = new Error("enough");
  await assert.rejects(sequence.drop(1, 2, { signal: AbortSignal.abort(reason) }), reason);
  assert.equal(sequence.length, 0);
  await sequence.forward(idsOf(20));
});

/** A bias against special tokens: no answer ends by itself. */
function banned({ tokenizer, info }: Model): Record<number, number> {
  const special = Array.from({ length: info.vocabularySize }, (_, id) => id)
    .filter((id) => tokenizer.decode([id], { skipSpecialTokens: true }) === "");
  return Object.fromEntries(special.map((id) => [id, -Infinity]));
}
