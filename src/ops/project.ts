/**
 * Linear layers applied to activations.
 *
 * @module
 */
import type { CodeActivations, ProductTarget } from "../../kernels/host/kernels.ts";
import { KIND_INT4, KIND_INT7, KIND_INT8 } from "../../kernels/shared/layout.ts";
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
 * y = x Wᵀ + b for each projection of the same input. Under "int8" the input is turned into integers once for all
 * projections that group their inputs alike; under "f32" it is used as it is.
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
  let coded: CodeActivations | undefined, codedGroup = 0;
  for (const { linear, output, outputStride, accumulate = false } of projections) {
    const { kind, matrix, order, inputs, packedInputs, outputs, bias } = linear;
    const target: ProductTarget = { output, outputStride, bias, accumulate };
    const shape = { rows, outputs, inputs: packedInputs };
    let source = input;
    if (order) {
      kernels.gatherColumns(input, inputs * 4, order, buffers.gathered, rows, packedInputs);
      source = buffers.gathered;
    }
    const stride = packedInputs * 4;
    if (kind !== KIND_INT4 && kind !== KIND_INT7 && kind !== KIND_INT8) {
      kernels.matmulDense(kind, source, stride, matrix.weights, shape, target);
    } else if (precision === "f32") {
      if (kind === KIND_INT4) kernels.matmulInt4Exact(source, stride, matrix, shape, target);
      else kernels.matmulInt8Exact(source, stride, matrix, shape, target);
    } else {
      const activations = buffers.coded[kernels.activationForm(kind, activationBytes)];
      if (order || coded !== activations || codedGroup !== matrix.group) {
        kernels.quantize(source, stride, activations, rows, packedInputs, matrix.group);
        coded = order ? undefined : activations;
        codedGroup = matrix.group;
      }
      kernels.matmulCodes(activations, kind, matrix, shape, target);
    }
  }
}
