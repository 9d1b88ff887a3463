/** Loops are noticed, and what only looks alike is not. */
import assert from "node:assert/strict";
import { loadModel } from "../../mod.ts";
import { LoopGuard } from "../../src/generation/loop_guard.ts";
import { Random } from "../../src/sampling/random.ts";
import { goldenPath } from "../shared.ts";

/** Where the guard first speaks, in tokens. */
function noticedAt(ids: readonly number[]): number | undefined {
  const guard = new LoopGuard();
  const at = ids.findIndex((id) => guard.push(id));
  return at < 0 ? undefined : at + 1;
}

Deno.test("a stretch is noticed when it has come eight times and has 256 tokens, whatever came before", () => {
  for (const period of [1, 2, 3, 7, 31, 32, 33, 100, 128]) {
    const before = Array.from({ length: 57 }, (_, i) => 1000 + i);
    const loop = Array.from({ length: 20 * period + 300 }, (_, i) => i % period);
    assert.equal(noticedAt([...before, ...loop]), 57 + Math.max(256, 8 * period), `${period}`);
  }
});

Deno.test("longer stretches, counters and random tokens are not loops", () => {
  const random = Random.fromSeed(3);
  assert.equal(noticedAt(Array.from({ length: 5000 }, (_, i) => i % 129)), undefined);
  assert.equal(noticedAt(Array.from({ length: 5000 }, (_, i) => i % 5 === 0 ? 1000 + i : i % 5)), undefined);
  assert.equal(noticedAt(Array.from({ length: 5000 }, () => random.nextUint32() % 3)), undefined);
});

Deno.test("loopGuard ends an answer as a loop, and changes nothing before", async () => {
  await using model = await loadModel(goldenPath("arch-llama"), { threads: 1 });
  // A bias makes one token the likeliest always.
  const request = {
    prompt: "x",
    temperature: 0,
    maxTokens: 400,
    contextShift: true,
    logitBias: { 65: 1000 },
  };
  const whole = await model.complete(request);
  assert.deepEqual([whole.finishReason, whole.tokenIds.length], ["length", 400]);
  const guarded = await model.complete({ ...request, loopGuard: true });
  assert.deepEqual([guarded.finishReason, guarded.usage.completionTokens], ["loop", 256]);
  assert.deepEqual(guarded.tokenIds, whole.tokenIds.slice(0, 256));
  const short = await model.complete({ ...request, maxTokens: 200, loopGuard: true });
  assert.equal(short.finishReason, "length");
});
