/**
 * Truth: published output of the reference implementations. xoshiro128** from state {1, 2, 3, 4}: the vector
 * in rand_xoshiro, made with xoshiro128starstar.c 1.1. SplitMix64 from seed 1234567: Rosetta Code,
 * "Pseudo-random numbers/Splitmix64".
 */
import assert from "node:assert/strict";
import { Random, splitMix64 } from "../../src/sampling/random.ts";

Deno.test("Random has the published output of xoshiro128**", () => {
  const random = Random.fromState([1, 2, 3, 4]);
  const expected = [
    11520,
    0,
    5927040,
    70819200,
    2031721883,
    1637235492,
    1287239034,
    3734860849,
    3729100597,
    4258142804,
  ];
  assert.deepEqual(expected.map(() => random.nextUint32()), expected);
});

Deno.test("splitMix64() has the published output", () => {
  const expected = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n];
  const found = expected.map((_, i) => splitMix64(1234567n + 0x9e3779b97f4a7c15n * BigInt(i + 1)));
  assert.deepEqual(found, expected);
});

Deno.test("Random.fromSeed() fills the state with SplitMix64, low word first", () => {
  const bits = [6457827717110365317n, 3203168211198807973n];
  const words = bits.flatMap((b) => [Number(b & 0xffffffffn), Number(b >> 32n)]);
  const expected = Random.fromState(words as [number, number, number, number]);
  const found = Random.fromSeed(1234567);
  for (let i = 0; i < 8; i++) assert.equal(found.nextUint32(), expected.nextUint32());
});

Deno.test("Random takes the same seed as number and bigint, and negative ones", () => {
  assert.equal(Random.fromSeed(42).nextUint32(), Random.fromSeed(42n).nextUint32());
  assert.equal(Random.fromSeed(-1).nextUint32(), Random.fromSeed((1n << 64n) - 1n).nextUint32());
  assert.notEqual(Random.fromSeed(42).nextUint32(), Random.fromSeed(43).nextUint32());
});

Deno.test("nextFloat() is uniform in [0, 1)", () => {
  // 100 cells, 100,000 draws: chi-square has 99 degrees of freedom; 149 is its 99.9 % point.
  const random = Random.fromSeed(7);
  const cells = new Array(100).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const u = random.nextFloat();
    assert.ok(u >= 0 && u < 1);
    cells[Math.floor(u * 100)]++;
  }
  const chiSquare = cells.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 149, `${chiSquare}`);
});

Deno.test("nextFloat() has 53 bits: the first 27 from one draw, the last 26 from the next", () => {
  const words = Random.fromState([1, 2, 3, 4]);
  const floats = Random.fromState([1, 2, 3, 4]);
  for (let i = 0; i < 5; i++) {
    const bits = (BigInt(words.nextUint32() >>> 5) << 26n) | BigInt(words.nextUint32() >>> 6);
    assert.equal(floats.nextFloat(), Number(bits) / 2 ** 53);
  }
});
