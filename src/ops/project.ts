/**
 * Linear layers applied to activations.
 *
 * @module
 */
import type { ProductTarget } from "../../kernels/host/kernels.ts";
import { KIND_INT4, KIND_INT8 } from "../../kernels/shared/layout.ts";
import type { Linear } from "../weights/linear.ts";
import type { Precision } from "../weights/plan.ts";
import type { Workspace } from "./workspace.ts";

/** A linear layer and where its result goes: f32 [rows, outputs], strides in bytes. */
export interface Projection {
  linear: Linear;
  output: number;
  outputStride: number;
  /** Add to what is there (a residual) instead of replacing it. */
  accumulate?: boolean;
}

/**
 * y = x Wᵀ + b for each projection of the same input. Under "int8" the input is turned into 8-bit codes once for all
 * projections that group their inputs alike; under "f32" it is used as it is.
 *
 * @param input Address of f32 [rows, inputs], rows without gaps.
 */
export function project(
  workspace: Workspace,
  precision: Precision,
  input: number,
  rows: number,
  projections: readonly Projection[],
): void {
  const { kernels } = workspace;
  let codedGroup = 0;
  for (const { linear, output, outputStride, accumulate = false } of projections) {
    const { kind, matrix, order, inputs, packedInputs, outputs, bias } = linear;
    const target: ProductTarget = { output, outputStride, bias, accumulate };
    const shape = { rows, outputs, inputs: packedInputs };
    let source = input;
    if (order) {
      kernels.gatherColumns(input, inputs * 4, order, workspace.gathered, rows, packedInputs);
      source = workspace.gathered;
    }
    const stride = packedInputs * 4;
    if (kind !== KIND_INT4 && kind !== KIND_INT8) {
      kernels.matmulDense(kind, source, stride, matrix.weights, shape, target);
    } else if (precision === "f32") {
      if (kind === KIND_INT4) kernels.matmulInt4Exact(source, stride, matrix, shape, target);
      else kernels.matmulInt8Exact(source, stride, matrix, shape, target);
    } else {
      if (order || codedGroup !== matrix.group) {
        kernels.quantize(source, stride, workspace.coded, rows, packedInputs, matrix.group);
        codedGroup = order ? 0 : matrix.group;
      }
      if (kind === KIND_INT4) kernels.matmulInt4(workspace.coded, matrix, shape, target);
      else kernels.matmulInt8(workspace.coded, matrix, shape, target);
    }
  }
}
