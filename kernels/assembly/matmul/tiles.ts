/**
 * The tiles of the products of coded weights: templates, of which every kernel (w4a8, w4a12, w6a8, w7a8, w8a16) makes its own code.
 * `K` is the kernel; see kernel.ts.
 *
 * Tiles are functions of their own: within one large function, engines take seconds to make their best code of it.
 */
import { lane0, lane1, lane2, lane3 } from "../vector";
import { BLOCK_INPUTS, CHUNK_INPUTS, UNIT_INPUTS } from "../../shared/layout";
import { addOffsets, endGroup, endRow, startGroup } from "./group";
import { blockBytes, groupScaleBytes, mayHaveUnits } from "./kernel";
import { leftOffsetsOf, leftScalesOf, rightOffsetsOf, rightScalesOf } from "./scales";
import { lowSixBits, sharedSixBits } from "./w6a8";
import { storePanels, storeRows } from "./panels";

const CHUNK_BLOCKS: i32 = CHUNK_INPUTS / BLOCK_INPUTS;
const UNIT_BLOCKS: i32 = UNIT_INPUTS / BLOCK_INPUTS;

/** The first vector of codes of outputs 0 to 3. */
// @ts-ignore: decorator
@inline
function firstLeft<K>(w: usize): v128 {
  return changetype<K>(0).bits == 6 ? lowSixBits(v128.load(w)) : v128.load(w);
}

/** The same of outputs 4 to 7. */
// @ts-ignore: decorator
@inline
function firstRight<K>(w: usize): v128 {
  return changetype<K>(0).bits == 6 ? lowSixBits(v128.load(w, 32)) : v128.load(w, 16);
}

/** The second vector of codes of outputs 0 to 3, where a block has two. */
// @ts-ignore: decorator
@inline
function secondLeft<K>(first: v128, w: usize): v128 {
  const kernel = changetype<K>(0);
  if (kernel.bits == 6) return lowSixBits(v128.load(w, 16));
  return kernel.vectors == 2 ? v128.load(w, 32) : first;
}

/** The same of outputs 4 to 7. */
// @ts-ignore: decorator
@inline
function secondRight<K>(first: v128, w: usize): v128 {
  const kernel = changetype<K>(0);
  if (kernel.bits == 6) return sharedSixBits(w);
  return kernel.vectors == 2 ? v128.load(w, 48) : first;
}

/**
 * What step 1 of a block multiplies. The first vector's steps come before the second's; `stored` is the vector whose step it is, as
 * in the next two.
 */
// @ts-ignore: decorator
@inline
function unpackStep1<K>(stored: v128, mask: v128): v128 {
  const kernel = changetype<K>(0);
  return kernel.steps == 1 ? kernel.unpack0(stored, mask) : kernel.unpack1(stored, mask);
}

// @ts-ignore: decorator
@inline
function unpackStep2<K>(stored: v128, mask: v128): v128 {
  const kernel = changetype<K>(0);
  return kernel.steps == 2 ? kernel.unpack0(stored, mask) : kernel.unpack2(stored, mask);
}

// @ts-ignore: decorator
@inline
function unpackStep3<K>(stored: v128, mask: v128): v128 {
  const kernel = changetype<K>(0);
  return kernel.steps == 2 ? kernel.unpack1(stored, mask) : kernel.unpack3(stored, mask);
}

/** Four outputs of one row: a block in its two or four steps, of which each has its activations. */
// @ts-ignore: decorator
@inline
function addBlock<K>(
  sum: v128, x0: v128, x1: v128, x2: v128, x3: v128, first: v128, second: v128, mask: v128,
): v128 {
  const kernel = changetype<K>(0);
  sum = kernel.add(sum, x0, kernel.unpack0(first, mask), mask);
  sum = kernel.add(sum, x1, unpackStep1<K>(kernel.steps == 1 ? second : first, mask), mask);
  if (!kernel.hasFourSteps) return sum;
  sum = kernel.add(sum, x2, unpackStep2<K>(second, mask), mask);
  return kernel.add(sum, x3, unpackStep3<K>(second, mask), mask);
}

