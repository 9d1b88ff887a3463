/**
 * Calls of several sequences at once, and calls that are stopped in the middle of a step: everything has the bits of one call
 * after the other. A clock that jumps makes every place where events may come in one where they do.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel, type Model, type Sequence } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath, goldenTest } from "../shared.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

/** Never back: who remembers a time must not find it in the future. */
let seconds = 0;

/** Runs `work` with a clock on which a second passes between any two looks at it. */
async function withJumpingClock<T>(work: () => Promise<T>): Promise<T> {
  const { now } = performance;
  performance.now = () => now.call(performance) + 1000 * ++seconds;
  try {
    return await work();
  } finally {
    performance.now = now;
  }
}

function prompt(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => 5 + (i * seed) % 200);
}

/** Logits of a prompt and the token behind it. */
async function run(model: Model, ids: number[], image?: Uint8Array): Promise<Float32Array[]> {
  using sequence = model.createSequence();
  const images = image && [image];
  const whole = image ? model.tokenizer.encode("<|begin_of_text|><|image|>").concat(ids) : ids;
  const first = await sequence.forward(whole, { images, logits: "all" });
  return [first.data, (await sequence.forward([9])).data];
}

for (const threads of [1, 2]) {
  Deno.test(`sequences and pictures at once have the bits of one after the other, ${threads} threads`, async () => {
    const picture = Deno.readFileSync(`${SCENES}/reference/two-by-two.png`);
    const calls = [prompt(600, 7), prompt(40, 11), prompt(530, 3)];
    const ask = (model: Model) => [
      ...calls.map((ids) => () => run(model, ids)),
      () => run(model, prompt(30, 5), picture),
      () => run(model, prompt(20, 13), picture),
    ];
    await using model = await loadModel(SCENES, { threads });
    const apart: Float32Array[][] = [];
    for (const call of ask(model)) apart.push(await call());
    // A model of its own: this one has seen the picture.
    await using other = await loadModel(SCENES, { threads });
    const together = await withJumpingClock(() => Promise.all(ask(other).map((call) => call())));
    assert.deepEqual(together, apart);
  });
}

for (const name of ["arch-gemma3-text", "gptq-desc-act", "arch-phi3-longrope"]) {
  goldenTest(name, `two sequences at once have the bits of one after the other`, async () => {
    await using model = await loadModel(goldenPath(name), { threads: 2 });
    const length = Math.min(90, model.info.contextSize - 1);
    const calls = [prompt(length, 7), prompt(length - 20, 11)];
    const apart = [await run(model, calls[0]), await run(model, calls[1])];
    const together = await withJumpingClock(() => Promise.all(calls.map((ids) => run(model, ids))));
    assert.deepEqual(together, apart);
  });
}

Deno.test("a step that is stopped leaves the sequence as it was before, wherever it stops", async () => {
  await using model = await loadModel(SCENES, { threads: 2 });
  const ids = prompt(700, 7), others = prompt(300, 3);
  using straight = model.createSequence();
  await straight.forward(ids.slice(0, 512));
  const expected = (await straight.forward(others)).data;
  const reason = new Error("enough");
  /** Stops at the n-th progress that is told behind the first step; returns how many were told. */
  const forward = async (sequence: Sequence, at: number) => {
    const controller = new AbortController();
    let isSecond = false, told = 0;
    const onPromptProgress = (done: number) => {
      if (isSecond && ++told === at) controller.abort(reason);
      isSecond ||= sequence.length === 512 && done === 512;
    };
    const { signal } = controller;
    await withJumpingClock(() => sequence.forward(ids, { signal, onPromptProgress })).catch((error) => {
      assert.equal(error, reason);
    });
    return told;
  };
  using whole = model.createSequence();
  const told = await forward(whole, Infinity);
  assert.ok(told > model.info.layerCount, "within the layers");
  // The last one is told when the step is done.
  for (let at = 1; at < told; at++) {
    using sequence = model.createSequence();
    assert.equal(await forward(sequence, at), at, "heard at the next half of a layer");
    assert.equal(sequence.length, 512, "the first step is kept, the second is not");
    assert.deepEqual((await sequence.forward(others)).data, expected, `stopped at ${at}`);
  }
});

Deno.test("a call that waits for its turn hears the signal and a disposal at once", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  using busy = model.createSequence();
  using waiting = model.createSequence();
  const reason = new Error("enough");
  const controller = new AbortController();
  await withJumpingClock(async () => {
    let isDone = false;
    const long = busy.forward(prompt(900, 7)).then(() => isDone = true);
    const stopped = waiting.forward([5, 6], { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(stopped, reason);
    assert.ok(!isDone);
    assert.equal(waiting.length, 0);
    await long;
  });
  assert.equal((await waiting.forward([5, 6])).rows, 1);
});

Deno.test("a sequence that is disposed in the middle of a step ends it and disturbs nobody", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const ids = prompt(400, 7);
  const [expected] = await run(model, ids);
  await withJumpingClock(async () => {
    const disposed = model.createSequence();
    const ended = disposed.forward(prompt(400, 3), { onPromptProgress: () => disposed.dispose() });
    const [other] = await Promise.all([
      run(model, ids),
      assertRefused(() => ended, "BAD_ARGUMENT", "disposed"),
    ]);
    assert.deepEqual(other[0], expected);
  });
});
