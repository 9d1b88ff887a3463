/**
 * Root-mean-square and layer normalisation and softmax of one row.
 *
 * @module
 */
import { type Bounded, bounded, gamma, TINY } from "./rounding.ts";

/** exp of the kernels is at most 2 ulp off, that is 4 units. */
export const EXP_ROUNDINGS = 4;

/**
 * x / √(mean(x²) + ε) · w.
 *
 * Bound. A square is rounded once and then joins at most width / 4 + 5 additions (one lane of four, the lanes' sum, the
 * tail); quotient and ε two more. The square root halves that relative error and adds a rounding; reciprocal and two
 * products add three: γ((width / 4 + 8) / 2 + 4) · |result|.
 */
export function rmsNormRow(row: ArrayLike<number>, weight: ArrayLike<number>, epsilon: number): Bounded {
  const result = bounded(row.length);
  let squares = 0;
  for (let k = 0; k < row.length; k++) squares += row[k] * row[k];
  const inverse = 1 / Math.sqrt(squares / row.length + epsilon);
  const relative = gamma((row.length / 4 + 8) / 2 + 4);
  for (let k = 0; k < row.length; k++) {
    result.values[k] = row[k] * inverse * weight[k];
    result.bounds[k] = relative * Math.abs(result.values[k]);
  }
  return result;
}

/**
 * (x − mean) / √(mean((x − mean)²) + ε) · w + b.
 *
 * Bound. The mean is off by μ = γ(width / 4 + 6) · mean(|x|), and each difference by μ and a rounding, whose square root of
 * mean squares the deviation cannot exceed: the deviation's relative error is at most that of one difference of average size,
 * δ = (μ + u · (|mean| + σ)) / σ, and γ((width / 4 + 8) / 2 + 4) as in rmsNormRow. The difference itself has the error of its
 * own size; two products and the sum with b follow.
 */
export function layerNormRow(
  row: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  epsilon: number,
): Bounded {
  const result = bounded(row.length);
  const values = Array.from(row);
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const magnitude = values.reduce((sum, x) => sum + Math.abs(x), 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length + epsilon);
  const shift = gamma(row.length / 4 + 6) * magnitude + gamma(1) * Math.abs(mean);
  const relative = shift / deviation + gamma(1) + gamma((row.length / 4 + 8) / 2 + 4);
  values.forEach((x, k) => {
    const scaled = (x - mean) / deviation * weight[k];
    result.values[k] = scaled + bias[k];
    result.bounds[k] = Math.abs(scaled) * (relative + gamma(3)) +
      Math.abs(weight[k]) * shift / deviation + gamma(1) * Math.abs(result.values[k]);
  });
  return result;
}

/**
 * exp(x − max) / Σ exp(x − max), the difference rounded to f32 as it is an operand of exp.
 *
 * Bound. Exponentials are off by 4 units each, and so is their sum, which takes at most width / 4 + 6 additions; its
 * reciprocal and the product are rounded: γ(2 · 4 + width / 4 + 8) · |result|. What is below e^-87.33 may be 0.
 */
export function softmaxRow(row: ArrayLike<number>): Bounded {
  const result = bounded(row.length);
  const largest = Array.from(row).reduce((most, x) => Math.max(most, x), -Infinity);
  let sum = 0;
  for (let k = 0; k < row.length; k++) {
    result.values[k] = Math.exp(Math.fround(row[k] - largest));
    sum += result.values[k];
  }
  const relative = gamma(2 * EXP_ROUNDINGS + row.length / 4 + 8);
  for (let k = 0; k < row.length; k++) {
    result.values[k] /= sum;
    result.bounds[k] = relative * result.values[k] + TINY;
  }
  return result;
}
