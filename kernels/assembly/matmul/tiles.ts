/**
 * The tiles of the products of coded weights: templates, of which every kernel (w4a8, w4a12, w7a8, w8a16) makes its own code. `K`
 * is the kernel; see kernel.ts.
 *
 * Tiles are functions of their own: within one large function, engines take seconds to make their best code of it.
 */
import { lane0, lane1, lane2, lane3 } from "../vector";
import { beginChunk, CHUNK_BLOCKS, endChunk } from "./dot";
import { endGroup, startGroup } from "./group";
import { ones16 } from "./masks";
import { storePanels, storeRows } from "./panels";

/** 256 · high + low. */
// @ts-ignore: decorator
@inline
function joinPlanes(high: v128, low: v128): v128 {
  return i32x4.add(i32x4.shl(high, 8), low);
}

/** The second vector of codes of outputs 0 to 3, where a block has two. */
// @ts-ignore: decorator
@inline
function secondLeft<K>(first: v128, w: usize): v128 {
  return changetype<K>(0).vectors == 2 ? v128.load(w, 32) : first;
}

/** The same of outputs 4 to 7. */
// @ts-ignore: decorator
@inline
function secondRight<K>(first: v128, w: usize): v128 {
  return changetype<K>(0).vectors == 2 ? v128.load(w, 48) : first;
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
  sum: v128, x0: v128, x1: v128, x2: v128, x3: v128, first: v128, second: v128, mask: v128, ones: v128,
): v128 {
  const kernel = changetype<K>(0);
  sum = kernel.add(sum, x0, kernel.unpack0(first, mask), ones);
  sum = kernel.add(sum, x1, unpackStep1<K>(kernel.steps == 1 ? second : first, mask), ones);
  if (!kernel.hasFourSteps) return sum;
  sum = kernel.add(sum, x2, unpackStep2<K>(second, mask), ones);
  return kernel.add(sum, x3, unpackStep3<K>(second, mask), ones);
}

/**
 * One row × one panel, or × as many as eight sums allow: four, or two with planes, `apart` panels from one to the next (see
 * ROW_PANELS; `N` is as wide as there are panels: u8, u16 or u32). Activations are loaded and spread once for all. Sums 0 to 3
 * are those of the first two panels, 4 to 7 of the other two, or of the low bytes.
 */
