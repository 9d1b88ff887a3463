/**
 * Normalisation of rows.
 *
 * @module
 */
import type { Vector } from "../weights/linear.ts";
import type { Matrix } from "./matrix.ts";

/**
 * output = input / √(mean(input²) + ε) · weight (Zhang & Sennrich 2019, arXiv 1910.07467). A weight shorter than a row normalises
 * each run of so many columns by itself: heads. May be in place.
 */
export function rmsNorm(input: Matrix, weight: Vector, epsilon: number, output: Matrix): void {
  const { length: width } = weight;
  input.kernels.rmsNorm({
    input,
    weight: weight.place.address,
    rows: input.rows,
    segments: input.columns / width,
    width,
    epsilon,
    output,
  });
}

/** Weight and bias of a layer norm. */
export interface LayerNormWeights {
  weight: Vector;
  bias: Vector;
}

/** output = (input − mean) / √(variance + ε) · weight + bias (Ba et al. 2016, arXiv 1607.06450). May be in place. */
export function layerNorm(
  input: Matrix,
  { weight, bias }: LayerNormWeights,
  epsilon: number,
  output: Matrix,
): void {
  input.kernels.layerNorm({
    input,
    weight: weight.place.address,
    bias: bias.place.address,
    rows: input.rows,
    width: input.columns,
    epsilon,
    output,
  });
}