/**
 * One row × one panel, or × four panels, `apart` panels from one to the next (see ROW_PANELS; `N` is as wide as there are panels:
 * u8 or u32). Activations are loaded and spread once for all. Sums 0 and 1 are those of the first panel, and so on.
 */
export function rowTile<K, N>(
  a: usize, sums: usize, activationScales: usize, factors: usize, w: usize, panelBytes: usize, scale: usize, scaleBytes: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, blocks: i32, groupBlocks: i32, apart: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const kernel = changetype<K>(0);
  const isSingle = sizeof<N>() == 1;
  const mask = kernel.mask(blocks);
  panelBytes *= apart;
  scaleBytes *= apart;
  // Units of the offsets stand after those of the scales.
  const unitHalf: usize = units ? 16 : 0, unitsApart = <usize>(blocks / UNIT_BLOCKS * apart) * unitHalf * (kernel.mayHaveOffsets ? 2 : 1);
  let activationScale = v128.load32_splat(activationScales);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let t4 = f32x4.splat(0), t5 = f32x4.splat(0), t6 = f32x4.splat(0), t7 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    const sum = load<i32>(sums);
    let c0 = startGroup(zeros, 0, zero, sum), c1 = startGroup(zeros, 8, zero, sum);
    let c2 = c0, c3 = c1, c4 = c0, c5 = c1, c6 = c0, c7 = c1;
    if (!isSingle && zeros) {
      let other = zeros + scaleBytes;
      c2 = startGroup(other, 0, zero, sum);
      c3 = startGroup(other, 8, zero, sum);
      other += scaleBytes;
      c4 = startGroup(other, 0, zero, sum);
      c5 = startGroup(other, 8, zero, sum);
      other += scaleBytes;
      c6 = startGroup(other, 0, zero, sum);
      c7 = startGroup(other, 8, zero, sum);
    }
    do {
      let s0 = kernel.begin(c0), s1 = kernel.begin(c1), s2 = kernel.begin(c2), s3 = kernel.begin(c3);
      let s4 = kernel.begin(c4), s5 = kernel.begin(c5), s6 = kernel.begin(c6), s7 = kernel.begin(c7);
      let inChunk = kernel.hasFactors ? min(left, CHUNK_BLOCKS) : left;
      left -= inChunk;
      do {
        // One load and a shuffle each: engines check the bounds of every load.
        const all = kernel.activationBytes == 16 ? v128.load(a) : v128.load64_zero(a);
        const x0 = lane0(all), x1 = lane1(all), x2 = lane2(all), x3 = lane3(all);
        let p = firstLeft<K>(w), q = firstRight<K>(w);
        s0 = addBlock<K>(s0, x0, x1, x2, x3, p, secondLeft<K>(p, w), mask);
        s1 = addBlock<K>(s1, x0, x1, x2, x3, q, secondRight<K>(q, w), mask);
        if (!isSingle) {
          let v = w + panelBytes;
          p = firstLeft<K>(v);
          q = firstRight<K>(v);
          s2 = addBlock<K>(s2, x0, x1, x2, x3, p, secondLeft<K>(p, v), mask);
          s3 = addBlock<K>(s3, x0, x1, x2, x3, q, secondRight<K>(q, v), mask);
          v += panelBytes;
          p = firstLeft<K>(v);
          q = firstRight<K>(v);
          s4 = addBlock<K>(s4, x0, x1, x2, x3, p, secondLeft<K>(p, v), mask);
          s5 = addBlock<K>(s5, x0, x1, x2, x3, q, secondRight<K>(q, v), mask);
          v += panelBytes;
          p = firstLeft<K>(v);
          q = firstRight<K>(v);
          s6 = addBlock<K>(s6, x0, x1, x2, x3, p, secondLeft<K>(p, v), mask);
          s7 = addBlock<K>(s7, x0, x1, x2, x3, q, secondRight<K>(q, v), mask);
        }
        a += kernel.activationBytes;
        w += blockBytes<K>();
      } while (--inChunk);
      const factor = kernel.hasFactors ? kernel.factor(v128.load32_splat(factors)) : mask;
      factors += 4;
      c0 = kernel.end(c0, s0, factor);
      c1 = kernel.end(c1, s1, factor);
      c2 = kernel.end(c2, s2, factor);
      c3 = kernel.end(c3, s3, factor);
      c4 = kernel.end(c4, s4, factor);
      c5 = kernel.end(c5, s5, factor);
      c6 = kernel.end(c6, s6, factor);
      c7 = kernel.end(c7, s7, factor);
    } while (kernel.hasFactors && left > 0);
    if (!kernel.hasFactors) {
      activationScale = v128.load32_splat(activationScales);
      activationScales += 4;
    }
    const unit = mayHaveUnits<K>() ? units : 0;
    t0 = endGroup<K>(t0, c0, leftScalesOf<K>(scale, unit), activationScale);
    t1 = endGroup<K>(t1, c1, rightScalesOf<K>(scale, unit), activationScale);
    if (!isSingle) {
      let other = scale + scaleBytes, otherUnit = unit + unitsApart;
      t2 = endGroup<K>(t2, c2, leftScalesOf<K>(other, otherUnit), activationScale);
      t3 = endGroup<K>(t3, c3, rightScalesOf<K>(other, otherUnit), activationScale);
      other += scaleBytes;
      otherUnit += unitsApart;
      t4 = endGroup<K>(t4, c4, leftScalesOf<K>(other, otherUnit), activationScale);
      t5 = endGroup<K>(t5, c5, rightScalesOf<K>(other, otherUnit), activationScale);
      other += scaleBytes;
      otherUnit += unitsApart;
      t6 = endGroup<K>(t6, c6, leftScalesOf<K>(other, otherUnit), activationScale);
      t7 = endGroup<K>(t7, c7, rightScalesOf<K>(other, otherUnit), activationScale);
    }
    if (kernel.mayHaveOffsets && (offsets || units)) {
      const groupSum = f32x4.convert_i32x4_s(i32x4.splat(sum));
      t0 = addOffsets<K>(t0, groupSum, leftOffsetsOf<K>(offsets, scale, unit), activationScale);
      t1 = addOffsets<K>(t1, groupSum, rightOffsetsOf<K>(offsets, scale, unit), activationScale);
      let other = offsets + scaleBytes, otherScale = scale + scaleBytes, otherUnit = unit + unitsApart;
      if (!isSingle) {
        t2 = addOffsets<K>(t2, groupSum, leftOffsetsOf<K>(other, otherScale, otherUnit), activationScale);
        t3 = addOffsets<K>(t3, groupSum, rightOffsetsOf<K>(other, otherScale, otherUnit), activationScale);
        other += scaleBytes;
        otherScale += scaleBytes;
        otherUnit += unitsApart;
        t4 = addOffsets<K>(t4, groupSum, leftOffsetsOf<K>(other, otherScale, otherUnit), activationScale);
        t5 = addOffsets<K>(t5, groupSum, rightOffsetsOf<K>(other, otherScale, otherUnit), activationScale);
        other += scaleBytes;
        otherScale += scaleBytes;
        otherUnit += unitsApart;
        t6 = addOffsets<K>(t6, groupSum, leftOffsetsOf<K>(other, otherScale, otherUnit), activationScale);
        t7 = addOffsets<K>(t7, groupSum, rightOffsetsOf<K>(other, otherScale, otherUnit), activationScale);
      }
      offsets += 16;
    }
    if (mayHaveUnits<K>() && !(blocks & UNIT_BLOCKS - 1)) units += kernel.mayHaveOffsets ? 2 * unitHalf : unitHalf;
    sums += 4;
    scale += groupScaleBytes<K>();
    if (zeros) zeros += 16;
  }
  storePanels(
    sizeof<N>(), output, <usize>apart * 32, bias, accumulate, count, endRow<K>(t0, activationScale), endRow<K>(t1, activationScale),
    endRow<K>(t2, activationScale), endRow<K>(t3, activationScale), endRow<K>(t4, activationScale),
    endRow<K>(t5, activationScale), endRow<K>(t6, activationScale), endRow<K>(t7, activationScale),
  );
}

