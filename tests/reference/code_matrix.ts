/**
 * A coded matrix as its meaning, not as its bytes: W[k][n] = scale[g][n] · (code[k][n] − zero[g][n]), g = k / group.
 *
 * @module
 */
import { Draw, gamma } from "./numbers.ts";

export interface LogicalCodes {
  inputs: number;
  outputs: number;
  group: number;
  groups: number;
  /** [inputs][outputs] */
  codes: Int32Array<ArrayBuffer>;
  /** [groups][outputs] */
  scales: Float32Array<ArrayBuffer>;
  /** [groups][outputs] */
  zeros: Int32Array<ArrayBuffer>;
}

/** Values and how far f32 arithmetic may be from each. */
export interface Bounded {
  values: Float64Array;
  bounds: Float64Array;
}

/** Draws codes, scales of both signs and zero points; `zero` given: the same everywhere. */
export function drawCodes(
  draw: Draw,
  shape: { inputs: number; outputs: number; group: number; bits: 4 | 8; zero?: number },
): LogicalCodes {
  const { inputs, outputs, group, bits } = shape;
  const groups = Math.ceil(inputs / group), largest = 2 ** bits - 1;
  const zeros = draw.integers(groups * outputs, 0, largest);
  if (shape.zero !== undefined) zeros.fill(shape.zero);
  else zeros[0] = 0; // the zero point that breaks readers which add one nibble by nibble
  return {
    inputs,
    outputs,
    group,
    groups,
    codes: draw.integers(inputs * outputs, 0, largest),
    scales: draw.floats(groups * outputs, 0.1),
    zeros,
  };
}

/** W[k][n] in f64; exact, because a code less a zero point times an f32 has fewer than 53 bits. */
export function weightAt(matrix: LogicalCodes, input: number, output: number): number {
  const place = Math.floor(input / matrix.group) * matrix.outputs + output;
  return matrix.scales[place] * (matrix.codes[input * matrix.outputs + output] - matrix.zeros[place]);
}

/** What is added to a product. */
export interface Added {
  bias?: Float32Array;
  previous?: Float32Array;
}

/**
 * Product of quantised activations, `integers` [rows][inputs] times `steps` [rows][groups].
 *
 * A group's sum of integers is exact. Its term then has three roundings (to f32, scale · step, their product) and at
 * most `groups` additions; bias and previous value add two. So bound = γ(groups + 5) · Σ|terms|.
 */
export function integerProduct(
  integers: ArrayLike<number>,
  steps: ArrayLike<number>,
  rows: number,
  matrix: LogicalCodes,
  { bias, previous }: Added = {},
): Bounded {
  const { inputs, outputs, group, groups } = matrix;
  const values = new Float64Array(rows * outputs), bounds = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      const at = row * outputs + output;
      let total = 0, magnitude = 0;
      for (let g = 0; g < groups; g++) {
        let sum = 0;
        for (let input = g * group; input < Math.min(inputs, (g + 1) * group); input++) {
          sum += integers[row * inputs + input] *
            (matrix.codes[input * outputs + output] - matrix.zeros[g * outputs + output]);
        }
        const term = sum * matrix.scales[g * outputs + output] * steps[row * groups + g];
        total += term;
        magnitude += Math.abs(term);
      }
      const others = [bias?.[output] ?? 0, previous?.[at] ?? 0];
      values[at] = total + others[0] + others[1];
      bounds[at] = gamma(groups + 5) * (magnitude + Math.abs(others[0]) + Math.abs(others[1]));
    }
  }
  return { values, bounds };
}

/**
 * Product of f32 activations [rows][inputs].
 *
 * Each x · (code − zero) has one rounding and at most `group` additions, the group's sum one product with its scale and
 * at most `groups` additions; bias and previous value two: bound = γ(group + groups + 4) · Σ|x · w|.
 */
export function floatProduct(
  activations: ArrayLike<number>,
  rows: number,
  matrix: LogicalCodes,
  { bias, previous }: Added = {},
): Bounded {
  const { inputs, outputs, group, groups } = matrix;
  const values = new Float64Array(rows * outputs), bounds = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      const at = row * outputs + output;
      let total = (bias?.[output] ?? 0) + (previous?.[at] ?? 0);
      let magnitude = Math.abs(bias?.[output] ?? 0) + Math.abs(previous?.[at] ?? 0);
      for (let input = 0; input < inputs; input++) {
        const term = activations[row * inputs + input] * weightAt(matrix, input, output);
        total += term;
        magnitude += Math.abs(term);
      }
      values[at] = total;
      bounds[at] = gamma(Math.min(group, inputs) + groups + 4) * magnitude;
    }
  }
  return { values, bounds };
}
