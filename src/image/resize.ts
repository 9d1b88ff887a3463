/**
 * Resizing: the bilinear filter with antialias of Pillow (`src/libImaging/Resample.c`), bit for bit.
 *
 * A result pixel is the weighted mean of the source pixels under a triangle that is as wide as two result pixels, or
 * two source pixels when enlarging. One direction is resized, rounded to bytes, then the other: rows first, but
 * columns first where the height loses more than twice as many pixels as the width (Pillow 13; older ones never do).
 * The order shows, by a level in a few pixels of a hundred.
 *
 * @module
 */
import type { Pixels } from "./pixels.ts";

/** Fraction bits of a weight: 32 less 8 of the sample and 2 of head room. */
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

/** Which source pixels make up a result pixel, along one axis. */
interface Filter {
  /** Most weights that a result pixel can have; row length of `weights`. */
  weightCountMax: number;
  /** First source pixel of each result pixel. */
  first: Int32Array;
  /** Number of source pixels of each result pixel. */
  count: Int32Array;
  /** i32 [outSize, weightCountMax], fixed point, sum about 2^22 in each row. */
  weights: Int32Array;
}

/**
 * Resizes a picture.
 *
 * @param width Of the result, at least 1.
 * @param height Of the result, at least 1.
 * @returns The picture itself when it has that size already.
 */
export function resizeBilinear(pixels: Pixels, width: number, height: number): Pixels {
  if (width === pixels.width && height === pixels.height) return pixels;
  const columns = makeFilter(pixels.height, height);
  const rows = makeFilter(pixels.width, width);
  const removed = pixels.height - height;
  if (removed > 0 && removed > (pixels.width - width) * 2) {
    return resizeRows(resizeColumns(pixels, columns, height, 0), rows, width, 0, height);
  }
  const firstRow = columns.first[0];
  const endRow = columns.first[height - 1] + columns.count[height - 1];
  return resizeColumns(resizeRows(pixels, rows, width, firstRow, endRow), columns, height, firstRow);
}

/** `precompute_coeffs` and `normalize_coeffs_8bpc`, in the same order of f64 operations. */
function makeFilter(inSize: number, outSize: number): Filter {
  const scale = inSize / outSize;
  const support = Math.max(scale, 1);
  const weightCountMax = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * weightCountMax);
  const exact = new Float64Array(weightCountMax);
  const inverse = 1 / support;
  for (let out = 0; out < outSize; out++) {
    const centre = (out + 0.5) * scale;
    const begin = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), inSize);
    let sum = 0;
    for (let i = 0; i < end - begin; i++) {
      exact[i] = Math.max(1 - Math.abs((i + begin - centre + 0.5) * inverse), 0);
      sum += exact[i];
    }
    for (let i = 0; i < end - begin; i++) {
      const weight = sum === 0 ? exact[i] : exact[i] / sum;
      weights[out * weightCountMax + i] = Math.trunc(0.5 + weight * (1 << PRECISION_BITS));
    }
    first[out] = begin;
    count[out] = end - begin;
  }
  return { weightCountMax, first, count, weights };
}

/** Resizes rows `firstRow` to `endRow`, the only ones that the columns need. */
function resizeRows(
  { width, data }: Pixels,
  { weightCountMax, first, count, weights }: Filter,
  outWidth: number,
  firstRow: number,
  endRow: number,
): Pixels {
  const out = new Uint8ClampedArray((endRow - firstRow) * outWidth * 3);
  let to = 0;
  for (let row = firstRow; row < endRow; row++) {
    for (let x = 0; x < outWidth; x++, to += 3) {
      let red = HALF, green = HALF, blue = HALF;
      let from = (row * width + first[x]) * 3;
      const begin = x * weightCountMax, end = begin + count[x];
      for (let i = begin; i < end; i++, from += 3) {
        const weight = weights[i];
        red = (red + Math.imul(data[from], weight)) | 0;
        green = (green + Math.imul(data[from + 1], weight)) | 0;
        blue = (blue + Math.imul(data[from + 2], weight)) | 0;
      }
      out[to] = red >> PRECISION_BITS;
      out[to + 1] = green >> PRECISION_BITS;
      out[to + 2] = blue >> PRECISION_BITS;
    }
  }
  return { width: outWidth, height: endRow - firstRow, data: new Uint8Array(out.buffer) };
}

/** Resizes columns of a picture whose row 0 is row `firstRow` of the source. */
function resizeColumns(
  { width, data }: Pixels,
  { weightCountMax, first, count, weights }: Filter,
  outHeight: number,
  firstRow: number,
): Pixels {
  const stride = width * 3;
  const out = new Uint8ClampedArray(outHeight * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < outHeight; y++) {
    sums.fill(HALF);
    for (let i = 0; i < count[y]; i++) {
      const weight = weights[y * weightCountMax + i];
      const from = (first[y] - firstRow + i) * stride;
      for (let x = 0; x < stride; x++) sums[x] += Math.imul(data[from + x], weight);
    }
    const to = y * stride;
    for (let x = 0; x < stride; x++) out[to + x] = sums[x] >> PRECISION_BITS;
  }
  return { width, height: outHeight, data: new Uint8Array(out.buffer) };
}
