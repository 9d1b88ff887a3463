/**
 * The names that the host has for how values are stored and computed, and the constants that kernels have for them.
 *
 * @module
 */
import {
  ACTIVATION_GELU,
  ACTIVATION_GELU_TANH,
  ACTIVATION_SILU,
  BLOCKS_IQ4_NL,
  BLOCKS_IQ4_XS,
  BLOCKS_Q2_K,
  BLOCKS_Q3_K,
  BLOCKS_Q4_0,
  BLOCKS_Q4_1,
  BLOCKS_Q4_K,
  BLOCKS_Q5_0,
  BLOCKS_Q5_1,
  BLOCKS_Q5_K,
  BLOCKS_Q6_K,
  BLOCKS_Q8_0,
  FORM_BYTE,
  FORM_LADDER,
  FORM_WORD,
  KIND_BF16,
  KIND_F16,
  KIND_F32,
  KIND_INT16,
  KIND_INT4,
  KIND_INT6,
  KIND_INT7,
  KIND_INT8,
} from "../shared/layout.ts";

/** Elements of arrays that lie in memory as a file stores them. */
export const ELEMENT_TYPES = { f32: KIND_F32, f16: KIND_F16, bf16: KIND_BF16 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** Weights of linear layers: values, or codes of 4, 6, 7 or 8 bits with scales. */
export const WEIGHT_TYPES = {
  ...ELEMENT_TYPES,
  int8: KIND_INT8,
  int4: KIND_INT4,
  int6: KIND_INT6,
  int7: KIND_INT7,
} as const;
export type WeightType = keyof typeof WEIGHT_TYPES;

/** Elements of the key/value cache: floats, or integers of two bytes or one with a scale for each token. */
export const KEY_VALUE_TYPES = { f32: KIND_F32, int16: KIND_INT16, int8: KIND_INT8 } as const;
export type KeyValueType = keyof typeof KEY_VALUE_TYPES;

/** Elements of keys and values in blocks: those of the cache, or codes of 7 bits for towers. */
export type BlockType = KeyValueType | "int7";

/** Activations as integers: of one byte, of 12 bits as a ladder (kernels/assembly/matmul/w4a12.ts), or of 16 bits. */
export const ACTIVATION_FORMS = {
  byte: FORM_BYTE,
  word: FORM_WORD,
  ladder: FORM_LADDER,
} as const;
export type ActivationForm = keyof typeof ACTIVATION_FORMS;

/** What activations are against codes of that type; against 4-bit codes they may have one byte, or two of which 12 bits are used. */
export function activationForm(weights: WeightType, bytes: 1 | 2): ActivationForm {
  if (weights === "int8") return "word";
  return weights === "int4" && bytes === 2 ? "ladder" : "byte";
}

/** Activation functions of feed-forward networks; `gelu` is the exact form, with the error function. */
export const ACTIVATION_FUNCTIONS = {
  silu: ACTIVATION_SILU,
  geluTanh: ACTIVATION_GELU_TANH,
  gelu: ACTIVATION_GELU,
} as const;
export type ActivationFunction = keyof typeof ACTIVATION_FUNCTIONS;

/** Blocks of GGUF files, by the names that its tools have for them. */
export const BLOCK_FORMATS = {
  Q4_0: BLOCKS_Q4_0,
  Q4_1: BLOCKS_Q4_1,
  Q5_0: BLOCKS_Q5_0,
  Q5_1: BLOCKS_Q5_1,
  Q8_0: BLOCKS_Q8_0,
  Q2_K: BLOCKS_Q2_K,
  Q3_K: BLOCKS_Q3_K,
  Q4_K: BLOCKS_Q4_K,
  Q5_K: BLOCKS_Q5_K,
  Q6_K: BLOCKS_Q6_K,
  IQ4_NL: BLOCKS_IQ4_NL,
  IQ4_XS: BLOCKS_IQ4_XS,
} as const;
export type BlockFormat = keyof typeof BLOCK_FORMATS;

/** Bytes of one element. */
export function elementBytes(type: ElementType): number {
  return type === "f32" ? 4 : 2;
}

/** Whether weights are codes with scales. */
export function isCoded(type: WeightType): boolean {
  return type === "int4" || type === "int6" || type === "int7" || type === "int8";
}
