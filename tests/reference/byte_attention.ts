/**
 * Attention in bytes as docs/numerics.md defines it, one element after the other, in f64 from the codes on: what the kernel must give
 * up to the rounding of f32.
 *
 * @module
 */
import type { AttentionProblem } from "./attention.ts";

const BLOCK = 32;

interface Codes {
  codes: number[];
  unit: number;
}

/** Integers up to `limit`, and what one is worth; the kernel rounds a product of f32. */
function coded(vector: Float32Array, limit: number): Codes {
  const largest = vector.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const factor = Math.fround(limit / largest);
  return { codes: Array.from(vector, (x) => roundEven(Math.fround(x * factor))), unit: largest / limit };
}

function roundEven(x: number): number {
  const low = Math.floor(x), rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** Output [heads · size] of the query in `row` over the first counts[b] tokens of each block. */
export function byteAttentionRow(
  { queries, keys, values, heads, headSize, scale }: AttentionProblem,
  row: number,
  counts: readonly number[],
): Float64Array {
  const result = new Float64Array(heads * headSize);
  for (let head = 0; head < heads; head++) {
    const headOf = (vector: Float32Array) => vector.subarray(head * headSize, (head + 1) * headSize);
    const query = coded(headOf(queries[row]), 127);
    const totals = new Float64Array(headSize);
    let largest = -Infinity, sum = 0;
    for (const [block, count] of counts.entries()) {
      const tokens = Array.from({ length: count }, (_, i) => block * BLOCK + i);
      const scores = tokens.map((token) => {
        const key = coded(headOf(keys[token]), 63);
        const dot = query.codes.reduce((total, q, d) => total + q * key.codes[d], 0);
        return dot * key.unit * query.unit * scale * Math.LOG2E;
      });
      const before = largest;
      largest = Math.max(largest, ...scores);
      const powers = scores.map((score) => 2 ** (score - largest));
      const ofValues = tokens.map((token) => coded(headOf(values[token]), 63));
      const weights = powers.map((power, i) => power * ofValues[i].unit);
      const unit = Math.max(...weights) / 127, factor = 2 ** (before - largest);
      sum = sum * factor + powers.reduce((total, power) => total + power, 0);
      for (let d = 0; d < headSize; d++) {
        const own = weights.reduce((total, w, i) => total + roundEven(w / unit) * ofValues[i].codes[d], 0);
        totals[d] = totals[d] * factor + own * unit;
      }
    }
    totals.forEach((total, d) => result[head * headSize + d] = total / sum);
  }
  return result;
}
