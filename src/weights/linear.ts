/**
 * The weights of one linear layer in kernel memory, whatever the checkpoint stored.
 *
 * @module
 */
import type { CodeMatrix } from "../../kernels/host/kernels.ts";
import {
  BLOCK_INPUTS,
  KIND_F32,
  KIND_INT4,
  KIND_INT7,
  KIND_INT8,
  PANEL_OUTPUTS,
} from "../../kernels/shared/layout.ts";

/** An array in kernel memory as the file stores it, row-major. */
export interface StoredArray {
  readonly address: number;
  /** KIND_F32, KIND_F16 or KIND_BF16. */
  readonly kind: number;
}

/** W [outputs, inputs] in panels of eight outputs; see kernels/assembly for the exact layouts. */
export interface Linear {
  readonly name: string;
  /** KIND_INT4, KIND_INT7 or KIND_INT8 (codes), KIND_F32, KIND_F16 or KIND_BF16 (values), of kernels/shared/layout.ts. */
  readonly kind: number;
  readonly outputs: number;
  readonly inputs: number;
  /** Address of the weights and, for codes, of scales and zero points. */
  readonly matrix: CodeMatrix;
  /** Address of f32 [outputs], or 0. */
  readonly bias: number;
  /**
   * Act-order: address of i32 [packedInputs], the input that each packed one stands for, −1 for padding; or 0 when the
   * inputs lie in their own order.
   */
  readonly order: number;
  /** Inputs as packed: `inputs`, or more when act-order groups were padded to one length. */
  readonly packedInputs: number;
}

/** What the arrays of a linear layer hold. */
export interface LinearForm {
  kind: number;
  outputs: number;
  packedInputs: number;
  /** Inputs that share one scale. */
  group: number;
  hasZeros: boolean;
  hasBias: boolean;
  /** Whether the inputs lie in an order of their own. */
  hasOrder: boolean;
}

/** Bytes of each array of a linear layer, in the order in which they are reserved and stored. */
export interface LinearBytes {
  bias: number;
  order: number;
  weights: number;
  scales: number;
  zeros: number;
}

/** 0 for arrays that are not there. */
export function linearBytes(form: LinearForm): LinearBytes {
  const { kind, outputs, packedInputs, group } = form;
  const rows = Math.ceil(outputs / PANEL_OUTPUTS) * PANEL_OUTPUTS;
  const isCoded = [KIND_INT4, KIND_INT7, KIND_INT8].includes(kind);
  const codes = Math.ceil(packedInputs / BLOCK_INPUTS) * BLOCK_INPUTS;
  const groups = Math.ceil(packedInputs / group);
  return {
    bias: form.hasBias ? outputs * 4 : 0,
    order: form.hasOrder ? packedInputs * 4 : 0,
    weights: rows *
      (isCoded ? codes * (kind === KIND_INT4 ? 0.5 : 1) : packedInputs * (kind === KIND_F32 ? 4 : 2)),
    scales: isCoded ? rows * groups * 4 : 0,
    zeros: form.hasZeros ? rows * groups * 2 : 0,
  };
}
