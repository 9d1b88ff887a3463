/**
 * Products with unquantised weights.
 *
 * @module
 */
import type { Added, Bounded } from "./code_matrix.ts";
import { gamma } from "./numbers.ts";

/**
 * activations [rows][inputs] times weights [outputs][inputs] (as files store a linear layer).
 *
 * One rounding a product, at most `inputs` additions, two for bias and previous: bound = γ(inputs + 3) · Σ|terms|.
 */
export function denseProduct(
  activations: ArrayLike<number>,
  weights: ArrayLike<number>,
  shape: { rows: number; outputs: number; inputs: number },
  { bias, previous }: Added = {},
): Bounded {
  const { rows, outputs, inputs } = shape;
  const values = new Float64Array(rows * outputs), bounds = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      const at = row * outputs + output;
      let total = (bias?.[output] ?? 0) + (previous?.[at] ?? 0);
      let magnitude = Math.abs(bias?.[output] ?? 0) + Math.abs(previous?.[at] ?? 0);
      for (let input = 0; input < inputs; input++) {
        const term = activations[row * inputs + input] * weights[output * inputs + input];
        total += term;
        magnitude += Math.abs(term);
      }
      values[at] = total;
      bounds[at] = gamma(inputs + 3) * magnitude;
    }
  }
  return { values, bounds };
}
