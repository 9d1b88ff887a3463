/**
 * Types of tensors in GGUF files: values, and blocks of codes with their scales.
 *
 * @see {@link https://github.com/ggml-org/ggml/blob/d99724f/include/ggml.h | ggml.h}
 *
 * @module
 */
import { BLOCK_FORMATS, type BlockFormat } from "../../../../kernels/host/types.ts";
import type { Dtype } from "../safetensors.ts";

/** A type that can be read: its name here, and how many weights take how many bytes. */
export interface TensorType {
  readonly dtype: Dtype;
  readonly weights: number;
  readonly bytes: number;
}

const TYPES: ReadonlyMap<number, TensorType> = new Map(
  ([
    [0, "F32", 1, 4],
    [1, "F16", 1, 2],
    [2, "Q4_0", 32, 18],
    [3, "Q4_1", 32, 20],
    [6, "Q5_0", 32, 22],
    [7, "Q5_1", 32, 24],
    [8, "Q8_0", 32, 34],
    [10, "Q2_K", 256, 84],
    [11, "Q3_K", 256, 110],
    [12, "Q4_K", 256, 144],
    [13, "Q5_K", 256, 176],
    [14, "Q6_K", 256, 210],
    [20, "IQ4_NL", 32, 18],
    [23, "IQ4_XS", 256, 136],
    [24, "I8", 1, 1],
    [25, "I16", 1, 2],
    [26, "I32", 1, 4],
    [27, "I64", 1, 8],
    [28, "F64", 1, 8],
    [30, "BF16", 1, 2],
  ] as const).map(([id, dtype, weights, bytes]) => [id, { dtype, weights, bytes }]),
);

/** Types that are known and not read. */
const FOREIGN: Readonly<Record<number, string>> = {
  4: "Q4_2",
  5: "Q4_3",
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  29: "IQ1_M",
  31: "Q4_0_4_4",
  32: "Q4_0_4_8",
  33: "Q4_0_8_8",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
  40: "NVFP4",
};

/** The type of a number in the file; a string says what it is where it is not read. */
export function tensorTypeOf(id: number): TensorType | string {
  return TYPES.get(id) ?? FOREIGN[id] ?? `type ${id}`;
}

/** Whether a tensor is blocks of codes. */
export function isBlockFormat(dtype: Dtype): dtype is BlockFormat {
  return Object.hasOwn(BLOCK_FORMATS, dtype);
}

/** Bytes of as many weights. */
export function blockBytes(dtype: BlockFormat, weights: number): number {
  const type = [...TYPES.values()].find((type) => type.dtype === dtype)!;
  return weights / type.weights * type.bytes;
}

/** Weights of a block. */
export function blockWeights(dtype: BlockFormat): number {
  return [...TYPES.values()].find((type) => type.dtype === dtype)!.weights;
}
