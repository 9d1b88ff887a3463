/**
 * gate(x) · up, element by element, and the exact GELU.
 *
 * @module
 */
import { EXP_ROUNDINGS } from "./normalisation.ts";
import { type Bounded, bounded, gamma, TINY } from "./rounding.ts";

/**
 * SiLU: x / (1 + e^−x) · up.
 *
 * Bound. The exponential's 4 units at most, an addition, a quotient, a product: γ(4 + 3). Where e^−x leaves f32
 * (x < −88.3) the kernel's result is 0 and the true one below 88.4 · e^−88.3 < 64 of the smallest normals.
 */
export function siluGate(gate: ArrayLike<number>, up: ArrayLike<number>): Bounded {
  const result = bounded(gate.length);
  for (let i = 0; i < gate.length; i++) {
    result.values[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
    result.bounds[i] = gamma(EXP_ROUNDINGS + 3) * Math.abs(result.values[i]) + 64 * TINY * Math.abs(up[i]);
  }
  return result;
}

/**
 * GELU's tanh form: x/2 · (1 + tanh t) · up with t = √(2/π) (x + 0.044715 x³), and tanh t = 1 − g, g = 2 / (e^2t + 1).
 *
 * Bound. Both terms of t have the sign of x, so t is relatively good: two products for x³, two for each rounded constant,
 * an addition, γ(7). The exponential multiplies that by 2|t| and adds 4 units; g damps it by e^2t / (e^2t + 1) and adds
 * an addition and a quotient. The subtraction and 1 + tanh are rounded at magnitudes up to 1 and 2 (3 units,
 * absolutely: the tail of a negative x cancels). Two products are relative.
 */
export function geluGate(gate: ArrayLike<number>, up: ArrayLike<number>): Bounded {
  const result = bounded(gate.length);
  for (let i = 0; i < gate.length; i++) {
    const x = gate[i];
    const t = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    const e = Math.exp(2 * t);
    const g = 2 / (e + 1);
    // e / (e + 1) without ∞ / ∞; e^2t · |t| is 0 on the left, g · |t| is 0 on the right.
    const damping = 1 / (1 + Math.exp(-2 * t));
    const inExponent = g * damping === 0 ? 0 : 2 * Math.abs(t) * gamma(7);
    const absolute = g * (damping * (inExponent + gamma(EXP_ROUNDINGS)) + gamma(2)) + gamma(3);
    result.values[i] = x / 2 * (1 + Math.tanh(t)) * up[i];
    result.bounds[i] = gamma(2) * Math.abs(result.values[i]) + absolute * Math.abs(x / 2 * up[i]) + TINY;
  }
  return result;
}

/**
 * The error function: its power series near zero, Laplace's continued fraction of the complement elsewhere (Abramowitz and
 * Stegun 1964, 7.1.5 and 7.1.14).
 */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = x, sum = x;
    for (let n = 1; n < 80; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = z;
  for (let k = 120; k > 0; k--) fraction = z + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction));
}

/** Largest error of the kernels' error function, as its source states it. */
const ERF_ERROR = 3e-7;

/**
 * x/2 · (1 + erf(x / √2)).
 *
 * Bound. The argument is off by two roundings, which the slope 2/√π · e^−z² turns into at most γ(2) · 0.49; erf by its own
 * error; the sum and two products by three roundings of at most 2.
 */
export function gelu(values: ArrayLike<number>): Bounded {
  const result = bounded(values.length);
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    result.values[i] = x / 2 * (1 + erf(x / Math.SQRT2));
    result.bounds[i] = Math.abs(x) / 2 * (ERF_ERROR + gamma(2) * 0.49 + gamma(3) * 2) + TINY;
  }
  return result;
}
