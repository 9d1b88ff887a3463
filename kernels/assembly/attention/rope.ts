/**
 * Rotary positions.
 */
import { shareBegin } from "../share";
import { storeCosineSine } from "../transcendental";

/**
 * Cosines and sines of the rotary angles of positions start … start + M − 1, times `factor`. The angle is rounded to f32 first,
 * as the reference implementation does (transformers, modeling_rope_utils).
 *   frequencies  f32 [half]
 *   table        f32 [M, 2, half]
 */
export function ropeTable(
  frequencies: usize, start: i32, rows: i32, half: i32, factor: f32, table: usize, rank: i32, size: i32,
): void {
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const cosine = table + <usize>row * <usize>half * 8, sine = cosine + <usize>half * 4;
    const position = <f32>(start + row);
    for (let i = 0; i < half; i++) {
      const angle = load<f32>(frequencies + <usize>i * 4) * position;
      storeCosineSine(cosine + <usize>i * 4, sine + <usize>i * 4, <f64>angle, <f64>factor);
    }
  }
}

/**
 * Rotates the first 2 · half columns of each head in place ("rotate half": column i pairs with i + half).
 *   table    as ropeTable writes it
 *   vectors  f32 [M, heads, headSize]
 */
export function rope(
  table: usize, rows: i32, heads: i32, headSize: i32, half: i32, vectors: usize, stride: usize, rank: i32, size: i32,
): void {
  const end = shareBegin(rows, rank + 1, size);
  const halfBytes = <usize>half * 4;
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const cosine = table + <usize>row * halfBytes * 2;
    for (let head = 0; head < heads; head++) {
      const x = vectors + <usize>row * stride + <usize>(head * headSize) * 4;
      let i = 0;
      for (; i + 4 <= half; i += 4) {
        const at = <usize>i * 4;
        const c = v128.load(cosine + at), s = v128.load(cosine + halfBytes + at);
        const a = v128.load(x + at), b = v128.load(x + halfBytes + at);
        v128.store(x + at, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(x + halfBytes + at, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      for (; i < half; i++) {
        const at = <usize>i * 4;
        const c = load<f32>(cosine + at), s = load<f32>(cosine + halfBytes + at);
        const a = load<f32>(x + at), b = load<f32>(x + halfBytes + at);
        store<f32>(x + at, a * c - b * s);
        store<f32>(x + halfBytes + at, b * c + a * s);
      }
    }
  }
}
