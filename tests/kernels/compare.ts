/**
 * Comparisons whose failures say what, where and how to replay.
 *
 * @module
 */
import { fail, ok, strictEqual } from "node:assert/strict";
import type { Bounded } from "../reference/code_matrix.ts";

/** Every value is finite and within its own bound of the reference. */
export function assertWithin(actual: ArrayLike<number>, { values, bounds }: Bounded, label: string): void {
  strictEqual(actual.length, values.length, label);
  let worst = -1, excess = 0;
  for (let i = 0; i < actual.length; i++) {
    ok(Number.isFinite(values[i]) && Number.isFinite(bounds[i]), `${label}: the reference is finite at ${i}`);
    const error = Math.abs(actual[i] - values[i]);
    if (!(error <= bounds[i])) {
      const ratio = Number.isNaN(error) ? Infinity : error / bounds[i];
      if (worst < 0 || ratio > excess) [worst, excess] = [i, ratio];
    }
  }
  if (worst >= 0) {
    fail(`${label}: element ${worst} is ${actual[worst]}, reference ${values[worst]} ± ${bounds[worst]}`);
  }
}

/** Whether anything lies outside its bound; used to show that a bound detects a fault. */
export function isOutside(actual: ArrayLike<number>, { values, bounds }: Bounded): boolean {
  return Array.from(values).some((value, i) => !(Math.abs(actual[i] - value) <= bounds[i]));
}

/** Bit for bit the same. */
export function assertSameBits(actual: Float32Array, expected: Float32Array, label: string): void {
  strictEqual(actual.length, expected.length, label);
  const a = new Uint32Array(actual.buffer, actual.byteOffset, actual.length);
  const b = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) fail(`${label}: element ${i} is ${actual[i]}, not ${expected[i]}, bit for bit`);
  }
}

export function assertAllNaN(values: Float32Array, label: string): void {
  values.forEach((value, i) => ok(Number.isNaN(value), `${label}: element ${i} is ${value}`));
}
