/**
 * Attention over keys and values of f32: what its tiles do in their own way.
 */
import { exp4 } from "../transcendental";
import { lane0, lane1, lane2, lane3, storeTransposed } from "../vector";
import { TOKENS } from "./block";
import { centresOf, largestScores, storeNumbers, sumsOf } from "./softmax";
import { MAXIMA } from "./tiles";

/** Brings a query into its row of a tile, f32 [headSize, 4]; what its scores are multiplied by. */
// @ts-ignore: decorator
@inline
export function gatherQuery(query: usize, headSize: i32, queries: usize, row: usize, scale: f32): f32 {
  for (let d: usize = 0; d < <usize>headSize; d++) store<f32>(queries + d * 16 + row * 4, load<f32>(query + d * 4));
  return scale;
}

/** One step of the running softmax: scores of a block become weights, f32 [32, 4]. */
export function weighFloats(scores: usize, weights: usize, numbers: usize): void {
  const largest = largestScores(scores, numbers), centres = centresOf(largest);
  const c0 = lane0(centres), c1 = lane1(centres), c2 = lane2(centres), c3 = lane3(centres);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  for (let i: usize = 0; i < TOKENS * 4; i += 16) {
    const e0 = exp4(f32x4.sub(v128.load(scores + i), c0)), e1 = exp4(f32x4.sub(v128.load(scores + i, TOKENS * 4), c1));
    const e2 = exp4(f32x4.sub(v128.load(scores + i, TOKENS * 8), c2)), e3 = exp4(f32x4.sub(v128.load(scores + i, TOKENS * 12), c3));
    t0 = f32x4.add(t0, e0);
    t1 = f32x4.add(t1, e1);
    t2 = f32x4.add(t2, e2);
    t3 = f32x4.add(t3, e3);
    // Four rows of four tokens become four tokens of four rows.
    storeTransposed(weights + i * 4, 16, e0, e1, e2, e3);
  }
  const factors = exp4(f32x4.sub(v128.load(numbers, MAXIMA), centres));
  storeNumbers(numbers, largest, factors, sumsOf(t0, t1, t2, t3));
}
