/**
 * Weights to codes with scales and zero points, input by input, each input's error passed on to those after it (GPTQ: Frantar et al.
 * 2022, arXiv 2210.17323), or to the nearest code alone.
 */
import { shareBegin } from "../share";

/** The smallest scale that f16 has, and from where on it has all its digits. */
const SMALLEST: f32 = 5.9604644775390625e-8;
const NORMAL: f32 = 6.103515625e-5;
/** The share of its range that the last scale to be tried nearly leaves out, as in AWQ's search (Lin et al. 2023, arXiv 2306.00978). */
const NARROWEST: f32 = 0.5;

/**
 * Rounds inputs `begin` … `begin` + `count` − 1 in the order of `order`, whole groups; groups of `group` inputs in that order share a scale, which f16
 * holds exactly. K inputs, N outputs (a multiple of 8), G = K / group.
 *
 *   order        u32 [K]               the input at each place
 *   sums         f32 [K, N]            by place: what errors of the blocks before add, times the pivots
 *   factors      f32 [count, count]    row j, column i > j: what the error at place j adds to place i; 0: nothing anywhere
 *   reciprocals  f32 [K]               by place: of the pivots
 *   weights      f32 [N/8, K, 8]       by input; what the codes mean takes the place of the weights
 *   errors       f32 [N/8, count, 8]   by place: the weight less what its code means
 *   codes        u8 [N/8, K, 8]        by input, 0 … levels
 *   predictions  f32 [N/8, group, 8]   scratch
 *   scales       f32 [N/8, G, 8]       of groups that begin in this block
 *   zeros        f32 [N/8, G, 8]       (levels + 1) / 2 with `isSymmetric`
 *
 * A group's scale is the one of `trials` that is worth least in errors: the first holds all values, the others cut off more and more.
 *
 * Each output is computed by itself in one order, so the bits depend on no thread.
 */
export function roundInputs(
  order: usize, sums: usize, sumsStride: usize, factors: usize, reciprocals: usize, outputs: i32, inputs: i32, begin: i32, count: i32,
  group: i32, levels: f32, isSymmetric: i32, trials: i32, predictions: usize, weights: usize, errors: usize, codes: usize, scales: usize,
  zeros: usize, rank: i32, size: i32,
): void {
  const panels = outputs >> 3, groups = inputs / group, end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const w = weights + <usize>panel * <usize>inputs * 32, e = errors + <usize>panel * <usize>count * 32;
    const c = codes + <usize>panel * <usize>inputs * 8, groupsAt = <usize>panel * <usize>groups * 32;
    const s = sums + <usize>panel * 32;
    for (let half: usize = 0; half < 32; half += 16) {
      for (let i = 0; i < count; i++) {
        v128.store(e + <usize>i * 32 + half, target(order, w, s, sumsStride, reciprocals, begin + i, half));
      }
      for (let i = 0; i < count; i++) {
        const place = begin + i;
        const groupAt = groupsAt + <usize>(place / group) * 32 + half;
        if (place % group == 0) {
          const p = predictions + <usize>panel * <usize>group * 32 + half;
          predict(order, w + half, e + <usize>i * 32 + half, factors, p, place, i, count, group);
          chooseScale(p, reciprocals + <usize>place * 4, group, levels, isSymmetric, trials, scales + groupAt, zeros + groupAt);
        }
        const scale = v128.load(scales + groupAt), zero = v128.load(zeros + groupAt);
        const input = load<u32>(order + <usize>place * 4);
        const at = w + <usize>input * 32 + half, wanted = v128.load(e + <usize>i * 32 + half);
        const code = nearestCode(wanted, scale, zero, levels);
        const meant = f32x4.mul(f32x4.sub(code, zero), scale), error = f32x4.sub(v128.load(at), meant);
        v128.store(at, meant);
        v128.store(e + <usize>i * 32 + half, error);
        storeBytes(c + <usize>input * 8 + (half >> 2), code);
        if (!factors) continue;
        const row = factors + <usize>i * <usize>count * 4;
        for (let later = i + 1; later < count; later++) {
          const to = e + <usize>later * 32 + half;
          v128.store(to, f32x4.add(v128.load(to), f32x4.mul(error, v128.load32_splat(row + <usize>later * 4))));
        }
      }
    }
  }
}

/**
 * What the inputs of a group will be rounded from, if no more errors come: each takes over what the one before would have had to make up
 * for. These are the weights that GPTQ has updated up to here.
 */
// @ts-ignore: decorator
@inline
function predict(
  order: usize, w: usize, wanted: usize, factors: usize, predictions: usize, place: i32, i: i32, count: i32, group: i32,
): void {
  for (let k = 0; k < group; k++) v128.store(predictions + <usize>k * 32, v128.load(wanted + <usize>k * 32));
  if (!factors) return;
  for (let k = 0; k < group; k++) {
    const weight = v128.load(w + <usize>load<u32>(order + <usize>(place + k) * 4) * 32);
    const change = f32x4.sub(weight, v128.load(predictions + <usize>k * 32));
    const row = factors + (<usize>(i + k) * <usize>count + <usize>i) * 4;
    for (let later = k + 1; later < group; later++) {
      const to = predictions + <usize>later * 32;
      v128.store(to, f32x4.add(v128.load(to), f32x4.mul(change, v128.load32_splat(row + <usize>later * 4))));
    }
  }
}

/**
 * Scale and zero point of a group for four outputs: of those that are tried the one with the least sum of squares of errors, each times its
 * pivot. That is the loss of the layer as far as nothing makes up for it.
 *
 * @param reciprocals Of the group's pivots.
 */
