/**
 * Sequences that run at the same time, against the same sequences one after the other: every bit must be equal.
 */
import assert from "node:assert/strict";
import { loadModel, type LoadOptions, type Model } from "../../mod.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { HostEvents } from "../../src/platform/events.ts";
import { Scheduler } from "../../src/sequence/scheduler.ts";
import type { Decoder, Step } from "../../src/models/decoder.ts";
import { goldenPath, goldenTest } from "../shared.ts";
import { smallestBanks } from "../smallest_banks.ts";

const SCENES = "models/scenes-mllama-int4";

/** Prompts of different lengths, so that the sequences are at different positions. */
const PROMPTS = [[1], [5, 6, 7], [9, 8], [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1], [8], [2, 8, 1, 8], [
  4,
  4,
  4,
  4,
  4,
]];

/** Logits of a prompt and of `count` greedy tokens behind it. */
async function follow(model: Model, prompt: readonly number[], count: number): Promise<Float32Array[]> {
  using sequence = model.createSequence();
  const rows: Float32Array[] = [];
  let ids = [...prompt];
  for (let i = 0; i <= count; i++) {
    const { data } = await sequence.forward(ids);
    rows.push(data);
    ids = [data.indexOf(data.reduce((most, x) => Math.max(most, x)))];
  }
  return rows;
}

async function assertSameTogether(model: Model, count: number): Promise<void> {
  const alone: Float32Array[][] = [];
  for (const prompt of PROMPTS) alone.push(await follow(model, prompt, count));
  for (const size of [2, 3, PROMPTS.length]) {
    const together = await Promise.all(PROMPTS.slice(0, size).map((prompt) => follow(model, prompt, count)));
    assert.deepEqual(together, alone.slice(0, size), `${size} sequences`);
  }
}

const CASES: [string, LoadOptions][] = [
  ["gptq-v1-sym-g32", { threads: 1 }],
  ["gptq-desc-act", { threads: 2, kvCache: "int8" }],
  ["arch-gemma3-text", { threads: 2 }],
  ["arch-mistral", { threads: 1, precision: "f32" }],
  ["arch-phi3-longrope", { threads: 1, kernels: "strict" }],
];

for (const [name, options] of CASES) {
  goldenTest(name, `sequences in one pass get the bits that each gets alone`, async () => {
    await using model = await loadModel(goldenPath(name), options);
    await assertSameTogether(model, 12);
  });
}

goldenTest("arch-gemma3-text", "sequences in one pass through several memories, the same", async () => {
  const path = goldenPath("arch-gemma3-text"), bankBytes = await smallestBanks(path, { threads: 2 });
  await using model = await loadModel(path, { threads: 2, bankBytes });
  assert.ok(model.engine.memories > 1);
  await assertSameTogether(model, 12);
});

Deno.test("answers about pictures at the same time are those of one after the other", async () => {
  await using model = await loadModel(SCENES, { threads: 2 });
  const pictures = ["one-tile", "wide", "two-by-two"].map((name) =>
    Deno.readFileSync(`${SCENES}/reference/${name}.png`)
  );
  const ask = (image: Uint8Array | undefined, content: string) =>
    model.complete({
      messages: [{ role: "user", content }],
      ...(image && { images: [image] }),
      maxTokens: 12,
      temperature: 0.8,
      seed: 5,
    });
  const requests = [...pictures, undefined].map((image) => () => ask(image, "Describe the picture."));
  const alone = [];
  for (const request of requests) alone.push(await request());
  const together = await Promise.all(requests.map((request) => request()));
  assert.deepEqual(together.map(({ tokenIds }) => tokenIds), alone.map(({ tokenIds }) => tokenIds));
});

Deno.test("a sequence that is stopped while others advance stops alone", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const expected = await follow(model, [5, 6, 7], 20);
  const controller = new AbortController();
  const stopped = model.complete({ prompt: [1, 2], maxTokens: 200, stop: [], signal: controller.signal });
  const going = follow(model, [5, 6, 7], 20);
  setTimeout(() => controller.abort(new Error("enough")), 1);
  await assert.rejects(stopped, /enough/);
  assert.deepEqual(await going, expected);
});

