/**
 * Truth: `Math.*` of the host, which is itself within one ulp; so two correct results differ by few ulp.
 * Exact values come from IEEE 754 (powers of two, overflow and underflow limits).
 */
import assert from "node:assert/strict";
import { exp, log, pow } from "../../src/core/mathematics.ts";

/** Distance of two doubles of one sign, counted in representable numbers. */
function ulps(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  const bits = new BigInt64Array(new Float64Array([a, b]).buffer);
  const distance = bits[0] - bits[1];
  return Number(distance < 0n ? -distance : distance);
}

function worst(
  ours: (x: number) => number,
  host: (x: number) => number,
  arguments_: Iterable<number>,
): number {
  let distance = 0;
  for (const x of arguments_) distance = Math.max(distance, ulps(ours(x), host(x)));
  return distance;
}

/** A full-period walk through [0, 1): golden-ratio steps, no random source needed. */
function* unit(count: number): Generator<number> {
  for (let i = 1; i <= count; i++) yield (i * 0.6180339887498949) % 1;
}

function* mapped(count: number, f: (u: number) => number): Generator<number> {
  for (const u of unit(count)) yield f(u);
}

Deno.test("exp() is within 2 ulp of the host over its whole range", () => {
  assert.ok(worst(exp, Math.exp, mapped(100_000, (u) => u * 1454 - 745)) <= 2);
  assert.ok(worst(exp, Math.exp, mapped(100_000, (u) => u * 2 - 1)) <= 2);
});

Deno.test("exp() has the exact special values", () => {
  assert.equal(exp(0), 1);
  assert.equal(exp(-Infinity), 0);
  assert.equal(exp(Infinity), Infinity);
  assert.equal(exp(709.79), Infinity);
  assert.equal(exp(-745.14), 0);
  assert.ok(exp(-745.1) === Number.MIN_VALUE);
  assert.ok(Number.isNaN(exp(NaN)));
});

Deno.test("log() is within 2 ulp of the host over its whole range", () => {
  assert.ok(worst(log, Math.log, mapped(100_000, (u) => Math.exp(u * 1400 - 700))) <= 2);
  assert.ok(worst(log, Math.log, mapped(100_000, (u) => 0.5 + u)) <= 2);
  assert.ok(worst(log, Math.log, mapped(1000, (u) => u * 2.2e-308)) <= 2, "subnormals");
});

Deno.test("log() has the exact special values", () => {
  assert.equal(log(1), 0);
  assert.equal(log(0), -Infinity);
  assert.equal(log(Infinity), Infinity);
  assert.ok(Number.isNaN(log(-1)));
  assert.ok(Number.isNaN(log(NaN)));
});

Deno.test("pow() is within 4 ulp of the host, also where the result is huge or tiny", () => {
  for (const base of [10000, 500000, 1e6, 1.0000001, 0.3, 7, 1e-300, 5e-324]) {
    const reach = 700 / Math.abs(Math.log(base));
    const found = worst((y) => pow(base, y), (y) => base ** y, mapped(20_000, (u) => (u * 2 - 1) * reach));
    assert.ok(found <= 4, `base ${base}: ${found} ulp`);
  }
});

Deno.test("pow() of two is within 1 ulp of the exact power, subnormals included", () => {
  for (let k = -1074; k <= 1023; k++) {
    const bits = k < -1022 ? 1n << BigInt(k + 1074) : BigInt(k + 1023) << 52n;
    const [exact] = new Float64Array(new BigInt64Array([bits]).buffer);
    assert.ok(ulps(pow(2, k), exact) <= 1, `2^${k}`);
  }
});

Deno.test("pow() has the special values of **", () => {
  const values = [0, -0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1e300, Infinity, -Infinity, NaN];
  for (const base of values) {
    for (const exponent of values) {
      if (Object.is(pow(base, exponent), base ** exponent)) continue;
      assert.ok(ulps(pow(base, exponent), base ** exponent) <= 4, `${base} ** ${exponent}`);
    }
  }
});
