/**
 * The weights of one linear layer in kernel memory, whatever the checkpoint stored.
 *
 * @module
 */
import type { CodeMatrix } from "../../kernels/host/kernels.ts";

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
