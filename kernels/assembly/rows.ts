/**
 * Kernels that work row by row: embedding, normalisation, quantisation of activations, gates. Rows are dealt to the
 * threads; a row is always one thread's, so its sums have one order.
 */
import {
  ACTIVATION_GELU, ACTIVATION_SILU, BYTE_MAX, FORM_BYTE, FORM_LADDER, FORM_PLANES, FORM_WORD, KIND_INT4, KIND_INT8,
  LADDER_MAX, WORD_MAX,
} from "../shared/layout";
import { erf4, exp4 } from "./transcendental";
import { bytesOf, int8Place, load1, load4, loadLanes, roundScaled, shareBegin, sumLanes } from "./vector";

/**
 * Rows of an embedding table that lies in panels: output[m, k] = factor · W[ids[m], k].
 *   ids u32 [M]; weights (and scales, zero point) as the matrix kernels read them; output f32 [M, K]
 */
export function embed(
  ids: usize, kind: i32, weights: usize, scales: usize, zeros: usize, zero: f32, group: i32, output: usize, rows: i32,
  inputs: i32, factor: f32, rank: i32, size: i32,
): void {
  const blocks = (inputs + 7) >> 3, groups = (inputs + group - 1) / group;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const id = load<u32>(ids + <usize>row * 4);
    const panel = <usize>(id >> 3), n = <usize>(id & 7);
    const to = output + <usize>row * <usize>inputs * 4;
    for (let k = 0; k < inputs; k++) {
      let value: f32;
      if (kind == KIND_INT8 || kind == KIND_INT4) {
        const block = panel * <usize>blocks + <usize>(k >> 3), j = k & 7;
        const place = (panel * <usize>groups + <usize>(k / group)) * 8 + n;
        const code = kind == KIND_INT8
          ? <u32>load<u8>(weights + block * 64 + int8Place(j, <i32>n))
          : (load<u32>(weights + block * 32 + n * 4) >> <u32>(j * 4)) & 15;
        const centre = zeros ? <f32>load<i16>(zeros + place * 2) : zero;
        value = (<f32>code - centre) * load<f32>(scales + place * 4);
      } else {
        value = load1(weights + ((panel * <usize>inputs + <usize>k) * 8 + n) * bytesOf(kind), kind);
      }
      store<f32>(to + <usize>k * 4, value * factor);
    }
  }
}

/**
 * output = input / sqrt(mean(input²) + epsilon) · weight, for each of `heads` neighbouring segments of `width` floats
 * in each row (heads 1: the whole row; query and key norms: one segment a head). In place when output == input.
 */
export function rmsNorm(
  input: usize, inputStride: usize, output: usize, outputStride: usize, weight: usize, rows: i32, heads: i32,
  width: i32, epsilon: f32, rank: i32, size: i32,
): void {
  const vectors = width >> 2;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    for (let head = 0; head < heads; head++) {
      const from = input + <usize>row * inputStride + <usize>(head * width) * 4;
      const to = output + <usize>row * outputStride + <usize>(head * width) * 4;
      let squares = f32x4.splat(0);
      for (let i = 0; i < vectors; i++) {
        const x = v128.load(from + <usize>i * 16);
        squares = f32x4.add(squares, f32x4.mul(x, x));
      }
      let sum = sumLanes(squares);
      for (let k = vectors * 4; k < width; k++) sum += load<f32>(from + <usize>k * 4) * load<f32>(from + <usize>k * 4);
      const inverse: f32 = 1 / sqrt<f32>(sum / <f32>width + epsilon);
      for (let i = 0; i < vectors; i++) {
        const x = f32x4.mul(v128.load(from + <usize>i * 16), f32x4.splat(inverse));
        v128.store(to + <usize>i * 16, f32x4.mul(x, v128.load(weight + <usize>i * 16)));
      }
      for (let k = vectors * 4; k < width; k++) {
        store<f32>(to + <usize>k * 4, load<f32>(from + <usize>k * 4) * inverse * load<f32>(weight + <usize>k * 4));
      }
    }
  }
}

/**
 * output = (input − mean) / sqrt(mean((input − mean)²) + epsilon) · weight + bias, row by row (Ba et al. 2016). In place when
 * output == input.
 */
