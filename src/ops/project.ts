/**
 * Linear layers applied to activations.
 *
 * @module
 */
import type { CodeProduct } from "../../kernels/host/kernels.ts";
import { KIND_INT4, KIND_INT7, KIND_INT8, PRODUCTS_MAX } from "../../kernels/shared/layout.ts";
import type { Linear } from "../weights/linear.ts";
import type { Precision } from "../weights/plan.ts";
import type { ProductBuffers } from "./product_buffers.ts";

/** A linear layer and where its result goes: f32 [rows, outputs], strides in bytes. */
export interface Projection {
  linear: Linear;
  output: number;
  outputStride: number;
  /** Add to what is there (a residual) instead of replacing it. */
  accumulate?: boolean;
}

/**
 * Bytes of an activation against 4-bit weights under "int8". Two leave only the weights' own error; gate and up, half of
 * all products, bear one (docs/numerics.md).
 */
export type ActivationBytes = 1 | 2;

/**
 * y = x Wᵀ + b for each projection of the same input. Under "int8" the input is turned into integers, once for
 * neighbours that group their inputs alike, and their products are one pass; under "f32" it is used as it is.
 *
 * @param input Address of f32 [rows, inputs], rows without gaps.
 */
export function project(
  buffers: ProductBuffers,
  precision: Precision,
  input: number,
  rows: number,
  projections: readonly Projection[],
  activationBytes: ActivationBytes = 2,
): void {
  const { kernels } = buffers;
  for (const pass of passesOf(projections)) {
    const { kind, matrix, order, inputs, packedInputs } = pass[0].linear;
    let source = input;
    if (order) {
      kernels.gatherColumns(input, inputs * 4, order, buffers.gathered, rows, packedInputs);
      source = buffers.gathered;
    }
    const stride = packedInputs * 4, shape = { rows, inputs: packedInputs };
    if (isCoded(kind) && precision !== "f32") {
      const activations = buffers.coded[kernels.activationForm(kind, activationBytes)];
      kernels.quantize(source, stride, activations, rows, packedInputs, matrix.group);
      kernels.matmulCodes(activations, kind, shape, pass.map(productOf));
      continue;
    }
    for (const projection of pass) {
      const { matrix, outputs, target } = productOf(projection);
      if (kind === KIND_INT4) kernels.matmulInt4Exact(source, stride, matrix, { ...shape, outputs }, target);
      else if (isCoded(kind)) kernels.matmulInt8Exact(source, stride, matrix, { ...shape, outputs }, target);
      else kernels.matmulDense(kind, source, stride, matrix.weights, { ...shape, outputs }, target);
    }
  }
}

/** Neighbouring projections that take the same integers as their input. */
function passesOf(projections: readonly Projection[]): Projection[][] {
  const passes: Projection[][] = [];
  for (const projection of projections) {
    const pass = passes.at(-1);
    if (pass && pass.length < PRODUCTS_MAX && sharesInput(pass[0].linear, projection.linear)) {
      pass.push(projection);
    } else passes.push([projection]);
  }
  return passes;
}

function sharesInput(a: Linear, b: Linear): boolean {
  return isCoded(a.kind) && a.kind === b.kind && !a.order && !b.order && a.matrix.group === b.matrix.group;
}

function isCoded(kind: number): boolean {
  return kind === KIND_INT4 || kind === KIND_INT7 || kind === KIND_INT8;
}

function productOf({ linear, output, outputStride, accumulate = false }: Projection): CodeProduct {
  const { matrix, outputs, bias } = linear;
  return { matrix, outputs, target: { output, outputStride, bias, accumulate } };
}