export function rowTile<K, N>(
  a: usize, sums: usize, activationScales: usize, w: usize, panelBytes: usize, scale: usize, scaleBytes: usize, zeros: usize,
  zero: i32, blocks: i32, groupBlocks: i32, apart: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const kernel = changetype<K>(0);
  const isSingle = sizeof<N>() == 1, isFour = sizeof<N>() == 4;
  const mask = kernel.mask(blocks), ones = ones16(blocks);
  panelBytes *= apart;
  scaleBytes *= apart;
  const zeroBytes: usize = zeros ? scaleBytes >> 1 : 0;
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let t4 = f32x4.splat(0), t5 = f32x4.splat(0), t6 = f32x4.splat(0), t7 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    const sum = load<i32>(sums);
    let c0 = i32x4.splat(0), c1 = i32x4.splat(0), c2 = i32x4.splat(0), c3 = i32x4.splat(0);
    let c4 = i32x4.splat(0), c5 = i32x4.splat(0), c6 = i32x4.splat(0), c7 = i32x4.splat(0);
    const z0 = startGroup(zeros, 0, zero, sum), z1 = startGroup(zeros, 8, zero, sum);
    if (kernel.isPlanes) {
      c4 = z0;
      c5 = z1;
    } else {
      c0 = z0;
      c1 = z1;
    }
    if (!isSingle) {
      let other = zeros + zeroBytes;
      const z2 = startGroup(other, 0, zero, sum), z3 = startGroup(other, 8, zero, sum);
      if (kernel.isPlanes) {
        c6 = z2;
        c7 = z3;
      } else {
        c2 = z2;
        c3 = z3;
        other += zeroBytes;
        c4 = startGroup(other, 0, zero, sum);
        c5 = startGroup(other, 8, zero, sum);
        other += zeroBytes;
        c6 = startGroup(other, 0, zero, sum);
        c7 = startGroup(other, 8, zero, sum);
      }
    }
    do {
      let s0 = beginChunk<K>(c0), s1 = beginChunk<K>(c1), s2 = beginChunk<K>(c2), s3 = beginChunk<K>(c3);
      let s4 = beginChunk<K>(c4), s5 = beginChunk<K>(c5), s6 = beginChunk<K>(c6), s7 = beginChunk<K>(c7);
      let inChunk = kernel.isChunked ? min(left, CHUNK_BLOCKS) : left;
      left -= inChunk;
      do {
        // One load and a shuffle each: engines check the bounds of every load.
        const all = kernel.activationBytes == 16 ? v128.load(a) : v128.load64_zero(a);
        const x0 = lane0(all), x1 = kernel.isPlanes ? lane2(all) : lane1(all);
        // Planes: the low bytes of what x0 and x1 hold.
        const x2 = kernel.isPlanes ? lane1(all) : lane2(all), x3 = lane3(all);
        let p = v128.load(w), q = v128.load(w, 16);
        s0 = addBlock<K>(s0, x0, x1, x2, x3, p, secondLeft<K>(p, w), mask, ones);
        s1 = addBlock<K>(s1, x0, x1, x2, x3, q, secondRight<K>(q, w), mask, ones);
        if (kernel.isPlanes) {
          s4 = addBlock<K>(s4, x2, x3, x0, x1, p, p, mask, ones);
          s5 = addBlock<K>(s5, x2, x3, x0, x1, q, q, mask, ones);
        }
        if (!isSingle) {
          let v = w + panelBytes;
          p = v128.load(v);
          q = v128.load(v, 16);
          s2 = addBlock<K>(s2, x0, x1, x2, x3, p, secondLeft<K>(p, v), mask, ones);
          s3 = addBlock<K>(s3, x0, x1, x2, x3, q, secondRight<K>(q, v), mask, ones);
          if (kernel.isPlanes) {
            s6 = addBlock<K>(s6, x2, x3, x0, x1, p, p, mask, ones);
            s7 = addBlock<K>(s7, x2, x3, x0, x1, q, q, mask, ones);
          } else {
            v += panelBytes;
            p = v128.load(v);
            q = v128.load(v, 16);
            s4 = addBlock<K>(s4, x0, x1, x2, x3, p, secondLeft<K>(p, v), mask, ones);
            s5 = addBlock<K>(s5, x0, x1, x2, x3, q, secondRight<K>(q, v), mask, ones);
            v += panelBytes;
            p = v128.load(v);
            q = v128.load(v, 16);
            s6 = addBlock<K>(s6, x0, x1, x2, x3, p, secondLeft<K>(p, v), mask, ones);
            s7 = addBlock<K>(s7, x0, x1, x2, x3, q, secondRight<K>(q, v), mask, ones);
          }
        }
        a += kernel.activationBytes;
        w += kernel.vectors * 32;
      } while (--inChunk);
      c0 = endChunk<K>(c0, s0, ones);
      c1 = endChunk<K>(c1, s1, ones);
      c2 = endChunk<K>(c2, s2, ones);
      c3 = endChunk<K>(c3, s3, ones);
      c4 = endChunk<K>(c4, s4, ones);
      c5 = endChunk<K>(c5, s5, ones);
      c6 = endChunk<K>(c6, s6, ones);
      c7 = endChunk<K>(c7, s7, ones);
    } while (kernel.isChunked && left > 0);
    if (kernel.isPlanes) {
      c0 = joinPlanes(c0, c4);
      c1 = joinPlanes(c1, c5);
      c2 = joinPlanes(c2, c6);
      c3 = joinPlanes(c3, c7);
    }
    const activationScale = v128.load32_splat(activationScales);
    t0 = endGroup(t0, c0, v128.load(scale), activationScale);
    t1 = endGroup(t1, c1, v128.load(scale, 16), activationScale);
    if (!isSingle) {
      let other = scale + scaleBytes;
      t2 = endGroup(t2, c2, v128.load(other), activationScale);
      t3 = endGroup(t3, c3, v128.load(other, 16), activationScale);
      if (isFour) {
        other += scaleBytes;
        t4 = endGroup(t4, c4, v128.load(other), activationScale);
        t5 = endGroup(t5, c5, v128.load(other, 16), activationScale);
        other += scaleBytes;
        t6 = endGroup(t6, c6, v128.load(other), activationScale);
        t7 = endGroup(t7, c7, v128.load(other, 16), activationScale);
      }
    }
    sums += 4;
    activationScales += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storePanels(sizeof<N>(), output, <usize>apart * 32, bias, accumulate, count, t0, t1, t2, t3, t4, t5, t6, t7);
}

