/**
 * Products with coded and dense weights, in f64, from logical values.
 *
 * @module
 */
import { quantiseBytes, quantiseRow } from "./quantise.ts";
import { type Bounded, bounded, gamma } from "./rounding.ts";

/** W[k, n] = scales[g][n] · (codes[k][n] − zeros[g][n]) + offsets[g][n] with g = groups[k]; without `offsets` they are 0. */
export interface CodedWeights {
  inputs: number;
  outputs: number;
  codes: number[][];
  scales: number[][];
  zeros: number[][];
  offsets?: number[][];
  groups: number[];
}

/** What is added to a product. */
export interface Addends {
  bias?: ArrayLike<number>;
  /** f32 [M][N], there before. */
  before?: ArrayLike<number>[];
}

/** Whether the bias is there, and what was: the two additions that end every product. */
const ADDENDS = 2;

/** The weight that codes stand for. */
export function weightOf(weights: CodedWeights, k: number, n: number): number {
  const g = weights.groups[k];
  return weights.scales[g][n] * (weights.codes[k][n] - weights.zeros[g][n]) + (weights.offsets?.[g][n] ?? 0);
}

/**
 * x · W with activations as integers. All inputs of a run share one weight scale; of the activations' scales see quantise.ts.
 *
 * Bound. The dot of a run is an exact integer. Each run's term then suffers 3 roundings (integer to f32, the product of
 * the scales, their product) and at most R additions, R the number of runs; then the addends. So
 * γ(3 + R + 2) · (Σ_runs |term| + |bias| + |before|). With offsets each run has a second such term, its offset times the sum of its
 * integers.
 *
 * @param runs The run of each input; a run lies within one group.
 * @param most The largest integer of an activation.
 */
export function productOfIntegers(
  rows: ArrayLike<number>[],
  weights: CodedWeights,
  runs: number[],
  most: number,
  addends: Addends = {},
): Bounded {
  const runCount = Math.max(...runs) + 1;
  const quantised = rows.map((row) => {
    if (most > 127) {
      const { integers, scales } = quantiseRow(row, runs, runCount, most);
      return { integers, scaleOf: (run: number) => scales[run] };
    }
    const { integers, factors, scale } = quantiseBytes(row, runs);
    return { integers: integers.map((x, k) => x * factors[k]), scaleOf: () => scale };
  });
  const terms = weights.offsets ? 2 * runCount : runCount;
  return product(rows.length, weights.outputs, gamma(3 + terms + ADDENDS), addends, (m, n) => {
    const { integers, scaleOf } = quantised[m];
    const dots = new Float64Array(runCount);
    const scales = new Float64Array(runCount),
      sums = new Float64Array(runCount),
      offsets = new Float64Array(runCount);
    for (let k = 0; k < weights.inputs; k++) {
      const g = weights.groups[k];
      dots[runs[k]] += integers[k] * (weights.codes[k][n] - weights.zeros[g][n]);
      scales[runs[k]] = weights.scales[g][n];
      sums[runs[k]] += integers[k];
      offsets[runs[k]] = weights.offsets?.[g][n] ?? 0;
    }
    const ofCodes = dots.map((dot, run) => dot * scales[run] * scaleOf(run));
    const ofOffsets = sums.map((sum, run) => sum * offsets[run] * scaleOf(run));
    return Float64Array.of(...ofCodes, ...ofOffsets);
  });
}

/**
 * x · W with activations as they are, a subtotal per group.
 *
 * Bound. Code less zero is exact; each product is rounded once, joins a subtotal (at most `longest` additions), is
 * multiplied by the scale, joins the total (G additions): γ(longest + G + 2 + 2) · Σ |x · W|.
 */
export function productOfCodes(
  rows: ArrayLike<number>[],
  weights: CodedWeights,
  addends: Addends = {},
): Bounded {
  const sizes = weights.scales.map((_, g) => weights.groups.filter((group) => group === g).length);
  const roundings = Math.max(...sizes) + sizes.length + 2 + ADDENDS;
  return product(
    rows.length,
    weights.outputs,
    gamma(roundings),
    addends,
    (m, n) => Float64Array.from({ length: weights.inputs }, (_, k) => rows[m][k] * weightOf(weights, k, n)),
  );
}

/**
 * x · W of dense weights [N][K].
 *
 * Bound. One rounding for each product, at most K additions, the addends: γ(K + 1 + 2) · Σ |x · w|.
 */
export function productOfFloats(
  rows: ArrayLike<number>[],
  weights: ArrayLike<number>[],
  addends: Addends = {},
): Bounded {
  const inputs = weights[0].length;
  return product(
    rows.length,
    weights.length,
    gamma(inputs + 1 + ADDENDS),
    addends,
    (m, n) => Float64Array.from({ length: inputs }, (_, k) => rows[m][k] * weights[n][k]),
  );
}

function product(
  rows: number,
  outputs: number,
  relative: number,
  { bias, before }: Addends,
  termsOf: (m: number, n: number) => Float64Array,
): Bounded {
  const result = bounded(rows * outputs);
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < outputs; n++) {
      const terms = [...termsOf(m, n), bias?.[n] ?? 0, before?.[m][n] ?? 0];
      result.values[m * outputs + n] = terms.reduce((sum, term) => sum + term, 0);
      result.bounds[m * outputs + n] = relative * terms.reduce((sum, term) => sum + Math.abs(term), 0);
    }
  }
  return result;
}
