/**
 * Marlin's order of 4-bit and 8-bit codes and of scales, as plain functions that need no model. The work is done by
 * kernels/assembly/pack/marlin.ts, on the caller's thread; arguments and results are copied.
 *
 * Every function hands a zero-element input back as it is, whatever the sizes say. Checkpoints hold such tensors legitimately,
 * and a permutation that reshaped one ended vLLM with "cannot reshape tensor of 0 elements into shape [-1, 0]".
 *
 * K = input features, N = output features, G = groups of inputs.
 *
 * @see {@link https://github.com/IST-DASLab/marlin/blob/2f6d7c1/marlin/__init__.py | Marlin's own packer}
 *
 * @module
 */
import { type OutputMatrix, runAlone } from "../../../kernels/host/alone.ts";
import { RemoraError } from "../../core/errors.ts";

/** Marlin's tile: 16 inputs × 64 outputs. */
const TILE_INPUTS = 16;
const TILE_OUTPUTS = 64;

/** Outputs whose scales are reordered among themselves where there are several groups of inputs. */
const GROUPED_BLOCK = 64;
/** The same where one group spans all inputs. */
const SINGLE_BLOCK = 32;

/** Width of a code. */
export type CodeBits = 4 | 8;

/**
 * Brings scales into the order in which Marlin's kernel reads them. Its own inverse.
 *
 * @param scales f16 bit patterns [G, N].
 * @param groupSize Inputs that share a scale; −1, or at least K: one group, which has an order of its own.
 * @returns A new array of the same shape; `scales` itself when it is empty.
 * @throws {RemoraError} BAD_ARGUMENT when the length is no multiple of N, or N none of 64 (32 with one group).
 *
 * @example One block of 64 outputs is transposed, 8 by 8
 * ```ts
 * import { marlinPermuteScales } from "../../../mod.ts";
 * const scales = Uint16Array.from({ length: 128 }, (_, i) => i);
 * const permuted = marlinPermuteScales(scales, 256, 64, 128);
 * if (permuted[1] !== 8 || permuted[65] !== 72) throw new Error("another order");
 * ```
 */
export function marlinPermuteScales(
  scales: Uint16Array,
  k: number,
  n: number,
  groupSize: number,
): Uint16Array {
  if (scales.length === 0) return scales;
  const isGrouped = groupSize !== -1 && groupSize < k;
  const block = isGrouped ? GROUPED_BLOCK : SINGLE_BLOCK;
  requireSizes(k, n);
  if (n % block !== 0 || scales.length % n !== 0) {
    throw refusal(
      "scales",
      `[groups, N] with N a multiple of ${block}`,
      `${scales.length} with N ${n}`,
    );
  }
  const groups = scales.length / n, permuted = new Uint16Array(scales.length);
  runAlone(
    n,
    { values: scales, rows: groups },
    { values: permuted, rows: groups },
    undefined,
    (kernels, slice) => {
      const { source, target, outputs } = slice;
      kernels.marlinPermuteScales({ source, count: groups * outputs, isSingle: !isGrouped, target });
    },
  );
  return permuted;
}

/**
 * Repacks GPTQ words into Marlin's order.
 *
 * @param qweight i32 [K · bits / 32, N]: codes packed along the inputs, low bits first.
 * @param perm Act-order: the stored input that row k of the result takes, a permutation of 0 … K − 1. Absent or empty: as stored.
 * @param bits Of a code, 4 or 8.
 * @returns i32 [K / 16, N · bits / 2]; `qweight` itself when it is empty.
 * @throws {RemoraError} BAD_ARGUMENT when K is no multiple of 16, N none of 64, or a length or the permutation does not fit.
 *
 * @example One code finds its place
 * ```ts
 * import { gptqToMarlin } from "../../../mod.ts";
 * const words = new Int32Array(2 * 64);
 * words[0] = 15 << 4; // input 1, output 0
 * if (gptqToMarlin(words, 16, 64)[0] !== 15 << 16) throw new Error("another place");
 * ```
 */
export function gptqToMarlin(
  qweight: Int32Array,
  k: number,
  n: number,
  perm?: Int32Array,
  bits: CodeBits = 4,
): Int32Array {
  if (qweight.length === 0) return qweight;
  const order = requireTiles(qweight, k, n, perm, bits);
  const marlin = new Int32Array(qweight.length);
  runAlone(n, gptqMatrix(qweight, k, bits), marlinMatrix(marlin, k), order, (kernels, slice) => {
    kernels.gptqToMarlin({ ...slice, inputs: k, bits });
  });
  return marlin;
}

/**
 * Repacks Marlin's words into GPTQ's: the inverse of {@linkcode gptqToMarlin} with the same arguments.
 *
 * @param marlin i32 [K / 16, N · bits / 2].
 * @returns i32 [K · bits / 32, N]; `marlin` itself when it is empty.
 * @throws {RemoraError} As {@linkcode gptqToMarlin}.
 */
export function marlinToGptq(
  marlin: Int32Array,
  k: number,
  n: number,
  perm?: Int32Array,
  bits: CodeBits = 4,
): Int32Array {
  if (marlin.length === 0) return marlin;
  const order = requireTiles(marlin, k, n, perm, bits);
  const qweight = new Int32Array(marlin.length);
  runAlone(n, marlinMatrix(marlin, k), gptqMatrix(qweight, k, bits), inverse(order), (kernels, slice) => {
    kernels.marlinToGptq({ ...slice, inputs: k, bits });
  });
  return qweight;
}

