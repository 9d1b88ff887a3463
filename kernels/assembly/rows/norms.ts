/**
 * Normalisation of rows. A row is always one thread's, and its sums have one order: four lanes, then the rest.
 */
import { shareBegin } from "../share";
import { sumLanes } from "../vector";

/**
 * output = input / sqrt(mean(input²) + epsilon) · weight, for each of `segments` neighbouring runs of `width` columns in each row
 * (1: the whole row; query and key norms: a segment for each head). In place when output is input.
 *   input, output  f32 [M, segments · width]
 *   weight         f32 [width]
 *
 * @see Zhang & Sennrich, Root Mean Square Layer Normalization (2019)
 */
export function rmsNorm(
  input: usize, inputStride: usize, weight: usize, rows: i32, segments: i32, width: i32, epsilon: f32, output: usize,
  outputStride: usize, rank: i32, size: i32,
): void {
  const vectors = width >> 2;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    for (let segment = 0; segment < segments; segment++) {
      const from = input + <usize>row * inputStride + <usize>(segment * width) * 4;
      const to = output + <usize>row * outputStride + <usize>(segment * width) * 4;
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
 * output = (input − mean) / sqrt(mean((input − mean)²) + epsilon) · weight + bias, row by row. In place when output is input.
 *   input, output  f32 [M, width]
 *   weight, bias   f32 [width]
 *
 * @see Ba, Kiros & Hinton, Layer Normalization (2016)
 */
export function layerNorm(
  input: usize, inputStride: usize, weight: usize, bias: usize, rows: i32, width: i32, epsilon: f32, output: usize,
  outputStride: usize, rank: i32, size: i32,
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
