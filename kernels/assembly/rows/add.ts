/**
 * Sums of rows.
 */
import { bytesOf, load1, load4 } from "../floats";
import { shareBegin } from "../share";

/**
 * target += factor · source, row by row.
 *   source  f32, f16 or bf16 [M, width]; one row for all when its stride is 0
 *   target  f32 [M, width]
 * Each element is rounded twice: the product, then the sum.
 */
export function addScaled(
  source: usize, sourceStride: usize, sourceType: i32, rows: i32, width: i32, factor: f32, target: usize, targetStride: usize,
  rank: i32, size: i32,
): void {
  const bytes = bytesOf(sourceType);
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const to = target + <usize>row * targetStride, from = source + <usize>row * sourceStride;
    let k = 0;
    for (; k + 4 <= width; k += 4) {
      const at = to + <usize>k * 4;
      const scaled = f32x4.mul(load4(from + <usize>k * bytes, sourceType), f32x4.splat(factor));
      v128.store(at, f32x4.add(v128.load(at), scaled));
    }
    for (; k < width; k++) {
      const at = to + <usize>k * 4;
      store<f32>(at, load<f32>(at) + load1(from + <usize>k * bytes, sourceType) * factor);
    }
  }
}
