/**
 * Columns in other places, and their sums.
 */
import { shareBegin } from "../share";
import { storeTransposed } from "../vector";

/**
 * output[m, i] = input[m, order[i]], 0 where order[i] is −1: activations in the order of weights that are grouped by activation
 * (act-order).
 *   input   f32 [M, any]
 *   order   i32 [count]
 *   output  f32 [M, count]
 */
export function gatherColumns(
  input: usize, inputStride: usize, order: usize, rows: i32, count: i32, output: usize, outputStride: usize, rank: i32,
  size: i32,
): void {
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride, to = output + <usize>row * outputStride;
    for (let i = 0; i < count; i++) {
      const column = load<i32>(order + <usize>i * 4);
      store<f32>(to + <usize>i * 4, column < 0 ? 0 : load<f32>(from + <usize>column * 4));
    }
  }
}

/**
 * output[m, i · step] = input[m, i]: several matrices interleaved into one, a call for each.
 *   input   f32 [M, width]
 *   output  f32 [M, (width − 1) · step + 1]; what lies between stays
 */
export function spreadColumns(
  input: usize, inputStride: usize, step: i32, rows: i32, width: i32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride, to = output + <usize>row * outputStride;
    for (let i = 0; i < width; i++) store<f32>(to + <usize>(i * step) * 4, load<f32>(from + <usize>i * 4));
  }
}

/**
 * output[m, g] = Σ input[m, k] over k in group g: what offsets of weight groups are multiplied with.
 *   input   f32 [M, K]
 *   output  f32 [M, ceil(K / group)]
 * Four sums run side by side, whatever the thread.
 */
export function sumGroups(
  input: usize, inputStride: usize, rows: i32, inputs: i32, group: i32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const groups = (inputs + group - 1) / group, end = shareBegin(rows * groups, rank + 1, size);
  for (let i = shareBegin(rows * groups, rank, size); i < end; i++) {
    const row = i / groups, g = i - row * groups;
    const from = input + <usize>row * inputStride + <usize>(g * group) * 4, count = min(group, inputs - g * group);
    let sums = f32x4.splat(0), k = 0;
    for (; k + 4 <= count; k += 4) sums = f32x4.add(sums, v128.load(from + <usize>k * 4));
    let sum = (f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1)) +
      (f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3));
    for (; k < count; k++) sum += load<f32>(from + <usize>k * 4);
    store<f32>(output + <usize>row * outputStride + <usize>g * 4, sum);
  }
}

/**
 * output[k, m] = input[m, k], in tiles of 16 columns that stay in the caches.
 *   input   f32 [M, K], both multiples of 4
 *   output  f32 [K, M]
 */
export function transpose(
  input: usize, inputStride: usize, rows: i32, columns: i32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const tiles = (columns + 15) >> 4, end = shareBegin(tiles, rank + 1, size);
  for (let tile = shareBegin(tiles, rank, size); tile < end; tile++) {
    const last = min(tile * 16 + 16, columns);
    for (let row = 0; row < rows; row += 4) {
      const from = input + <usize>row * inputStride, to = output + <usize>row * 4;
      for (let column = tile * 16; column < last; column += 4) {
        const at = from + <usize>column * 4;
        const a = v128.load(at), b = v128.load(at + inputStride);
        const c = v128.load(at + 2 * inputStride), d = v128.load(at + 3 * inputStride);
        storeTransposed(to + <usize>column * outputStride, outputStride, a, b, c, d);
      }
    }
  }
}