export function layerNorm(
  input: usize, inputStride: usize, output: usize, outputStride: usize, weight: usize, bias: usize, rows: i32,
  width: i32, epsilon: f32, rank: i32, size: i32,
): void {
  const whole = width & ~3;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride, to = output + <usize>row * outputStride;
    let sums = f32x4.splat(0);
    for (let k = 0; k < whole; k += 4) sums = f32x4.add(sums, v128.load(from + <usize>k * 4));
    let sum = sumLanes(sums);
    for (let k = whole; k < width; k++) sum += load<f32>(from + <usize>k * 4);
    const mean: f32 = sum / <f32>width;
    let squares = f32x4.splat(0);
    for (let k = 0; k < whole; k += 4) {
      const x = f32x4.sub(v128.load(from + <usize>k * 4), f32x4.splat(mean));
      squares = f32x4.add(squares, f32x4.mul(x, x));
    }
    let square = sumLanes(squares);
    for (let k = whole; k < width; k++) {
      const x = load<f32>(from + <usize>k * 4) - mean;
      square += x * x;
    }
    const inverse: f32 = 1 / sqrt<f32>(square / <f32>width + epsilon);
    for (let k = 0; k < whole; k += 4) {
      const at = <usize>k * 4;
      const x = f32x4.mul(f32x4.sub(v128.load(from + at), f32x4.splat(mean)), f32x4.splat(inverse));
      v128.store(to + at, f32x4.add(f32x4.mul(x, v128.load(weight + at)), v128.load(bias + at)));
    }
    for (let k = whole; k < width; k++) {
      const at = <usize>k * 4;
      store<f32>(to + at, (load<f32>(from + at) - mean) * inverse * load<f32>(weight + at) + load<f32>(bias + at));
    }
  }
}

/** output[m, i] = input[m, order[i]], 0 where order[i] is −1: activations in the order of act-order weights. */
export function gatherColumns(
  input: usize, inputStride: usize, order: usize, output: usize, rows: i32, count: i32, rank: i32, size: i32,
): void {
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride, to = output + <usize>row * <usize>count * 4;
    for (let i = 0; i < count; i++) {
      const column = load<i32>(order + <usize>i * 4);
      store<f32>(to + <usize>i * 4, column < 0 ? 0 : load<f32>(from + <usize>column * 4));
    }
  }
}

/**
 * Activations → integers; one scale per row and group: step = max |x| / 127 for one byte, or / 32,639 for two (the largest value
 * whose bytes both fit), integer = nearest(x / step), ties to even. A group with NaN or infinity gets a NaN step.
 *   input f32 [M, K]; codes in the layout of matmul_bytes or matmul_words, K rounded up to 8; sums i32, steps f32 [M, G]
 */
export function quantize(
  input: usize, inputStride: usize, codes: usize, sums: usize, steps: usize, rows: i32, inputs: i32, group: i32,
  form: i32, rank: i32, size: i32,
): void {
  const groups = (inputs + group - 1) / group, blocks = <usize>((inputs + 7) >> 3);
  const limit = <f32>(form == FORM_BYTE ? BYTE_MAX : form == FORM_WORD ? WORD_MAX : LADDER_MAX);
  // Eight inputs of a row, in pieces that lie `pieceStep` apart: its neighbours in the tile stand between.
  const tileRows = form == FORM_PLANES ? 2 : 4, rowBytes: usize = form == FORM_BYTE ? 8 : 16;
  const pieces = form == FORM_WORD || form == FORM_LADDER ? 4 : 2;
  const tiled = rows - rows % tileRows;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride;
    const inTile = row < tiled ? row % tileRows : 0;
    const pieceBytes = rowBytes / pieces;
    const to = codes + <usize>(row - inTile) * rowBytes * blocks + <usize>inTile * pieceBytes;
    const blockBytes = row < tiled ? rowBytes * tileRows : rowBytes, pieceStep = blockBytes / pieces;
    for (let g = 0; g < groups; g++) {
      const begin = g * group, stop = min(begin + group, inputs);
      // Bit patterns of non-negative floats are ordered like the floats, with infinity and NaN on top.
      let largest4 = i32x4.splat(0);
      const magnitude = i32x4.splat(0x7fffffff);
      let k = begin;
      for (; k + 4 <= stop; k += 4) {
        largest4 = i32x4.max_s(largest4, v128.and(v128.load(from + <usize>k * 4), magnitude));
      }
      let bits = max(
        max(i32x4.extract_lane(largest4, 0), i32x4.extract_lane(largest4, 1)),
        max(i32x4.extract_lane(largest4, 2), i32x4.extract_lane(largest4, 3)),
      );
      for (; k < stop; k++) bits = max(bits, load<i32>(from + <usize>k * 4) & 0x7fffffff);
      const largest = reinterpret<f32>(bits);
      // A step near the subnormal range would make its inverse infinite: such a group is zero.
      const inverse: f32 = largest > 1e-30 && bits < 0x7f800000 ? limit / largest : 0;
      const factor = f32x4.splat(inverse);
      let sum = i32x4.splat(0);
      for (k = begin; k + 8 <= stop; k += 8) {
        const x = from + <usize>k * 4;
        const a = roundScaled(v128.load(x), factor), b = roundScaled(v128.load(x, 16), factor);
        sum = i32x4.add(sum, i32x4.add(a, b));
        storeIntegers(form, to + <usize>(k >> 3) * blockBytes, pieceStep, a, b);
      }
      if (k < stop) {
        const left = stop - k, x = from + <usize>k * 4;
        const a = roundScaled(loadLanes(x, left), factor), b = roundScaled(loadLanes(x + 16, left - 4), factor);
        sum = i32x4.add(sum, i32x4.add(a, b));
        storeIntegers(form, to + <usize>(k >> 3) * blockBytes, pieceStep, a, b);
      }
      const place = (<usize>row * <usize>groups + <usize>g) * 4;
      store<i32>(
        sums + place,
        i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3),
      );
      store<f32>(steps + place, bits >= 0x7f800000 ? NaN : inverse == 0 ? 0 : largest / limit);
    }
  }
}