/**
 * Four rows × one panel, or two rows of planes: eight integer sums stay in registers, each unpacked vector of codes serves all
 * rows. Of planes, the sums of rows 0 and 2 are those of the high bytes of both rows, those of rows 1 and 3 of their low bytes.
 */
export function rowsTile<K>(
  a: usize, sums: usize, activationScales: usize, groupStride: usize, w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const kernel = changetype<K>(0);
  const mask = kernel.mask(blocks), ones = ones16(blocks);
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    const sum0 = load<i32>(sums), sum1 = load<i32>(sums + groupStride);
    let c00 = i32x4.splat(0), c01 = i32x4.splat(0), c10 = i32x4.splat(0), c11 = i32x4.splat(0);
    let c20 = i32x4.splat(0), c21 = i32x4.splat(0), c30 = i32x4.splat(0), c31 = i32x4.splat(0);
    if (kernel.isPlanes) {
      c10 = startGroup(zeros, 0, zero, sum0);
      c11 = startGroup(zeros, 8, zero, sum0);
      c30 = startGroup(zeros, 0, zero, sum1);
      c31 = startGroup(zeros, 8, zero, sum1);
    } else {
      const sum2 = load<i32>(sums + 2 * groupStride), sum3 = load<i32>(sums + 3 * groupStride);
      c00 = startGroup(zeros, 0, zero, sum0);
      c01 = startGroup(zeros, 8, zero, sum0);
      c10 = startGroup(zeros, 0, zero, sum1);
      c11 = startGroup(zeros, 8, zero, sum1);
      c20 = startGroup(zeros, 0, zero, sum2);
      c21 = startGroup(zeros, 8, zero, sum2);
      c30 = startGroup(zeros, 0, zero, sum3);
      c31 = startGroup(zeros, 8, zero, sum3);
    }
    do {
      let s00 = beginChunk<K>(c00), s01 = beginChunk<K>(c01), s10 = beginChunk<K>(c10), s11 = beginChunk<K>(c11);
      let s20 = beginChunk<K>(c20), s21 = beginChunk<K>(c21), s30 = beginChunk<K>(c30), s31 = beginChunk<K>(c31);
      let inChunk = kernel.isChunked ? min(left, CHUNK_BLOCKS) : left;
      left -= inChunk;
      do {
        let w0 = v128.load(w), w1 = v128.load(w, 16);
        let q0 = kernel.unpack0(w0, mask), q1 = kernel.unpack0(w1, mask);
        // One load and four shuffles: engines check the bounds of every load.
        let four = v128.load(a), x = lane0(four);
        s00 = kernel.add(s00, x, q0, ones);
        s01 = kernel.add(s01, x, q1, ones);
        x = lane1(four);
        s10 = kernel.add(s10, x, q0, ones);
        s11 = kernel.add(s11, x, q1, ones);
        x = lane2(four);
        s20 = kernel.add(s20, x, q0, ones);
        s21 = kernel.add(s21, x, q1, ones);
        x = lane3(four);
        s30 = kernel.add(s30, x, q0, ones);
        s31 = kernel.add(s31, x, q1, ones);
        if (kernel.steps == 1) {
          w0 = secondLeft<K>(w0, w);
          w1 = secondRight<K>(w1, w);
        }
        q0 = unpackStep1<K>(w0, mask);
        q1 = unpackStep1<K>(w1, mask);
        four = v128.load(a, 16);
        x = lane0(four);
        s00 = kernel.add(s00, x, q0, ones);
        s01 = kernel.add(s01, x, q1, ones);
        x = lane1(four);
        s10 = kernel.add(s10, x, q0, ones);
        s11 = kernel.add(s11, x, q1, ones);
        x = lane2(four);
        s20 = kernel.add(s20, x, q0, ones);
        s21 = kernel.add(s21, x, q1, ones);
        x = lane3(four);
        s30 = kernel.add(s30, x, q0, ones);
        s31 = kernel.add(s31, x, q1, ones);
        if (kernel.hasFourSteps) {
          w0 = secondLeft<K>(w0, w);
          w1 = secondRight<K>(w1, w);
          q0 = unpackStep2<K>(w0, mask);
          q1 = unpackStep2<K>(w1, mask);
          four = v128.load(a, 32);
          x = lane0(four);
          s00 = kernel.add(s00, x, q0, ones);
          s01 = kernel.add(s01, x, q1, ones);
          x = lane1(four);
          s10 = kernel.add(s10, x, q0, ones);
          s11 = kernel.add(s11, x, q1, ones);
          x = lane2(four);
          s20 = kernel.add(s20, x, q0, ones);
          s21 = kernel.add(s21, x, q1, ones);
          x = lane3(four);
          s30 = kernel.add(s30, x, q0, ones);
          s31 = kernel.add(s31, x, q1, ones);
          q0 = unpackStep3<K>(w0, mask);
          q1 = unpackStep3<K>(w1, mask);
          four = v128.load(a, 48);
          x = lane0(four);
          s00 = kernel.add(s00, x, q0, ones);
          s01 = kernel.add(s01, x, q1, ones);
          x = lane1(four);
          s10 = kernel.add(s10, x, q0, ones);
          s11 = kernel.add(s11, x, q1, ones);
          x = lane2(four);
          s20 = kernel.add(s20, x, q0, ones);
          s21 = kernel.add(s21, x, q1, ones);
          x = lane3(four);
          s30 = kernel.add(s30, x, q0, ones);
          s31 = kernel.add(s31, x, q1, ones);
        }
        a += kernel.hasFourSteps ? 64 : 32;
        w += kernel.vectors * 32;
      } while (--inChunk);
      c00 = endChunk<K>(c00, s00, ones);
      c01 = endChunk<K>(c01, s01, ones);
      c10 = endChunk<K>(c10, s10, ones);
      c11 = endChunk<K>(c11, s11, ones);
      c20 = endChunk<K>(c20, s20, ones);
      c21 = endChunk<K>(c21, s21, ones);
      c30 = endChunk<K>(c30, s30, ones);
      c31 = endChunk<K>(c31, s31, ones);
    } while (kernel.isChunked && left > 0);
    const scale0 = v128.load(scale), scale1 = v128.load(scale, 16);
    let activationScale = v128.load32_splat(activationScales);
    if (kernel.isPlanes) {
      t00 = endGroup(t00, joinPlanes(c00, c10), scale0, activationScale);
      t01 = endGroup(t01, joinPlanes(c01, c11), scale1, activationScale);
      activationScale = v128.load32_splat(activationScales + groupStride);
      t10 = endGroup(t10, joinPlanes(c20, c30), scale0, activationScale);
      t11 = endGroup(t11, joinPlanes(c21, c31), scale1, activationScale);
    } else {
      t00 = endGroup(t00, c00, scale0, activationScale);
      t01 = endGroup(t01, c01, scale1, activationScale);
      activationScale = v128.load32_splat(activationScales + groupStride);
      t10 = endGroup(t10, c10, scale0, activationScale);
      t11 = endGroup(t11, c11, scale1, activationScale);
      activationScale = v128.load32_splat(activationScales + 2 * groupStride);
      t20 = endGroup(t20, c20, scale0, activationScale);
      t21 = endGroup(t21, c21, scale1, activationScale);
      activationScale = v128.load32_splat(activationScales + 3 * groupStride);
      t30 = endGroup(t30, c30, scale0, activationScale);
      t31 = endGroup(t31, c31, scale1, activationScale);
    }
    sums += 4;
    activationScales += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeRows(
    kernel.isPlanes ? 2 : 4, output, outputStride, bias, accumulate, count, t00, t01, t10, t11, t20, t21, t30, t31,
  );
}