/** A decoder that only counts the steps of its passes, and sequences that advance as the token loop does. */
function countedPasses(onPass: () => void = () => {}) {
  const sizes: number[] = [];
  const decoder = {
    rows: 8,
    config: { vocabularySize: 1 },
    *forward(steps: readonly Step[]) {
      sizes.push(steps.length);
      onPass();
      yield 1;
    },
    logits() {},
  } as unknown as Decoder;
  const scheduler = new Scheduler(decoder, new HostEvents(denoPlatform));
  const run = async (tokens: number) => {
    const cache = {} as Step["cache"];
    for (let i = 0; i < tokens; i++) {
      const place = { start: i, length: i + 1, cache };
      await scheduler.run({ segments: [{ ids: [1] }], rows: 1, ...place, results: 0 });
      await denoPlatform.pause("short");
    }
  };
  return { sizes, run };
}

Deno.test("sequences that keep coming share every pass", async () => {
  const { sizes, run } = countedPasses();
  await run(3);
  assert.deepEqual(sizes.splice(0), [1, 1, 1]);
  await Promise.all(Array.from({ length: 11 }, () => run(5)));
  assert.equal(sizes.reduce((sum, size) => sum + size), 55);
  assert.equal(Math.max(...sizes), 8, "no more than a pass holds");
  assert.ok(sizes.length <= 20, `${sizes}`);
});

for (const count of [2, 3, 4]) {
  Deno.test(`${count} sequences of which each begins while another's pass runs soon share every pass`, async () => {
    const others: Promise<void>[] = [];
    const { sizes, run } = countedPasses(() => {
      if (others.length < count - 1) others.push(run(20));
    });
    await run(20);
    await Promise.all(others);
    // The first passes gather them, the last ones have those that began later.
    assert.deepEqual(sizes.slice(count, 15), Array(15 - count).fill(count), `${sizes}`);
  });
}

Deno.test("where requests are answered one at a time, a step waits for nobody: a request's timers end with it", async () => {
  const decoder = {
    rows: 8,
    config: { vocabularySize: 1 },
    *forward() {
      yield 1;
    },
    logits() {},
  } as unknown as Decoder;
  const never = { pause: () => new Promise<void>(() => {}), requestsMax: 1 };
  const scheduler = new Scheduler(decoder, new HostEvents(never));
  for (const cache of [{}, {}, {}]) {
    for (let i = 0; i < 3; i++) {
      const place = { start: i, length: i + 1, cache: cache as Step["cache"] };
      await scheduler.run({ segments: [{ ids: [1] }], rows: 1, ...place, results: 0 });
    }
  }
});

Deno.test("a step that waits for others hears its signal at once, and they go on", async () => {
  const passes: number[] = [];
  const decoder = {
    rows: 8,
    config: { vocabularySize: 1 },
    *forward(steps: readonly Step[]) {
      passes.push(steps.reduce((sum, { rows }) => sum + rows, 0));
      // Long enough for events to be let in on the way.
      for (const until = performance.now() + 400; performance.now() < until;) yield 1;
    },
    logits() {},
  } as unknown as Decoder;
  const scheduler = new Scheduler(decoder, new HostEvents(denoPlatform));
  const step = (rows: number): Step => ({
    segments: [],
    rows,
    start: 0,
    length: rows,
    cache: undefined!,
    results: 0,
  });
  const long = scheduler.run(step(2));
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = scheduler.run(step(1), { signal });
  setTimeout(() => controller.abort(new Error("enough")), 10);
  await assert.rejects(waiting, /enough/);
  assert.deepEqual(passes, [2], "the other pass still runs");
  await assert.rejects(scheduler.run(step(1), { signal }), /enough/);
  await long;
  await scheduler.run(step(1));
  assert.deepEqual(passes, [2, 1]);
});

goldenTest(
  "gptq-v1-sym-g32",
  "a traced step comes in one piece although a token has just been generated",
  async () => {
    await using model = await loadModel(goldenPath("gptq-v1-sym-g32"), { threads: 1 });
    using generating = model.createSequence();
    await generating.forward([1]);
    using sequence = model.createSequence();
    // More rows than a prompt's first piece has beside others.
    const ids = Array.from({ length: 100 }, (_, i) => 1 + i % 50);
    const lengths: number[] = [];
    await sequence.forward(ids, {
      trace: (step, { shape }) => {
        if (step === "embed") lengths.push(shape[0]);
      },
    });
    assert.deepEqual(lengths, [100]);
  },
);