/** Eight integers of a row, i32 [4] each in `a` and `b`, in the pieces of its form. */
// @ts-ignore: decorator
@inline
function storeIntegers(form: i32, to: usize, step: usize, a: v128, b: v128): void {
  if (form == FORM_LADDER) {
    // x0, x1, x2 − 16 x1, x3 − 16 x2
    const zero = i32x4.splat(0);
    a = i32x4.sub(a, i32x4.shl(v128.shuffle<i32>(zero, a, 0, 1, 5, 6), 4));
    b = i32x4.sub(b, i32x4.shl(v128.shuffle<i32>(zero, b, 0, 1, 5, 6), 4));
  }
  if (form == FORM_WORD || form == FORM_LADDER) {
    // Inputs 0 and 4, 1 and 5, …
    const narrow = i16x8.narrow_i32x4_s(a, b);
    const pairs = v128.shuffle<i16>(narrow, narrow, 0, 4, 1, 5, 2, 6, 3, 7);
    v128.store32_lane(to, pairs, 0);
    v128.store32_lane(to + step, pairs, 1);
    v128.store32_lane(to + 2 * step, pairs, 2);
    v128.store32_lane(to + 3 * step, pairs, 3);
    return;
  }
  const whole = i16x8.narrow_i32x4_s(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
  if (form == FORM_BYTE) {
    const bytes = i8x16.narrow_i16x8_s(whole, whole);
    v128.store32_lane(to, bytes, 0);
    v128.store32_lane(to + step, bytes, 1);
    return;
  }
  const high = i16x8.shr_s(i16x8.add(whole, i16x8.splat(128)), 8);
  const low = i16x8.sub(whole, i16x8.shl(high, 8));
  const bytes = i8x16.narrow_i16x8_s(high, low);
  v128.store32_lane(to, bytes, 0);
  v128.store32_lane(to + 4, bytes, 2);
  v128.store32_lane(to + step, bytes, 1);
  v128.store32_lane(to + step + 4, bytes, 3);
}

/**
 * output = gate(input) · up, element by element; input and up may lie side by side in one row. Threads take rows, or parts of each
 * where there are fewer rows than threads.
 */
export function gatedActivation(
  kind: i32, gate: usize, gateStride: usize, up: usize, upStride: usize, output: usize, outputStride: usize,
  rows: i32, width: i32, rank: i32, size: i32,
): void {
  const isShared = rows < size;
  const end = isShared ? rows : shareBegin(rows, rank + 1, size);
  const first = isShared ? shareBegin(width >> 2, rank, size) << 2 : 0;
  const last = isShared && rank + 1 < size ? shareBegin(width >> 2, rank + 1, size) << 2 : width;
  for (let row = isShared ? 0 : shareBegin(rows, rank, size); row < end; row++) {
    const g = gate + <usize>row * gateStride, u = up + <usize>row * upStride, o = output + <usize>row * outputStride;
    let k = first;
    for (; k + 4 <= last; k += 4) {
      const at = <usize>k * 4;
      v128.store(o + at, f32x4.mul(activate(kind, v128.load(g + at)), v128.load(u + at)));
    }
    for (; k < last; k++) {
      const at = <usize>k * 4;
      const value = f32x4.mul(activate(kind, f32x4.splat(load<f32>(g + at))), f32x4.splat(load<f32>(u + at)));
      store<f32>(o + at, f32x4.extract_lane(value, 0));
    }
  }
}

/** values = activation(values), f32 [M, width] without gaps. */
export function activation(kind: i32, values: usize, rows: i32, width: i32, rank: i32, size: i32): void {
  const begin = shareBegin(rows, rank, size);
  const count = (shareBegin(rows, rank + 1, size) - begin) * width;
  const from = values + <usize>begin * <usize>width * 4;
  let k = 0;
  for (; k + 4 <= count; k += 4) {
    const at = from + <usize>k * 4;
    v128.store(at, activate(kind, v128.load(at)));
  }
  for (; k < count; k++) {
    const at = from + <usize>k * 4;
    store<f32>(at, f32x4.extract_lane(activate(kind, f32x4.splat(load<f32>(at))), 0));
  }
}

/**
 * SiLU: x / (1 + e^−x). GELU: x/2 · (1 + erf(x/√2)). GELU, tanh form: x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))), with
 * tanh t = 1 − 2/(e^2t + 1).
 */
// @ts-ignore: decorator
@inline
function activate(kind: i32, x: v128): v128 {
  const one = f32x4.splat(1);
  if (kind == ACTIVATION_SILU) return f32x4.div(x, f32x4.add(one, exp4(f32x4.neg(x))));
  if (kind == ACTIVATION_GELU) {
    const erf = erf4(f32x4.mul(x, f32x4.splat(0.7071067811865476)));
    return f32x4.mul(f32x4.mul(f32x4.splat(0.5), x), f32x4.add(one, erf));
  }
  const cube = f32x4.mul(f32x4.mul(x, x), x);
  const t = f32x4.mul(f32x4.splat(0.7978845608028654), f32x4.add(x, f32x4.mul(f32x4.splat(0.044715), cube)));
  const e = exp4(f32x4.add(t, t));
  const tanh = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)));
  return f32x4.mul(f32x4.mul(f32x4.splat(0.5), x), f32x4.add(one, tanh));
}

