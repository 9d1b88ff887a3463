/**
 * Matrices of Q6_K blocks: codes of 6 bits around 32, a scale for each 16 weights that is a signed byte times an f16 of the block.
 *
 * @module
 */
import { linearBytes } from "../../kernels/host/sizes.ts";
import type { CodedWeights } from "../reference/matrix_product.ts";
import type { Bench } from "./harness.ts";
import type { CodeMatrix } from "./problems.ts";
import type { Random } from "./random.ts";
import { f16Bits } from "./stored_formats.ts";

const GROUP = 16, BLOCK = 256, BLOCK_BYTES = 210;

/** Weights, and the blocks of a file that hold them, row by row. */
export interface SixBits {
  weights: CodedWeights;
  blocks: Uint8Array;
}

/** Codes 0 and 63 and scales −128 and 127 are among them. `extreme`: of even outputs all codes are 63, of odd ones 0. */
export function drawSixBits(random: Random, inputs: number, outputs: number, extreme = false): SixBits {
  const table = (rows: number, draw: (row: number, n: number) => number) =>
    Array.from({ length: rows }, (_, row) => Array.from({ length: outputs }, (_, n) => draw(row, n)));
  const codes = table(
    inputs,
    (k, n) => extreme ? n % 2 ? 0 : 63 : k === 0 ? 0 : k === 1 ? 63 : random.below(64),
  );
  const integers = table(
    inputs / GROUP,
    (g) => extreme || g === 1 ? -128 : g === 2 ? 127 : random.below(256) - 128,
  );
  const units = table(inputs / BLOCK, () => Math.round(random.between(-1, 1) * 2 ** 10) * 2 ** -22);
  const scales = integers.map((row, g) => row.map((integer, n) => integer * units[g * GROUP / BLOCK | 0][n]));
  const blocks = new Uint8Array(outputs * inputs / BLOCK * BLOCK_BYTES);
  for (let n = 0; n < outputs; n++) {
    for (let b = 0; b < inputs / BLOCK; b++) {
      const block = blocks.subarray((n * inputs / BLOCK + b) * BLOCK_BYTES);
      for (let i = 0; i < BLOCK; i++) {
        const code = codes[b * BLOCK + i][n], half = i >> 7, quarter = i >> 5 & 3, j = i & 31;
        block[half * 64 + (quarter & 1) * 32 + j] |= (code & 15) << (quarter >> 1) * 4;
        block[128 + half * 32 + j] |= (code >> 4) << quarter * 2;
      }
      for (let g = 0; g < 16; g++) block[192 + g] = integers[b * 16 + g][n];
      const [unit] = f16Bits(Float32Array.of(units[b][n]));
      block.set([unit & 255, unit >> 8], 208);
    }
  }
  const zeros = scales.map((row) => row.map(() => 32));
  const groups = codes.map((_, k) => Math.floor(k / GROUP));
  return { weights: { inputs, outputs, codes, scales, zeros, groups }, blocks };
}

/** The blocks, packed as the products take them. */
export function packSixBits(
  { arena, kernels }: Bench,
  { blocks, weights: { inputs, outputs } }: SixBits,
): CodeMatrix {
  const bytes = linearBytes({
    type: "int6",
    outputs,
    packedInputs: inputs,
    group: GROUP,
    hasZeros: false,
    hasBias: false,
    hasOrder: false,
    scaleType: "f16",
    hasUnits: true,
  });
  const [weights, scales, units] = [bytes.weights, bytes.scales, bytes.units].map((count) =>
    arena.reserve(count)
  );
  const rows = { source: arena.place(blocks), rowCount: outputs, inputs, panelBegin: 0 };
  kernels.packBlocks({ ...rows, format: "Q6_K", scaleType: "f16", weights, scales, offsets: 0, units });
  return { weights, scales, units, scaleType: "f16", zeros: 0, zero: 32, offsets: 0, group: GROUP };
}
