/**
 * What the matrix products share: the passing of panels of eight outputs, and the writing of what was summed.
 */
import { loadLanes, storeLanes } from "../vector";

/**
 * Panels that a tile of rows passes before the next tile does: their outputs fill whole cache lines (two panels a line) and
 * the rows' codes stay in the first cache. Their weights must stay there too.
 */
const PANELS_TOGETHER = 8;
const WEIGHT_BYTES_TOGETHER: usize = 24576;

// @ts-ignore: decorator
@inline
export function panelsTogether(panelBytes: usize): i32 {
  return max(1, min(PANELS_TOGETHER, <i32>(WEIGHT_BYTES_TOGETHER / panelBytes)));
}

/**
 * Panels that one row passes together, each a quarter (or half) of a thread's share from the next. Prefetchers stop at pages of
 * 4 KiB unless what follows is read next, and a row's loop leaves few loads in flight. Four long streams hide both: from memory, one
 * thread of a Zen 4, 11 GB/s with two neighbouring panels, 14 with four, 21 with four far apart, of 24 from a cache.
 */
export const ROW_PANELS = 4;

/** Biases of a panel's eight outputs; 0 where there are none. */
// @ts-ignore: decorator
@inline
export function biasOf(bias: usize, panel: i32): usize {
  return bias ? bias + <usize>panel * 32 : 0;
}

/**
 * Adds to four (or fewer) outputs what every matrix product adds at its end: the bias, and the value that is
 * there when the product is accumulated onto a residual.
 */
// @ts-ignore: decorator
@inline
function storeOutputs(
  output: usize, value: v128, bias: usize, accumulate: i32, count: i32,
): void {
  if (count <= 0) return;
  if (bias) value = f32x4.add(value, loadLanes(bias, count));
  if (accumulate) value = f32x4.add(value, loadLanes(output, count));
  storeLanes(output, value, count);
}

/** Writes eight outputs of one row, the last panel's fewer. */
export function storePanel(output: usize, bias: usize, accumulate: i32, count: i32, a: v128, b: v128): void {
  storeOutputs(output, a, bias, accumulate, count);
  storeOutputs(output + 16, b, bias ? bias + 16 : 0, accumulate, count - 4);
}

/**
 * Writes eight outputs each of one, two or four rows, or panels of one row; see storeOutputs. From one to the next it is
 * `stride` bytes in the output, `biasStride` in the bias, and `outputs` outputs, which `count` has fewer.
 */
// @ts-ignore: decorator
@inline
function storeEights(
  parts: i32, output: usize, stride: usize, bias: usize, biasStride: usize, accumulate: i32, count: i32, outputs: i32,
  t00: v128, t01: v128, t10: v128, t11: v128, t20: v128, t21: v128, t30: v128, t31: v128,
): void {
  storePanel(output, bias, accumulate, count, t00, t01);
  if (parts == 1) return;
  storePanel(output + stride, bias + biasStride, accumulate, count - outputs, t10, t11);
  if (parts == 2) return;
  storePanel(output + 2 * stride, bias + 2 * biasStride, accumulate, count - 2 * outputs, t20, t21);
  storePanel(output + 3 * stride, bias + 3 * biasStride, accumulate, count - 3 * outputs, t30, t31);
}

/** Writes one, two or four rows of eight outputs, the last panel's fewer. */
// @ts-ignore: decorator
@inline
export function storeRows(
  rows: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
  t00: v128, t01: v128, t10: v128, t11: v128, t20: v128, t21: v128, t30: v128, t31: v128,
): void {
  storeEights(rows, output, outputStride, bias, 0, accumulate, count, 0, t00, t01, t10, t11, t20, t21, t30, t31);
}

/** Writes one row's outputs of one, two or four panels, `stride` bytes apart: eight outputs take 32. */
// @ts-ignore: decorator
@inline
export function storePanels(
  panels: i32, output: usize, stride: usize, bias: usize, accumulate: i32, count: i32,
  t0: v128, t1: v128, t2: v128, t3: v128, t4: v128, t5: v128, t6: v128, t7: v128,
): void {
  const biasStride: usize = bias ? stride : 0, outputs = <i32>(stride >> 2);
  storeEights(panels, output, stride, bias, biasStride, accumulate, count, outputs, t0, t1, t2, t3, t4, t5, t6, t7);
}