/**
 * target += factor · source, row by row.
 *   target f32 [M, width]; source f32, f16 or bf16 [M, width], or one row for all when its stride is 0; strides in bytes
 */
export function addScaled(
  target: usize, targetStride: usize, source: usize, kind: i32, sourceStride: usize, rows: i32, width: i32,
  factor: f32, rank: i32, size: i32,
): void {
  const bytes = bytesOf(kind);
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const to = target + <usize>row * targetStride, from = source + <usize>row * sourceStride;
    let k = 0;
    for (; k + 4 <= width; k += 4) {
      const at = to + <usize>k * 4;
      const scaled = f32x4.mul(load4(from + <usize>k * bytes, kind), f32x4.splat(factor));
      v128.store(at, f32x4.add(v128.load(at), scaled));
    }
    for (; k < width; k++) {
      const at = to + <usize>k * 4;
      store<f32>(at, load<f32>(at) + load1(from + <usize>k * bytes, kind) * factor);
    }
  }
}

/** output[m, i · step] = input[m, i]: columns of several matrices interleaved into one. Row strides in bytes. */
export function spreadColumns(
  input: usize, inputStride: usize, output: usize, outputStride: usize, step: i32, rows: i32, width: i32, rank: i32,
  size: i32,
): void {
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride, to = output + <usize>row * outputStride;
    for (let i = 0; i < width; i++) store<f32>(to + <usize>(i * step) * 4, load<f32>(from + <usize>i * 4));
  }
}

/** Softmax of each row in place: exp(x − max) / sum, the sum in four lanes and a tail. */
export function softmax(values: usize, rows: i32, width: i32, rank: i32, size: i32): void {
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const at = values + <usize>row * <usize>width * 4;
    let largest: f32 = -Infinity;
    for (let k = 0; k < width; k++) largest = max(largest, load<f32>(at + <usize>k * 4));
    let sums = f32x4.splat(0), tail: f32 = 0;
    let k = 0;
    for (; k + 4 <= width; k += 4) {
      const e = exp4(f32x4.sub(v128.load(at + <usize>k * 4), f32x4.splat(largest)));
      v128.store(at + <usize>k * 4, e);
      sums = f32x4.add(sums, e);
    }
    for (; k < width; k++) {
      const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(at + <usize>k * 4) - largest)), 0);
      store<f32>(at + <usize>k * 4, e);
      tail += e;
    }
    const inverse: f32 = 1 / (sumLanes(sums) + tail);
    for (k = 0; k < width; k++) store<f32>(at + <usize>k * 4, load<f32>(at + <usize>k * 4) * inverse);
  }
}