/**
 * Repacks Marlin's words into the panels that remora's own kernels read, in one step: what packing
 * {@linkcode marlinToGptq} with the same arguments would give.
 *
 * | bits | result                       | codes, low bits first                                              |
 * | ---- | ---------------------------- | ------------------------------------------------------------------ |
 * | 4    | words [N/8, K/8, 8]          | [p, b, o]: inputs 8b … 8b + 7 of output 8p + o                     |
 * | 8    | bytes [N/8, K/8, 2, 2, 2, 4, 2] | [p, b, h, q, i, o, s]: input 8b + 2h + i + 4s of output 8p + 4q + o |
 *
 * @param marlin i32 [K / 16, N · bits / 2].
 * @param perm As {@linkcode gptqToMarlin} took it; the panels are in the stored order. Absent or empty: in Marlin's.
 * @param bits Of a code, 4 or 8.
 * @returns i32, as many words as `marlin`; `marlin` itself when it is empty.
 * @throws {RemoraError} As {@linkcode gptqToMarlin}.
 *
 * @example Panels hold eight outputs side by side
 * ```ts
 * import { gptqToMarlin, marlinToPanels } from "../../../mod.ts";
 * const words = new Int32Array(2 * 64);
 * words[64 + 9] = 15 << 4; // input 9, output 9
 * const panels = marlinToPanels(gptqToMarlin(words, 16, 64), 16, 64);
 * if (panels[1 * 16 + 1 * 8 + 1] !== 15 << 4) throw new Error("another place");
 * ```
 */
export function marlinToPanels(
  marlin: Int32Array,
  k: number,
  n: number,
  perm?: Int32Array,
  bits: CodeBits = 4,
): Int32Array {
  if (marlin.length === 0) return marlin;
  const order = requireTiles(marlin, k, n, perm, bits);
  // Panels lie one after the other: all of an output's words are together.
  const panels = new Int32Array(marlin.length);
  runAlone(n, marlinMatrix(marlin, k), { values: panels, rows: 1 }, inverse(order), (kernels, slice) => {
    kernels.marlinToPanels({ ...slice, inputs: k, bits });
  });
  return panels;
}

/**
 * The codes of GPTQ words, one a byte.
 *
 * @param qweight i32 [K · bits / 32, N].
 * @returns u8 [K, N], values 0 … 2^bits − 1; empty for empty words.
 * @throws {RemoraError} BAD_ARGUMENT when the length does not fit.
 */
export function unpackGptq(qweight: Int32Array, k: number, n: number, bits: CodeBits = 4): Uint8Array {
  if (qweight.length === 0) return new Uint8Array(0);
  requireSizes(k, n);
  requireWords(qweight, k, n, bits);
  const codes = new Uint8Array(k * n);
  runAlone(n, gptqMatrix(qweight, k, bits), { values: codes, rows: k }, undefined, (kernels, slice) => {
    const { source, target, outputs } = slice;
    kernels.unpackCodes({ source, inputs: k, outputs, bits, codes: target });
  });
  return codes;
}

function gptqMatrix(values: Int32Array, k: number, bits: CodeBits): OutputMatrix {
  return { values, rows: k * bits / 32 };
}

function marlinMatrix(values: Int32Array, k: number): OutputMatrix {
  return { values, rows: k / TILE_INPUTS };
}

function inverse(perm: Int32Array | undefined): Int32Array | undefined {
  if (perm === undefined) return undefined;
  const rowOf = new Int32Array(perm.length);
  perm.forEach((input, row) => rowOf[input] = row);
  return rowOf;
}

/** Checks the arguments of a repacking; returns the permutation if there is one. */
function requireTiles(
  words: Int32Array,
  k: number,
  n: number,
  perm: Int32Array | undefined,
  bits: CodeBits,
): Int32Array | undefined {
  requireSizes(k, n);
  if (k % TILE_INPUTS !== 0 || n % TILE_OUTPUTS !== 0) {
    throw refusal("sizes", `K in multiples of ${TILE_INPUTS} and N of ${TILE_OUTPUTS}`, `${k} and ${n}`);
  }
  requireWords(words, k, n, bits);
  if (perm === undefined || perm.length === 0) return undefined;
  const seen = new Uint8Array(k);
  for (const input of perm) if (input >= 0 && input < k) seen[input] = 1;
  if (perm.length !== k || !seen.every(Boolean)) {
    throw refusal("perm", `a permutation of 0 to ${k - 1}`, `${perm.length} numbers that are none`);
  }
  return perm;
}

function requireSizes(k: number, n: number): void {
  // Kernels count in 32 bits.
  const isSize = (size: number) => Number.isInteger(size) && size > 0 && size < 2 ** 31;
  if (!isSize(k) || !isSize(n)) throw refusal("sizes", "positive integers K and N", `${k} and ${n}`);
}

function requireWords(words: Int32Array, k: number, n: number, bits: CodeBits): void {
  if (bits !== 4 && bits !== 8) throw refusal("bits", "4 or 8", `${bits}`);
  if (k % (32 / bits) !== 0 || words.length * (32 / bits) !== k * n) {
    throw refusal("words", `${k * n * bits / 32} for ${k} × ${n} codes of ${bits} bits`, `${words.length}`);
  }
}

function refusal(what: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot repack: wrong ${what}`, { expected, found });
}
