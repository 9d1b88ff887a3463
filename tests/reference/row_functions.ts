/**
 * Functions of one row: normalisation, softmax, gates.
 *
 * @module
 */
import type { Bounded } from "./code_matrix.ts";
import { gamma, SMALLEST_NORMAL, UNIT } from "./numbers.ts";

/** Roundings that an exp which is off by two units in the last place counts for: 2 · 2^-23 = 4u. */
export const EXP_ROUNDINGS = 4;
/** Results below are not compared: exp of a large number is infinite, of a small one zero. */
const FLUSHED = 2 ** 8 * SMALLEST_NORMAL;

/**
 * x / sqrt(mean(x²) + epsilon) · weight.
 *
 * The sum of squares has width + 1 roundings, division and epsilon two; the root halves their effect and adds one of its
 * own; inverse and two products: γ((width + 3) / 2 + 4) · |result|.
 */
export function rootMeanSquareNorm(row: ArrayLike<number>, weight: ArrayLike<number>, epsilon: number): Bounded {
  const x = Float64Array.from(row);
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const values = x.map((value, i) => value / Math.sqrt(mean + epsilon) * weight[i]);
  return { values, bounds: values.map((v) => gamma((x.length + 3) / 2 + 4) * Math.abs(v) + SMALLEST_NORMAL) };
}

/**
 * exp(x − max) / sum.
 *
 * With d = x − max, rounded once, exp(d) is off by (4 + |d|) u relatively. The sum has the weighted mean of those and at
 * most width additions; inverse and product two.
 */
export function softmaxRow(row: ArrayLike<number>): Bounded {
  const x = Float64Array.from(row);
  const largest = x.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = x.map((value) => Math.exp(value - largest));
  const sum = exps.reduce((a, b) => a + b, 0);
  const values = exps.map((e) => e / sum);
  const roundings = x.map((value) => EXP_ROUNDINGS + largest - value);
  const mean = roundings.reduce((total, count, i) => total + (values[i] && count * values[i]), 0);
  const bounds = values.map((p, i) =>
    (p && p * gamma(roundings[i] + mean + x.length + 2)) + SMALLEST_NORMAL
  );
  return { values, bounds };
}

/** x / (1 + e^−x) · up. exp four roundings, sum, quotient and product one each: γ(7) · |result|. */
export function siluGate(gate: number, up: number): { value: number; bound: number } {
  const value = gate / (1 + Math.exp(-gate)) * up;
  return { value, bound: gamma(EXP_ROUNDINGS + 3) * Math.abs(value) + FLUSHED * Math.abs(up) };
}

/**
 * x/2 · (1 + tanh(t)) · up, t = √(2/π)(x + 0.044715 x³), with tanh t = 1 − 2 / (e^2t + 1).
 *
 * t has 7 roundings, two of them of constants, so e = e^2t is off by (4 + 14|t|) u; the quotient by that times
 * e / (e + 1) plus two; then the difference, the sum and two products. Only a sum of absolute errors helps where
 * 1 + tanh cancels. 1 % for second-order terms.
 */
export function geluTanhGate(gate: number, up: number): { value: number; bound: number } {
  const t = Math.sqrt(2 / Math.PI) * (gate + 0.044715 * gate ** 3), tanh = Math.tanh(t);
  const e = Math.exp(2 * t);
  const share = e === Infinity ? 1 : e / (e + 1), quotient = 2 / (e + 1);
  const roundings = quotient * ((EXP_ROUNDINGS + 14 * Math.abs(t)) * share + 2) + Math.abs(tanh) + 3 * (1 + tanh);
  return {
    value: 0.5 * gate * (1 + tanh) * up,
    bound: 1.01 * UNIT * roundings * Math.abs(0.5 * gate * up) + FLUSHED * Math.abs(up),
  };
}
