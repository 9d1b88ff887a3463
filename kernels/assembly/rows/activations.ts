/**
 * Activation functions of feed-forward networks.
 */
import { ACTIVATION_GELU, ACTIVATION_SILU } from "../../shared/layout";
import { shareBegin } from "../share";
import { erf4, exp4 } from "../transcendental";

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

/** values = activation(values): f32 [M, width] in place. `kind` is ACTIVATION_…. */
export function activation(
  kind: i32, rows: i32, width: i32, values: usize, stride: usize, rank: i32, size: i32,
): void {
  const begin = shareBegin(rows, rank, size);
  values += <usize>begin * stride;
  rows = shareBegin(rows, rank + 1, size) - begin;
  // Rows without gaps are one long row.
  if (stride == <usize>width * 4) {
    width *= rows;
    rows = 1;
  }
  for (let row = 0; row < rows; row++) {
    const from = values + <usize>row * stride;
    let k = 0;
    for (; k + 4 <= width; k += 4) {
      const at = from + <usize>k * 4;
      v128.store(at, activate(kind, v128.load(at)));
    }
    for (; k < width; k++) {
      const at = from + <usize>k * 4;
      store<f32>(at, f32x4.extract_lane(activate(kind, f32x4.splat(load<f32>(at))), 0));
    }
  }
}

/**
 * output = activation(gate) · up, element by element, all f32 [M, width]; gate and up may stand in one row. Threads take rows,
 * or parts of each where there are fewer rows than threads.
 */
export function gatedActivation(
  gate: usize, gateStride: usize, up: usize, upStride: usize, kind: i32, rows: i32, width: i32, output: usize,
  outputStride: usize, rank: i32, size: i32,
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
