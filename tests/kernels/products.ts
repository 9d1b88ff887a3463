/**
 * The five products with coded weights, each with its reference, so that one set of cases tests them all.
 *
 * @module
 */
import {
  type Addends,
  type CodedWeights,
  productOfCodes,
  productOfIntegers,
} from "../reference/matrix_product.ts";
import { integerMax } from "../reference/quantise.ts";
import type { Bounded } from "../reference/rounding.ts";
import type { Strided } from "../../kernels/host/calls.ts";
import { activationForm, type WeightType } from "../../kernels/host/types.ts";
import { type Bench, rowsOf, strided } from "./harness.ts";
import { type CodeActivations, type CodeMatrix, quantiseRows, type ScaleType } from "./problems.ts";

/** The result of a product: f32 [rows, outputs], added to what is there when `accumulate`. */
export interface ProductTarget {
  output: Strided;
  bias: number;
  accumulate: boolean;
}

/** rows × inputs times inputs × outputs. */
export interface ProductShape {
  rows: number;
  outputs: number;
  inputs: number;
}

/** One product of integer activations and coded weights. */
export function multiplyCodes(
  { kernels }: Bench,
  coded: CodeActivations,
  weightType: WeightType,
  { rows, inputs, outputs }: ProductShape,
  matrix: CodeMatrix,
  target: ProductTarget,
): void {
  const { group } = matrix;
  const products = [{ ...matrix, outputs, ...target }];
  kernels.matmulCodes({ ...coded, weightType, rows, inputs, group, ...kernels.form, products });
}

/** A product: how to run it on rows f32 [M, K] without gaps, and what it should give. */
export interface Product {
  name: string;
  bits: 4 | 8;
  scaleType: ScaleType;
  /** Whether activations become integers: then a run of inputs ends with a group. */
  run(bench: Bench, input: number, matrix: CodeMatrix, shape: ProductShape, target: ProductTarget): void;
  reference(rows: Float32Array[], weights: CodedWeights, runs: number[], addends?: Addends): Bounded;
}

function integerProduct(bits: 4 | 8, bytes: 1 | 2): Product {
  return {
    name: `matmulCodes() of ${bits} bits with activations of ${bytes} bytes`,
    bits,
    scaleType: "f16",
    run(bench, input, matrix, shape, target) {
      const weightType = bits === 4 ? "int4" : "int8";
      const form = activationForm(weightType, bytes);
      const coded = quantiseRows(bench, input, shape.rows, shape.inputs, matrix.group, form);
      multiplyCodes(bench, coded, weightType, shape, matrix, target);
    },
    reference: (rows, weights, runs, addends) =>
      productOfIntegers(rows, weights, runs, integerMax(bits, bytes), addends),
  };
}

function exactProduct(bits: 4 | 8): Product {
  return {
    name: `matmulCodesF32() of ${bits} bits`,
    bits,
    scaleType: "f32",
    run({ kernels }, input, matrix, shape, target) {
      const weightType = bits === 4 ? "int4" : "int8";
      kernels.matmulCodesF32({
        input: strided(input, shape.inputs),
        weightType,
        ...matrix,
        ...shape,
        ...target,
      });
    },
    reference: (rows, weights, _runs, addends) => productOfCodes(rows, weights, addends),
  };
}

export const PRODUCTS: Product[] = [
  integerProduct(4, 2),
  integerProduct(4, 1),
  integerProduct(8, 2),
  exactProduct(4),
  exactProduct(8),
];

/** Floats between two rows of a result, which no product may write. */
const GAP = 3;

/** Runs a product into rows with gaps and returns the rows joined. Throws when a gap was written. */
export function runProduct(
  bench: Bench,
  product: Product,
  rows: Float32Array[],
  matrix: CodeMatrix,
  outputs: number,
  addends: Addends = {},
): Float32Array {
  const { arena } = bench;
  const shape = { rows: rows.length, outputs, inputs: rows[0].length };
  const input = arena.floats(rows.flatMap((row) => [...row]));
  return intoGaps(bench, outputs, rows.length, addends, (target) => {
    product.run(bench, input, matrix, shape, target);
  });
}

/** Lets `run` write into rows with gaps and returns the rows joined. */
export function intoGaps(
  { arena, kernels }: Bench,
  outputs: number,
  rows: number,
  { bias, before }: Addends,
  run: (target: ProductTarget) => void,
): Float32Array {
  const width = outputs + GAP;
  const result = arena.result(rows * width);
  before?.forEach((row, m) => kernels.memory.floatsAt(result.address + m * width * 4, outputs).set(row));
  run({
    output: strided(result.address, width),
    bias: bias ? arena.floats(Array.from(bias)) : 0,
    accumulate: before !== undefined,
  });
  return Float32Array.from(
    rowsOf(result.read(), width).flatMap((row) => {
      if (!row.subarray(outputs).every(Number.isNaN)) throw new Error("a product wrote beyond its outputs");
      return [...row.subarray(0, outputs)];
    }),
  );
}
