/**
 * Logical values → what GPTQ and AWQ checkpoints store, and back from the kernels' layouts. Written from the formats'
 * definitions alone; nothing here comes from the code under test.
 *
 * @module
 */
import type { CodedWeights } from "../reference/matrix_product.ts";

/** Codes packed along the inputs, low bits first: u32 [K · bits / 32, N]. */
export function storeCodes({ inputs, outputs, codes }: CodedWeights, bits: 4 | 8): Uint32Array {
  const perWord = 32 / bits;
  const words = new Uint32Array(Math.ceil(inputs / perWord) * outputs);
  for (let k = 0; k < inputs; k++) {
    for (let n = 0; n < outputs; n++) {
      words[Math.floor(k / perWord) * outputs + n] |= codes[k][n] << (k % perWord * bits);
    }
  }
  return words;
}

/** Zero points packed along the outputs, low bits first: u32 [G, N · bits / 32]. `minusOne` writes v1. */
export function storeZeros({ outputs, zeros }: CodedWeights, bits: 4 | 8, minusOne = false): Uint32Array {
  const perWord = 32 / bits;
  const ones = bits === 4 ? 0x11111111 : 0x01010101;
  const words = new Uint32Array(zeros.length * outputs / perWord);
  zeros.forEach((row, g) => {
    row.forEach((zero, n) => {
      words[g * outputs / perWord + Math.floor(n / perWord)] |= zero << (n % perWord * bits);
    });
  });
  return minusOne ? words.map((word) => word - ones) : words;
}

/** The column, of eight, that each nibble of an AWQ word holds, low bits first. */
const AWQ_COLUMNS = [0, 2, 4, 6, 1, 3, 5, 7];

/** Rows of 4-bit values, packed along the columns in AWQ's order ("gemm"): u32 [rows, columns / 8]. */
export function storeInterleaved(rows: number[][]): Uint32Array {
  return Uint32Array.from(
    rows.flatMap((row) =>
      Array.from(
        { length: row.length / 8 },
        (_, word) =>
          AWQ_COLUMNS.reduce((bits, column, nibble) => bits + row[8 * word + column] * 16 ** nibble, 0),
      )
    ),
  );
}

/** Code of one weight in 4-bit panels u32 [N/8, blocks, 8]. */
export function panelCode4(panels: Uint32Array, blocks: number, k: number, n: number): number {
  return (panels[((n >> 3) * blocks + (k >> 3)) * 8 + (n & 7)] >>> (4 * (k & 7))) & 15;
}

/** Code of one weight in 8-bit panels u8 [N/8, blocks, 2, 2, 2, 4, 2]: inputs k and k + 4 are neighbours. */
export function panelCode8(panels: Uint8Array, blocks: number, k: number, n: number): number {
  const block = Math.floor(n / 8) * blocks + Math.floor(k / 8);
  const pair = k % 4, outputs = n % 8;
  const half = block * 2 + Math.floor(pair / 2), quad = half * 2 + Math.floor(outputs / 4);
  return panels[((quad * 2 + pair % 2) * 4 + outputs % 4) * 2 + Math.floor(k % 8 / 4)];
}

/** Code of one weight in 7-bit panels u8 [N/8, blocks, 2, 8, 4]: even inputs, then odd ones. */
export function panelCode7(panels: Uint8Array, blocks: number, k: number, n: number): number {
  const block = Math.floor(n / 8) * blocks + Math.floor(k / 8);
  return panels[((block * 2 + k % 2) * 8 + n % 8) * 4 + Math.floor(k % 8 / 2)];
}

/** Place of a value in panels [N/8, length, 8]. */
export function panelPlace(length: number, i: number, n: number): number {
  return ((n >> 3) * length + i) * 8 + (n & 7);
}

/** Bit patterns of f32 values that f16 can hold exactly. */
export function f16Bits(values: Iterable<number>): Uint16Array {
  return new Uint16Array(Float16Array.from(values).buffer);
}

/** Bit patterns of f32 values, cut to bf16. */
export function bf16Bits(values: Iterable<number>): Uint16Array {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Uint16Array.from(bits, (word) => word >>> 16);
}
