/**
 * Attention over keys and values of integers: what its tiles do in their own way. One product adds two terms, so both halves take
 * half the instructions of f32, and keys and values half or a quarter of its bytes (docs/numerics.md has the perplexity with
 * each). Sums are exact in 32 bits; see integers.ts.
 */
import { hasNoPower, powerOfTwo4 } from "../transcendental";
import { lane0, lane1, lane2, lane3, largestLane, loadLanes, roundScaled, storeTransposed } from "../vector";
import { TOKENS } from "./block";
import { integerScale, integersPerUnit, largestOf, lengthLimit, WEIGHT_LIMIT } from "./integers";
import { centresOf, lanesOf, largestScores, storeNumbers, sumsOf } from "./softmax";
import { MAXIMA, WEIGHT_UNITS } from "./tiles";

/** The binary logarithm of e: weights are powers of two. */
const LOG2_E: f32 = 1.44269504088896341;

/** Brings the integers of a query into its row of a tile, i16 [columns/2, 4, 2]; what its scores are multiplied by. */
// @ts-ignore: decorator
@inline
export function codeQuery(query: usize, headSize: i32, columns: usize, queries: usize, row: usize, scale: f32): f32 {
  const largest = largestOf(query, headSize), limit = lengthLimit(query, headSize, largest);
  const factor = integersPerUnit(largest, limit);
  const factors = f32x4.splat(factor);
  for (let d: usize = 0; d < columns; d += 8) {
    // Beyond the last column are zeros.
    const from = query + d * 4, left = headSize - <i32>d;
    const a = loadLanes(from, left), b = loadLanes(from + 16, left - 4);
    const pairs = i16x8.narrow_i32x4_s(roundScaled(a, factors), roundScaled(b, factors)), to = queries + (d >> 1) * 16 + row * 4;
    v128.store32_lane(to, pairs, 0);
    v128.store32_lane(to, pairs, 1, 16);
    v128.store32_lane(to, pairs, 2, 32);
    v128.store32_lane(to, pairs, 3, 48);
  }
  const powerScale: f32 = scale * LOG2_E;
  return integerScale(largest, limit) * powerScale;
}

/**
 * One step of the running softmax: scores of a block, in units of log 2, become weights times value scales, then integers in
 * pairs, i16 [16, 4, 2], and what a unit of them is worth: NaN where a visible token is not a number. A power takes sixteen
 * dependent instructions, so four rows at once take little longer than one.
 */
export function weighIntegers(scores: usize, valueScales: usize, weights: usize, numbers: usize): void {
  const row1 = scores + TOKENS * 4, row2 = scores + TOKENS * 8, row3 = scores + TOKENS * 12;
  const largest = largestScores(scores, numbers), centres = centresOf(largest);
  const c0 = lane0(centres), c1 = lane1(centres), c2 = lane2(centres), c3 = lane3(centres);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let w0 = f32x4.splat(0), w1 = f32x4.splat(0), w2 = f32x4.splat(0), w3 = f32x4.splat(0);
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  for (let i: usize = 0; i < TOKENS * 4; i += 16) {
    const x0 = f32x4.sub(v128.load(scores + i), c0), x1 = f32x4.sub(v128.load(row1 + i), c1);
    const x2 = f32x4.sub(v128.load(row2 + i), c2), x3 = f32x4.sub(v128.load(row3 + i), c3);
    const e0 = powerOfTwo4(x0), e1 = powerOfTwo4(x1), e2 = powerOfTwo4(x2), e3 = powerOfTwo4(x3);
    const scale = v128.load(valueScales + i);
    t0 = f32x4.add(t0, e0);
    t1 = f32x4.add(t1, e1);
    t2 = f32x4.add(t2, e2);
    t3 = f32x4.add(t3, e3);
    const v0 = storeWeights(scores + i, x0, e0, scale), v1 = storeWeights(row1 + i, x1, e1, scale);
    const v2 = storeWeights(row2 + i, x2, e2, scale), v3 = storeWeights(row3 + i, x3, e3, scale);
    m0 = f32x4.pmax(m0, v0);
    m1 = f32x4.pmax(m1, v1);
    m2 = f32x4.pmax(m2, v2);
    m3 = f32x4.pmax(m3, v3);
    w0 = f32x4.add(w0, v0);
    w1 = f32x4.add(w1, v1);
    w2 = f32x4.add(w2, v2);
    w3 = f32x4.add(w3, v3);
  }
  const factors = powerOfTwo4(f32x4.sub(v128.load(numbers, MAXIMA), centres));
  storeNumbers(numbers, largest, factors, sumsOf(t0, t1, t2, t3));

  const most = lanesOf(largestLane(m0), largestLane(m1), largestLane(m2), largestLane(m3));
  const isLarge = v128.and(f32x4.gt(most, f32x4.splat(1e-30)), f32x4.lt(most, f32x4.splat(Infinity)));
  const limit = f32x4.splat(WEIGHT_LIMIT);
  const inverse = v128.and(f32x4.div(limit, most), isLarge);
  const isNumber = f32x4.lt(sumsOf(w0, w1, w2, w3), f32x4.splat(Infinity));
  v128.store(numbers, v128.bitselect(v128.and(f32x4.div(most, limit), isLarge), f32x4.splat(NaN), isNumber), WEIGHT_UNITS);
  const f0 = lane0(inverse), f1 = lane1(inverse), f2 = lane2(inverse), f3 = lane3(inverse);
  for (let i: usize = 0; i < TOKENS * 4; i += 32) {
    const a = codeWeights(scores + i, f0), b = codeWeights(row1 + i, f1);
    const c = codeWeights(row2 + i, f2), d = codeWeights(row3 + i, f3);
    // Four rows of four pairs become four pairs of four rows.
    storeTransposed(weights + i * 2, 16, a, b, c, d);
  }
}

/**
 * Writes four powers of scores times value scales. A hidden token counts 2^-100 in the sum of powers, which no bit shows, and 0
 * here, whatever its scale.
 */
// @ts-ignore: decorator
@inline
function storeWeights(to: usize, score: v128, power: v128, scale: v128): v128 {
  const weights = v128.andnot(f32x4.mul(power, scale), hasNoPower(score));
  v128.store(to, weights);
  return weights;
}

/** Eight scaled weights of a row → integers of 16 bits. */
// @ts-ignore: decorator
@inline
function codeWeights(weights: usize, factor: v128): v128 {
  return i16x8.narrow_i32x4_s(roundScaled(v128.load(weights), factor), roundScaled(v128.load(weights, 16), factor));
}