/** Four rows × one panel: eight integer sums stay in registers, each unpacked vector of codes serves all rows. */
export function rowsTile<K>(
  a: usize, sums: usize, activationScales: usize, factors: usize, w: usize, scale: usize, zeros: usize, zero: i32, offsets: usize, units: usize, blocks: i32,
  groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const kernel = changetype<K>(0);
  const mask = kernel.mask(blocks), unitHalf: usize = units ? 16 : 0;
  let activationScale = v128.load(activationScales);
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    const sum0 = load<i32>(sums), sum1 = load<i32>(sums, 4), sum2 = load<i32>(sums, 8), sum3 = load<i32>(sums, 12);
    let c00 = startGroup(zeros, 0, zero, sum0), c01 = startGroup(zeros, 8, zero, sum0);
    let c10 = startGroup(zeros, 0, zero, sum1), c11 = startGroup(zeros, 8, zero, sum1);
    let c20 = startGroup(zeros, 0, zero, sum2), c21 = startGroup(zeros, 8, zero, sum2);
    let c30 = startGroup(zeros, 0, zero, sum3), c31 = startGroup(zeros, 8, zero, sum3);
    do {
      let s00 = kernel.begin(c00), s01 = kernel.begin(c01), s10 = kernel.begin(c10), s11 = kernel.begin(c11);
      let s20 = kernel.begin(c20), s21 = kernel.begin(c21), s30 = kernel.begin(c30), s31 = kernel.begin(c31);
      let inChunk = kernel.hasFactors ? min(left, CHUNK_BLOCKS) : left;
      left -= inChunk;
      do {
        let w0 = firstLeft<K>(w), w1 = firstRight<K>(w);
        let q0 = kernel.unpack0(w0, mask), q1 = kernel.unpack0(w1, mask);
        // One load and four shuffles: engines check the bounds of every load.
        let four = v128.load(a), x = lane0(four);
        s00 = kernel.add(s00, x, q0, mask);
        s01 = kernel.add(s01, x, q1, mask);
        x = lane1(four);
        s10 = kernel.add(s10, x, q0, mask);
        s11 = kernel.add(s11, x, q1, mask);
        x = lane2(four);
        s20 = kernel.add(s20, x, q0, mask);
        s21 = kernel.add(s21, x, q1, mask);
        x = lane3(four);
        s30 = kernel.add(s30, x, q0, mask);
        s31 = kernel.add(s31, x, q1, mask);
        if (kernel.steps == 1) {
          w0 = secondLeft<K>(w0, w);
          w1 = secondRight<K>(w1, w);
        }
        q0 = unpackStep1<K>(w0, mask);
        q1 = unpackStep1<K>(w1, mask);
        four = v128.load(a, 16);
        x = lane0(four);
        s00 = kernel.add(s00, x, q0, mask);
        s01 = kernel.add(s01, x, q1, mask);
        x = lane1(four);
        s10 = kernel.add(s10, x, q0, mask);
        s11 = kernel.add(s11, x, q1, mask);
        x = lane2(four);
        s20 = kernel.add(s20, x, q0, mask);
        s21 = kernel.add(s21, x, q1, mask);
        x = lane3(four);
        s30 = kernel.add(s30, x, q0, mask);
        s31 = kernel.add(s31, x, q1, mask);
        if (kernel.hasFourSteps) {
          w0 = secondLeft<K>(w0, w);
          w1 = secondRight<K>(w1, w);
          q0 = unpackStep2<K>(w0, mask);
          q1 = unpackStep2<K>(w1, mask);
          four = v128.load(a, 32);
          x = lane0(four);
          s00 = kernel.add(s00, x, q0, mask);
          s01 = kernel.add(s01, x, q1, mask);
          x = lane1(four);
          s10 = kernel.add(s10, x, q0, mask);
          s11 = kernel.add(s11, x, q1, mask);
          x = lane2(four);
          s20 = kernel.add(s20, x, q0, mask);
          s21 = kernel.add(s21, x, q1, mask);
          x = lane3(four);
          s30 = kernel.add(s30, x, q0, mask);
          s31 = kernel.add(s31, x, q1, mask);
          q0 = unpackStep3<K>(w0, mask);
          q1 = unpackStep3<K>(w1, mask);
          four = v128.load(a, 48);
          x = lane0(four);
          s00 = kernel.add(s00, x, q0, mask);
          s01 = kernel.add(s01, x, q1, mask);
          x = lane1(four);
          s10 = kernel.add(s10, x, q0, mask);
          s11 = kernel.add(s11, x, q1, mask);
          x = lane2(four);
          s20 = kernel.add(s20, x, q0, mask);
          s21 = kernel.add(s21, x, q1, mask);
          x = lane3(four);
          s30 = kernel.add(s30, x, q0, mask);
          s31 = kernel.add(s31, x, q1, mask);
        }
        a += kernel.hasFourSteps ? 64 : 32;
        w += blockBytes<K>();
      } while (--inChunk);
      const all = kernel.hasFactors ? kernel.factor(v128.load(factors)) : mask;
      factors += 16;
      let factor = lane0(all);
      c00 = kernel.end(c00, s00, factor);
      c01 = kernel.end(c01, s01, factor);
      factor = lane1(all);
      c10 = kernel.end(c10, s10, factor);
      c11 = kernel.end(c11, s11, factor);
      factor = lane2(all);
      c20 = kernel.end(c20, s20, factor);
      c21 = kernel.end(c21, s21, factor);
      factor = lane3(all);
      c30 = kernel.end(c30, s30, factor);
      c31 = kernel.end(c31, s31, factor);
    } while (kernel.hasFactors && left > 0);
    if (!kernel.hasFactors) {
      activationScale = v128.load(activationScales);
      activationScales += 16;
    }
    const unit = mayHaveUnits<K>() ? units : 0;
    const scale0 = leftScalesOf<K>(scale, unit), scale1 = rightScalesOf<K>(scale, unit);
    let rowScale = lane0(activationScale);
    t00 = endGroup<K>(t00, c00, scale0, rowScale);
    t01 = endGroup<K>(t01, c01, scale1, rowScale);
    rowScale = lane1(activationScale);
    t10 = endGroup<K>(t10, c10, scale0, rowScale);
    t11 = endGroup<K>(t11, c11, scale1, rowScale);
    rowScale = lane2(activationScale);
    t20 = endGroup<K>(t20, c20, scale0, rowScale);
    t21 = endGroup<K>(t21, c21, scale1, rowScale);
    rowScale = lane3(activationScale);
    t30 = endGroup<K>(t30, c30, scale0, rowScale);
    t31 = endGroup<K>(t31, c31, scale1, rowScale);
    if (kernel.mayHaveOffsets && (offsets || units)) {
      const offset0 = leftOffsetsOf<K>(offsets, scale, unit), offset1 = rightOffsetsOf<K>(offsets, scale, unit);
      const groupSums = f32x4.convert_i32x4_s(v128.load(sums));
      rowScale = lane0(activationScale);
      t00 = addOffsets<K>(t00, lane0(groupSums), offset0, rowScale);
      t01 = addOffsets<K>(t01, lane0(groupSums), offset1, rowScale);
      rowScale = lane1(activationScale);
      t10 = addOffsets<K>(t10, lane1(groupSums), offset0, rowScale);
      t11 = addOffsets<K>(t11, lane1(groupSums), offset1, rowScale);
      rowScale = lane2(activationScale);
      t20 = addOffsets<K>(t20, lane2(groupSums), offset0, rowScale);
      t21 = addOffsets<K>(t21, lane2(groupSums), offset1, rowScale);
      rowScale = lane3(activationScale);
      t30 = addOffsets<K>(t30, lane3(groupSums), offset0, rowScale);
      t31 = addOffsets<K>(t31, lane3(groupSums), offset1, rowScale);
      offsets += 16;
    }
    if (mayHaveUnits<K>() && !(blocks & UNIT_BLOCKS - 1)) units += kernel.mayHaveOffsets ? 2 * unitHalf : unitHalf;
    sums += 16;
    scale += groupScaleBytes<K>();
    if (zeros) zeros += 16;
  }
  const r0 = lane0(activationScale), r1 = lane1(activationScale), r2 = lane2(activationScale), r3 = lane3(activationScale);
  storeRows(
    4, output, outputStride, bias, accumulate, count, endRow<K>(t00, r0), endRow<K>(t01, r0), endRow<K>(t10, r1),
    endRow<K>(t11, r1), endRow<K>(t20, r2), endRow<K>(t21, r2), endRow<K>(t30, r3), endRow<K>(t31, r3),
  );
}
