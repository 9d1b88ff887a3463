/**
 * The gated feed-forward network: down(gate(x) · up(x)).
 *
 * @module
 */
import { type ActivationBytes, project } from "../ops/project.ts";
import type { Workspace } from "../ops/workspace.ts";
import type { Linear } from "../weights/linear.ts";
import type { Precision } from "../weights/plan.ts";

/** One layer's weights. */
export interface FeedForwardWeights {
  /** Gate and up projections in this order, fused or one by one; their outputs lie side by side. */
  inputs: readonly Linear[];
  output: Linear;
  /** ACTIVATION_… of kernels/shared/layout.ts. */
  gate: number;
  /** Bytes of an input's activation under "int8"; see `project`. */
  inputBytes: ActivationBytes;
}

/** output (+)= W_down · (gate(W_gate x) · W_up x); `input` is the address of f32 [rows, hiddenSize], normalised, `from` the first row that is computed. */
export function feedForward(
  workspace: Workspace,
  precision: Precision,
  weights: FeedForwardWeights,
  step: { input: number; rows: number; from: number },
  target: { output: number; outputStride: number; accumulate: boolean },
): void {
  const { kernels, gateUp, activated } = workspace;
  const width = weights.output.inputs;
  const stride = 2 * width * 4, rows = step.rows - step.from;
  const input = step.input + step.from * weights.inputs[0].inputs * 4;
  let column = gateUp;
  const projections = weights.inputs.map((linear) => {
    const projection = { linear, output: column, outputStride: stride };
    column += linear.outputs * 4;
    return projection;
  });
  project(workspace, precision, input, rows, projections, weights.inputBytes);
  kernels.gatedActivation(
    weights.gate,
    gateUp,
    stride,
    gateUp + width * 4,
    stride,
    activated,
    width * 4,
    rows,
    width,
  );
  const output = target.output + step.from * target.outputStride;
  project(workspace, precision, activated, rows, [{ linear: weights.output, ...target, output }]);
}