// @ts-ignore: decorator
@inline
function chooseScale(
  predictions: usize, reciprocals: usize, group: i32, levels: f32, isSymmetric: i32, trials: i32, scaleAt: usize, zeroAt: usize,
): void {
  let least = f32x4.splat(0), most = f32x4.splat(0);
  for (let k = 0; k < group; k++) {
    const value = v128.load(predictions + <usize>k * 32);
    least = f32x4.min(least, value);
    most = f32x4.max(most, value);
  }
  if (isSymmetric) {
    most = f32x4.max(most, f32x4.neg(least));
    least = f32x4.neg(most);
  }
  // A group of zeros alone counts as ±1.
  const nothing = f32x4.eq(least, most);
  most = v128.bitselect(f32x4.splat(1), most, nothing);
  least = v128.bitselect(f32x4.splat(-1), least, nothing);
  let bestScale = scaleOf(least, most, levels, isSymmetric), bestZero = zeroOf(least, bestScale, levels, isSymmetric);
  let lowest = f32x4.splat(Infinity);
  for (let trial = 0; trial < trials && trials > 1; trial++) {
    const share = f32x4.splat(1 - NARROWEST * <f32>trial / <f32>trials), low = f32x4.mul(least, share);
    const scale = scaleOf(low, f32x4.mul(most, share), levels, isSymmetric), zero = zeroOf(low, scale, levels, isSymmetric);
    const loss = lossOf(predictions, reciprocals, group, levels, scale, zero);
    const isBetter = f32x4.lt(loss, lowest);
    lowest = v128.bitselect(loss, lowest, isBetter);
    bestScale = v128.bitselect(scale, bestScale, isBetter);
    bestZero = v128.bitselect(zero, bestZero, isBetter);
  }
  v128.store(scaleAt, bestScale);
  v128.store(zeroAt, bestZero);
}

// @ts-ignore: decorator
@inline
function lossOf(predictions: usize, reciprocals: usize, group: i32, levels: f32, scale: v128, zero: v128): v128 {
  let loss = f32x4.splat(0);
  for (let k = 0; k < group; k++) {
    const value = v128.load(predictions + <usize>k * 32);
    const meant = f32x4.mul(f32x4.sub(nearestCode(value, scale, zero, levels), zero), scale);
    const error = f32x4.div(f32x4.sub(value, meant), v128.load32_splat(reciprocals + <usize>k * 4));
    loss = f32x4.add(loss, f32x4.mul(error, error));
  }
  return loss;
}

// @ts-ignore: decorator
@inline
function nearestCode(value: v128, scale: v128, zero: v128, levels: f32): v128 {
  const code = f32x4.add(f32x4.nearest(f32x4.div(value, scale)), zero);
  return f32x4.max(f32x4.splat(0), f32x4.min(f32x4.splat(levels), code));
}

/** The weights at a place of four outputs, with the errors of the blocks before. */
// @ts-ignore: decorator
@inline
function target(
  order: usize, w: usize, s: usize, sumsStride: usize, reciprocals: usize, place: i32, half: usize,
): v128 {
  const weight = v128.load(w + <usize>load<u32>(order + <usize>place * 4) * 32 + half);
  const sum = v128.load(s + <usize>place * sumsStride + half);
  return f32x4.add(weight, f32x4.mul(sum, v128.load32_splat(reciprocals + <usize>place * 4)));
}

/** The scale of a group whose values lie between `least` < `most`. */
// @ts-ignore: decorator
@inline
function scaleOf(least: v128, most: v128, levels: f32, isSymmetric: i32): v128 {
  const range = f32x4.div(f32x4.sub(most, least), f32x4.splat(levels));
  if (isSymmetric) return halfOf(range);
  // Files store zero points less one, and some readers borrow from the neighbour where that is negative: so none is 0.
  const isLow = f32x4.lt(f32x4.nearest(f32x4.div(f32x4.neg(least), range)), f32x4.splat(1));
  return halfOf(v128.bitselect(f32x4.div(most, f32x4.splat(levels - 1)), range, isLow));
}

// @ts-ignore: decorator
@inline
function zeroOf(least: v128, scale: v128, levels: f32, isSymmetric: i32): v128 {
  if (isSymmetric) return f32x4.splat((levels + 1) / 2);
  const zero = f32x4.nearest(f32x4.div(f32x4.neg(least), scale));
  return f32x4.max(f32x4.splat(1), f32x4.min(f32x4.splat(levels), zero));
}

/** Positive numbers near those given, that f16 holds exactly: 11 digits, fewer where f16 has fewer. */
// @ts-ignore: decorator
@inline
function halfOf(value: v128): v128 {
  const raised = f32x4.mul(value, f32x4.splat(8193));
  const digits = f32x4.sub(raised, f32x4.sub(raised, value));
  const small = f32x4.sub(f32x4.add(value, f32x4.splat(0.75)), f32x4.splat(0.75));
  const isSmall = f32x4.lt(value, f32x4.splat(NORMAL));
  return f32x4.max(f32x4.splat(SMALLEST), v128.bitselect(small, digits, isSmall));
}

/** Four codes, whole numbers up to 255, as bytes. */
// @ts-ignore: decorator
@inline
function storeBytes(to: usize, code: v128): void {
  const words = i32x4.trunc_sat_f32x4_u(code), halves = i16x8.narrow_i32x4_u(words, words);
  v128.store32_lane(to, i8x16.narrow_i16x8_u(halves, halves), 0);
}
