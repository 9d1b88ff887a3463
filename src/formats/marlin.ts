/**
 * Marlin's order of 4-bit and 8-bit codes and of scales, as plain functions that need no model.
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
import { RemoraError } from "../core/errors.ts";

/** Marlin's tile: 16 inputs × 64 outputs. */
const TILE_INPUTS = 16;
const TILE_OUTPUTS = 64;

/** Order of the scales within 64 outputs where there are several groups: an 8 × 8 transpose. */
const GROUPED_ORDER = Array.from({ length: 64 }, (_, i) => (i >> 3) + 8 * (i & 7));
/** Order within 32 outputs where one group spans all inputs. */
const SINGLE_ORDER = Array.from({ length: 32 }, (_, i) => 2 * (i >> 3) + [0, 1, 8, 9, 16, 17, 24, 25][i & 7]);

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
 * import { marlinPermuteScales } from "../../mod.ts";
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
  const order = groupSize !== -1 && groupSize < k ? GROUPED_ORDER : SINGLE_ORDER;
  requireSizes(k, n);
  if (n % order.length !== 0 || scales.length % n !== 0) {
    throw refusal(
      "scales",
      `[groups, N] with N a multiple of ${order.length}`,
      `${scales.length} with N ${n}`,
    );
  }
  return scales.map((_, i) => scales[i - i % order.length + order[i % order.length]]);
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
 * import { gptqToMarlin } from "../../mod.ts";
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
  const sourceOf = tileSources(qweight, k, n, perm, bits);
  const marlin = new Int32Array(qweight.length);
  forEachCode(k, n, bits, (input, output, to) => {
    marlin[to.word] |= codeAt(qweight, gptqPlace(sourceOf(input), output, n, bits), bits) << to.shift;
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
  const sourceOf = tileSources(marlin, k, n, perm, bits);
  const qweight = new Int32Array(marlin.length);
  forEachCode(k, n, bits, (input, output, from) => {
    const to = gptqPlace(sourceOf(input), output, n, bits);
    qweight[to.word] |= codeAt(marlin, from, bits) << to.shift;
  });
  return qweight;
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
  return Uint8Array.from({ length: k * n }, (_, i) => {
    return codeAt(qweight, gptqPlace(Math.floor(i / n), i % n, n, bits), bits);
  });
}

/** Where a code lies: a word and the bit it begins at. */
interface Place {
  word: number;
  shift: number;
}

function codeAt(words: Int32Array, { word, shift }: Place, bits: CodeBits): number {
  return words[word] >>> shift & (1 << bits) - 1;
}

function gptqPlace(input: number, output: number, n: number, bits: CodeBits): Place {
  const perWord = 32 / bits;
  return { word: Math.floor(input / perWord) * n + output, shift: input % perWord * bits };
}

/** Visits every code with its place in Marlin's order. */
function forEachCode(
  k: number,
  n: number,
  bits: CodeBits,
  visit: (input: number, output: number, place: Place) => void,
): void {
  for (let input = 0; input < k; input++) {
    for (let output = 0; output < n; output++) visit(input, output, marlinPlace(input, output, n, bits));
  }
}

/**
 * In a tile, thread t of 32 owns one word for each of four 16 × 16 blocks (two for 8 bits): it holds two neighbouring inputs, the
 * same eight further down, and the outputs eight to the right.
 */
function marlinPlace(input: number, output: number, n: number, bits: CodeBits): Place {
  const row = input % TILE_INPUTS, column = output % TILE_OUTPUTS, inBlock = column % 16;
  const thread = (inBlock & 7) * 4 + ((row & 7) >> 1);
  const block = column >> 4, isRight = inBlock >> 3, isLower = row >> 3, isOdd = row & 1;
  const tile = Math.floor(input / TILE_INPUTS) * (n / TILE_OUTPUTS) + Math.floor(output / TILE_OUTPUTS);
  return bits === 4
    ? { word: tile * 128 + thread * 4 + block, shift: 4 * (isOdd * 4 + isLower + isRight * 2) }
    : { word: tile * 256 + thread * 8 + block * 2 + isRight, shift: 8 * (isOdd * 2 + isLower) };
}

/** Checks the arguments of a repacking; returns which stored input each row takes. */
function tileSources(
  words: Int32Array,
  k: number,
  n: number,
  perm: Int32Array | undefined,
  bits: CodeBits,
): (input: number) => number {
  requireSizes(k, n);
  if (k % TILE_INPUTS !== 0 || n % TILE_OUTPUTS !== 0) {
    throw refusal("sizes", `K in multiples of ${TILE_INPUTS} and N of ${TILE_OUTPUTS}`, `${k} and ${n}`);
  }
  requireWords(words, k, n, bits);
  if (perm === undefined || perm.length === 0) return (input) => input;
  const seen = new Uint8Array(k);
  for (const input of perm) if (input >= 0 && input < k) seen[input] = 1;
  if (perm.length !== k || !seen.every(Boolean)) {
    throw refusal("perm", `a permutation of 0 to ${k - 1}`, `${perm.length} numbers that are none`);
  }
  return (input) => perm[input];
}

function requireSizes(k: number, n: number): void {
  const isSize = (size: number) => Number.isSafeInteger(size) && size > 0;
  if (!isSize(k) || !isSize(n)) throw refusal("sizes", "positive integers K and N", `${k} and ${n}`);
}

function requireWords(words: Int32Array, k: number, n: number, bits: CodeBits): void {
  if (bits !== 4 && bits !== 8) throw refusal("bits", "4 or 8", `${bits}`);
  if (words.length * (32 / bits) !== k * n) {
    throw refusal("words", `${k * n * bits / 32} for ${k} × ${n} codes of ${bits} bits`, `${words.length}`);
  }
}

function refusal(what: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot repack: wrong ${what}`, { expected, found });
}
