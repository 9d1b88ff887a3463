/**
 * Causal attention of one query over a list of tokens, the textbook way.
 *
 * @module
 */
import type { Bounded } from "./code_matrix.ts";
import { gamma, UNIT } from "./numbers.ts";
import { EXP_ROUNDINGS } from "./row_functions.ts";

export interface SeenToken {
  key: ArrayLike<number>;
  value: ArrayLike<number>;
}

/**
 * softmax(scale · q · keys) · values.
 *
 * A score is off by e = γ(headSize + 2) · scale · Σ|q k|, absolutely, and so its exponential relatively. To that come,
 * d being the distance to the largest score: (4 + |d|) u for exp(d), and for each of the `steps` times a running sum may
 * be rescaled exp and product, 5u. Numerator and denominator both have these errors, and at most one addition a token
 * and a product a step. 1 % for second-order terms.
 */
export function attend(query: ArrayLike<number>, tokens: SeenToken[], scale: number, steps: number): Bounded {
  const headSize = query.length;
  const scores = tokens.map(({ key }) => {
    let dot = 0, magnitude = 0;
    for (let d = 0; d < headSize; d++) {
      dot += query[d] * key[d];
      magnitude += Math.abs(query[d] * key[d]);
    }
    return { score: dot * scale, error: gamma(headSize + 2) * magnitude * Math.abs(scale) };
  });
  const largest = Math.max(...scores.map(({ score }) => score));
  const exps = scores.map(({ score }) => Math.exp(score - largest));
  const sum = exps.reduce((a, b) => a + b, 0);
  const weights = exps.map((e) => e / sum);
  const errors = scores.map(({ score, error }) => error + UNIT * (EXP_ROUNDINGS + largest - score + 5 * steps));
  const meanError = errors.reduce((total, error, i) => total + weights[i] * error, 0);
  const shared = meanError + gamma(2 * tokens.length + 2 * steps + 4);
  const values = new Float64Array(headSize), bounds = new Float64Array(headSize);
  for (let d = 0; d < headSize; d++) {
    tokens.forEach(({ value }, i) => {
      values[d] += weights[i] * value[d];
      bounds[d] += 1.01 * weights[i] * Math.abs(value[d]) * (errors[i] + shared);
    });
  }
  return { values, bounds };
}
