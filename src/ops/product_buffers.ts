/**
 * What linear layers need beside their inputs and outputs.
 *
 * @module
 */
import type { CodeActivations, Kernels } from "../../kernels/host/kernels.ts";
import { FORM_BYTE, FORM_LADDER, FORM_PLANES, FORM_WORD } from "../../kernels/shared/layout.ts";

/** The shortest group has eight inputs, so this many groups fit any row. */
const GROUP_INPUTS_MIN = 8;

/** Addresses of the buffers, for `rows` rows of at most `inputs` inputs (a multiple of 8, act-order padding included). */
export class ProductBuffers {
  readonly kernels: Kernels;
  readonly rows: number;
  /** Inputs in act-order, f32 [rows, inputs]. */
  readonly gathered: number;
  /** Activations as integers, by their form (FORM_… of kernels/shared/layout.ts); all lie in the same memory. */
  readonly coded: readonly CodeActivations[];

  constructor(kernels: Kernels, rows: number, inputs: number) {
    const { heap } = kernels;
    const groupBytes = rows * (inputs / GROUP_INPUTS_MIN) * 4;
    this.kernels = kernels;
    this.rows = rows;
    this.gathered = heap.allocate(rows * inputs * 4);
    const codes = {
      codes: heap.allocate(rows * 2 * inputs),
      sums: heap.allocate(groupBytes),
      steps: heap.allocate(groupBytes),
    };
    this.coded = [FORM_BYTE, FORM_PLANES, FORM_WORD, FORM_LADDER].map((form) => ({ form, ...codes }));
  }

  /** Bytes that such buffers take. */
  static bytes(rows: number, inputs: number): number {
    return rows * inputs * (4 + 2 + 2 * 4 / GROUP_INPUTS_MIN);
  }
}

/** Rounds a row's inputs up to whole blocks of codes. */
export function wholeBlocks(inputs: number): number {
  return Math.ceil(inputs / GROUP_INPUTS_MIN) * GROUP_INPUTS_MIN;
}
