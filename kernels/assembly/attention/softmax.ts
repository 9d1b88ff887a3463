/**
 * The running softmax of a tile's four rows over the blocks (Milakov & Gimelshein 2018, "Online normalizer calculation for
 * softmax"): what both kinds of weights have in common. Of vectors of four, each lane belongs to a row.
 */
import { KV_BLOCK_TOKENS } from "../../shared/layout";
import { firstHalves, firstInTurn, largestLane, lastHalves, lastInTurn } from "../vector";
import { TOKENS } from "./block";
import { MAXIMA, SUMS, TOTAL_FACTORS } from "./tiles";

/** Lane 0 of four vectors, in turn. */
// @ts-ignore: decorator
@inline
export function lanesOf(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.shuffle<i32>(v128.shuffle<i32>(a, b, 0, 4, 0, 4), v128.shuffle<i32>(c, d, 0, 4, 0, 4), 0, 1, 4, 5);
}

/** The sums of the lanes of four vectors, each (0 + 1) + (2 + 3). */
// @ts-ignore: decorator
@inline
export function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = firstInTurn(a, b), cd = firstInTurn(c, d), abRest = lastInTurn(a, b), cdRest = lastInTurn(c, d);
  const first = f32x4.add(firstHalves(ab, cd), lastHalves(ab, cd));
  return f32x4.add(first, f32x4.add(firstHalves(abRest, cdRest), lastHalves(abRest, cdRest)));
}

/** The largest of a row's 32 scores, in all lanes. Maxima stay in vectors: of scalars they are branches that nobody can predict. */
// @ts-ignore: decorator
@inline
function largestScore(scores: usize): v128 {
  const a = f32x4.pmax(v128.load(scores), v128.load(scores, 16)), b = f32x4.pmax(v128.load(scores, 32), v128.load(scores, 48));
  const c = f32x4.pmax(v128.load(scores, 64), v128.load(scores, 80));
  const d = f32x4.pmax(v128.load(scores, 96), v128.load(scores, 112));
  return largestLane(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/** The rows' largest scores, this block's among them. */
// @ts-ignore: decorator
@inline
export function largestScores(scores: usize, numbers: usize): v128 {
  return f32x4.pmax(
    v128.load(numbers, MAXIMA),
    lanesOf(
      largestScore(scores), largestScore(scores + TOKENS * 4), largestScore(scores + TOKENS * 8),
      largestScore(scores + TOKENS * 12),
    ),
  );
}

/**
 * What scores are compared with: the rows' largest. A row that has seen nothing yet keeps −∞; subtracting that from itself would
 * be NaN.
 */
// @ts-ignore: decorator
@inline
export function centresOf(largest: v128): v128 {
  return v128.andnot(largest, f32x4.eq(largest, f32x4.splat(-Infinity)));
}

/** Brings the rows' numbers up to date; what was summed before counts `factors`. */
// @ts-ignore: decorator
@inline
export function storeNumbers(numbers: usize, largest: v128, factors: v128, sums: v128): void {
  v128.store(numbers, largest, MAXIMA);
  v128.store(numbers, f32x4.add(f32x4.mul(v128.load(numbers, SUMS), factors), sums), SUMS);
  v128.store(numbers, factors, TOTAL_FACTORS);
}

/** The first token that the causal row `token` sees: it looks back on `window` tokens, itself included; 0: all. */
// @ts-ignore: decorator
@inline
export function firstVisible(token: i32, window: i32): i32 {
  return window > 0 ? max(0, token + 1 - window) : 0;
}

/**
 * Makes −∞ of the scores of the tokens that a row does not see, of a block that begins with token `base`. It sees the first `count`
 * tokens; −1: those that the causal row `token` sees.
 */
// @ts-ignore: decorator
@inline
export function hideTokens(scores: usize, token: i32, base: i32, window: i32, count: i32): void {
  let first = 0, last = count;
  if (count < 0) {
    first = min(max(firstVisible(token, window) - base, 0), KV_BLOCK_TOKENS);
    last = max(min(token + 1 - base, KV_BLOCK_TOKENS), 0);
  }
  for (let i = 0; i < first; i++) store<f32>(scores + <usize>i * 4, -Infinity);
  for (let i = last; i < KV_BLOCK_TOKENS; i++) store<f32>(scores + <usize>i * 4, -Infinity);
}
