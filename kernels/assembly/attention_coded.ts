/**
 * Attention over keys and values that are stored as integers: of 16 bits, or of 8.
 *
 * A block of the cache holds KV_BLOCK_TOKENS tokens of one layer; for each key/value head, one after the other, with W the size
 * of a head rounded up to eight:
 *
 *   keys    i16 or i8 [W/2, KV_BLOCK_TOKENS, 2]   two neighbouring dimensions of four tokens are one vector of the 16-bit product
 *   values  i16 or i8 [KV_BLOCK_TOKENS/2, W, 2]   two neighbouring tokens
 *   scales  f32 [2, KV_BLOCK_TOKENS]              what a unit of a token's keys, and of its values, is worth
 *
 * Sums are exact in 32 bits. Queries, and keys of 16 bits, are scaled so that their length (as a vector) is below 46,341 = √2^31:
 * by Cauchy and Schwarz no score can overflow, and an element is off by a few thousandths of a per cent of the vector's length.
 * Values, and weights times their
 * tokens' value scales, are integers of 13 bits, 32 of which are no longer. One product adds
 * two terms, so both halves take half the instructions of f32, and keys and values half or a quarter of its bytes
 * (docs/numerics.md has the perplexity with each).
 *
 * What a row gets does not depend on its neighbours, on the threads or on how many tokens arrive at once.
 */
import { ATTENTION_ROWS, ATTENTION_TILES, KIND_INT8, KV_BLOCK_TOKENS } from "../shared/layout";
import { firstVisible } from "./attention";
import { hasNoPower, powerOfTwo4 } from "./transcendental";
import { lane0, lane1, lane2, lane3, largestLane, roundScaled } from "./vector";

// @ts-ignore: decorator
@inline
const TOKENS: usize = KV_BLOCK_TOKENS;
/** Largest integer of 16 bits, and the longest vector of integers; the margin below √2^31 covers their rounding. */
const WORD_LIMIT: f32 = 32767;
const LENGTH_LIMIT: f32 = 46300;
/** Largest integer of a value, and of a weight, of 16 bits: 32 of them are no longer than LENGTH_LIMIT. */
const VALUE_LIMIT: f32 = 8180;
const WEIGHT_LIMIT: f32 = 8180;
const BYTE_LIMIT: f32 = 127;

/** A few numbers of a tile's rows, f32 [4] each: maxima, sums, query steps times the scale; then these. */
const FACTORS: usize = 48;
const UNITS: usize = 64;
const SMALL_BYTES: usize = 96;

/** Bytes of scratch of one tile: query codes, scores, weights, totals; maxima, sums and query steps of its rows. */
// @ts-ignore: decorator
@inline
function tileScratchBytes(width: usize): usize {
  return width * 8 + 512 + 256 + width * 16 + SMALL_BYTES;
}

// @ts-ignore: decorator
@inline
function widthOf(headSize: i32): usize {
  return <usize>((headSize + 7) & ~7);
}

/** The largest magnitude of a vector; NaN counts as infinity. */
// @ts-ignore: decorator
@inline
function largestOf(from: usize, count: i32): f32 {
  // Bit patterns of non-negative floats are ordered like the floats, with infinity and NaN on top.
  let largest = i32x4.splat(0), k = 0;
  const magnitude = i32x4.splat(0x7fffffff);
  for (; k + 4 <= count; k += 4) largest = i32x4.max_s(largest, v128.and(v128.load(from + <usize>k * 4), magnitude));
  let bits = max(
    max(i32x4.extract_lane(largest, 0), i32x4.extract_lane(largest, 1)),
    max(i32x4.extract_lane(largest, 2), i32x4.extract_lane(largest, 3)),
  );
  for (; k < count; k++) bits = max(bits, load<i32>(from + <usize>k * 4) & 0x7fffffff);
  return bits >= 0x7f800000 ? Infinity : reinterpret<f32>(bits);
}

/** Largest integer of a vector whose length as integers must not exceed LENGTH_LIMIT. */
// @ts-ignore: decorator
@inline
function lengthLimit(from: usize, count: i32, largest: f32): f32 {
  const inverse: f32 = largest > 1e-30 && largest < Infinity ? 1 / largest : 0;
  let squares: f32 = 0;
  for (let k = 0; k < count; k++) {
    const x = load<f32>(from + <usize>k * 4) * inverse;
    squares += x * x;
  }
  return squares > 0 ? min(WORD_LIMIT, LENGTH_LIMIT / sqrt<f32>(squares)) : WORD_LIMIT;
}

/** What values are multiplied by to become integers up to `limit`; 0 where all are nearly zero, or one is not finite. */
// @ts-ignore: decorator
@inline
function inverseStep(largest: f32, limit: f32): f32 {
  return largest > 1e-30 && largest < Infinity ? limit / largest : 0;
}

/** What a unit of these integers is worth: NaN where a value was not finite. */
// @ts-ignore: decorator
@inline
function stepOf(largest: f32, limit: f32): f32 {
  return largest == Infinity ? NaN : largest > 1e-30 ? largest / limit : 0;
}

/** Writes the keys and values of tokens start … start + M − 1 into their blocks; keys, values f32 [M, heads, headSize]. */
export function storeCodedKeysValues(
  kind: i32, keys: usize, keyStride: usize, values: usize, valueStride: usize, table: usize, start: i32, rows: i32, heads: i32,
  headSize: i32, rank: i32, size: i32,
): void {
  const width = widthOf(headSize), elementBytes: usize = kind == KIND_INT8 ? 1 : 2;
  const part = width * TOKENS * elementBytes, headBytes = 2 * part + 2 * TOKENS * 4;
  const valueLimit = kind == KIND_INT8 ? BYTE_LIMIT : VALUE_LIMIT;
  // Heads are dealt out: two threads never write into one vector of the same head.
  for (let head = rank; head < heads; head += size) {
    for (let row = 0; row < rows; row++) {
      const token = start + row, place = <usize>(token % KV_BLOCK_TOKENS);
      const to = <usize>load<u32>(table + <usize>(token / KV_BLOCK_TOKENS) * 4) + <usize>head * headBytes;
      const key = keys + <usize>row * keyStride + <usize>(head * headSize) * 4;
      const value = values + <usize>row * valueStride + <usize>(head * headSize) * 4;
      const scales = to + 2 * part + place * 4;
      const largestKey = largestOf(key, headSize), largestValue = largestOf(value, headSize);
      const keyLimit = kind == KIND_INT8 ? BYTE_LIMIT : lengthLimit(key, headSize, largestKey);
      store<f32>(scales, stepOf(largestKey, keyLimit));
      store<f32>(scales + TOKENS * 4, stepOf(largestValue, valueLimit));
      const keyFactor = inverseStep(largestKey, keyLimit), valueFactor = inverseStep(largestValue, valueLimit);
      const valuePlace = to + part + ((place >> 1) * width * 2 + (place & 1)) * elementBytes;
      for (let d: usize = 0; d < width; d++) {
        const isThere = d < <usize>headSize;
        const k = isThere ? <i32>nearest(load<f32>(key + d * 4) * keyFactor) : 0;
        const v = isThere ? <i32>nearest(load<f32>(value + d * 4) * valueFactor) : 0;
        const keyPlace = to + (((d >> 1) * TOKENS + place) * 2 + (d & 1)) * elementBytes;
        if (elementBytes == 1) {
          store<i8>(keyPlace, <i8>k);
          store<i8>(valuePlace + d * 2, <i8>v);
        } else {
          store<i16>(keyPlace, <i16>k);
          store<i16>(valuePlace + d * 4, <i16>v);
        }
      }
    }
  }
}

/** Eight stored elements of a vector pair: `E` is i16, or i8 which is widened. */
// @ts-ignore: decorator
@inline
function elements<E>(from: usize, index: usize): v128 {
  if (sizeof<E>() == 2) return v128.load(from + index * 16);
  return v128.load8x8_s(from + index * 8);
}

// @ts-ignore: decorator
@inline
function add(sum: v128, a: v128, b: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}

/** Integers of a query row, as pairs for the four rows of a tile: i16 [W/2, 4, 2]. Returns what a unit is worth. */
// @ts-ignore: decorator
@inline
function codeQuery(query: usize, headSize: i32, width: usize, codes: usize, row: usize): f32 {
  const largest = largestOf(query, headSize), limit = lengthLimit(query, headSize, largest);
  const factor = inverseStep(largest, limit);
  for (let d: usize = 0; d < width; d++) {
    const code = d < <usize>headSize ? <i32>nearest(load<f32>(query + d * 4) * factor) : 0;
    store<i16>(codes + (d >> 1) * 16 + row * 4 + (d & 1) * 2, <i16>code);
  }
  return stepOf(largest, limit);
}

/** Scores of four query rows against the tokens of a block: f32 [4, 32]. */
function scoreBlock<E>(codes: usize, keys: usize, width: usize, keyScales: usize, factors: usize, scores: usize): void {
  const step: usize = sizeof<E>() * 2 * TOKENS;
  const f0 = v128.load32_splat(factors), f1 = v128.load32_splat(factors, 4);
  const f2 = v128.load32_splat(factors, 8), f3 = v128.load32_splat(factors, 12);
  for (let part: usize = 0; part < TOKENS; part += 8) {
    let s00 = i32x4.splat(0), s01 = i32x4.splat(0), s10 = i32x4.splat(0), s11 = i32x4.splat(0);
    let s20 = i32x4.splat(0), s21 = i32x4.splat(0), s30 = i32x4.splat(0), s31 = i32x4.splat(0);
    let key = keys + part * 2 * sizeof<E>(), query = codes;
    for (let pair = width >> 1; pair > 0; pair--) {
      const k0 = elements<E>(key, 0), k1 = elements<E>(key, 1);
      const four = v128.load(query);
      let q = lane0(four);
      s00 = add(s00, q, k0);
      s01 = add(s01, q, k1);
      q = lane1(four);
      s10 = add(s10, q, k0);
      s11 = add(s11, q, k1);
      q = lane2(four);
      s20 = add(s20, q, k0);
      s21 = add(s21, q, k1);
      q = lane3(four);
      s30 = add(s30, q, k0);
      s31 = add(s31, q, k1);
      key += step;
      query += 16;
    }
    const scale0 = v128.load(keyScales + part * 4), scale1 = v128.load(keyScales + part * 4, 16);
    const to = scores + part * 4;
    v128.store(to, scaled(s00, scale0, f0));
    v128.store(to, scaled(s01, scale1, f0), 16);
    v128.store(to, scaled(s10, scale0, f1), TOKENS * 4);
    v128.store(to, scaled(s11, scale1, f1), TOKENS * 4 + 16);
    v128.store(to, scaled(s20, scale0, f2), TOKENS * 8);
    v128.store(to, scaled(s21, scale1, f2), TOKENS * 8 + 16);
    v128.store(to, scaled(s30, scale0, f3), TOKENS * 12);
    v128.store(to, scaled(s31, scale1, f3), TOKENS * 12 + 16);
  }
}

// @ts-ignore: decorator
@inline
function scaled(dot: v128, scale: v128, factor: v128): v128 {
  return f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(dot), scale), factor);
}

/** Lane 0 of four vectors, one behind the other. */
// @ts-ignore: decorator
@inline
function lanesOf(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.shuffle<i32>(v128.shuffle<i32>(a, b, 0, 4, 0, 4), v128.shuffle<i32>(c, d, 0, 4, 0, 4), 0, 1, 4, 5);
}

/** Lanes of two vectors in turn: the first two, or the last two of each. */
// @ts-ignore: decorator
@inline
function firstInTurn(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

// @ts-ignore: decorator
@inline
function lastInTurn(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

/** Halves of two vectors: the first of each, or the last. */
// @ts-ignore: decorator
@inline
function firstHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 1, 4, 5);
}

// @ts-ignore: decorator
@inline
function lastHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 3, 6, 7);
}

/** The sums of the lanes of four vectors, each (0 + 1) + (2 + 3). */
// @ts-ignore: decorator
@inline
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = firstInTurn(a, b), cd = firstInTurn(c, d), abRest = lastInTurn(a, b), cdRest = lastInTurn(c, d);
  const first = f32x4.add(firstHalves(ab, cd), lastHalves(ab, cd));
  return f32x4.add(first, f32x4.add(firstHalves(abRest, cdRest), lastHalves(abRest, cdRest)));
}

/** The largest of 32 scores, in all lanes. */
// @ts-ignore: decorator
@inline
function largestScore(scores: usize): v128 {
  const a = f32x4.pmax(v128.load(scores), v128.load(scores, 16)), b = f32x4.pmax(v128.load(scores, 32), v128.load(scores, 48));
  const c = f32x4.pmax(v128.load(scores, 64), v128.load(scores, 80));
  const d = f32x4.pmax(v128.load(scores, 96), v128.load(scores, 112));
  return largestLane(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/**
 * One step of the running softmax (see weighBlock of attention.ts) for the four rows of a tile at once: a power takes sixteen
 * dependent instructions, so four rows side by side take little longer than one. Scores, in units of log 2, become weights times
 * value scales, then integers in pairs: codes i16 [16, 4, 2].
 *   small  f32 [4] each: maxima, sums; what was summed before counts `factors`; what a unit of the integers is worth, NaN where a
 *          visible token is not a number. Query steps stand between, see FACTORS and UNITS.
 */
function weighTile(scores: usize, valueScales: usize, codes: usize, small: usize): void {
  const row1 = scores + TOKENS * 4, row2 = scores + TOKENS * 8, row3 = scores + TOKENS * 12;
  const before = v128.load(small);
  const now = f32x4.pmax(
    before, lanesOf(largestScore(scores), largestScore(row1), largestScore(row2), largestScore(row3)),
  );
  // A row that has seen nothing yet keeps −∞; subtracting that from itself would be NaN.
  const centre = v128.andnot(now, f32x4.eq(now, f32x4.splat(-Infinity)));
  const c0 = lane0(centre), c1 = lane1(centre);
  const c2 = lane2(centre), c3 = lane3(centre);
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
    // A hidden token counts 2^-100 in the sum, which no bit shows, and 0 here, whatever its scale.
    let w = v128.andnot(f32x4.mul(e0, scale), hasNoPower(x0));
    v128.store(scores + i, w);
    m0 = f32x4.pmax(m0, w);
    w0 = f32x4.add(w0, w);
    w = v128.andnot(f32x4.mul(e1, scale), hasNoPower(x1));
    v128.store(row1 + i, w);
    m1 = f32x4.pmax(m1, w);
    w1 = f32x4.add(w1, w);
    w = v128.andnot(f32x4.mul(e2, scale), hasNoPower(x2));
    v128.store(row2 + i, w);
    m2 = f32x4.pmax(m2, w);
    w2 = f32x4.add(w2, w);
    w = v128.andnot(f32x4.mul(e3, scale), hasNoPower(x3));
    v128.store(row3 + i, w);
    m3 = f32x4.pmax(m3, w);
    w3 = f32x4.add(w3, w);
  }
  const factors = powerOfTwo4(f32x4.sub(before, centre));
  v128.store(small, now);
  v128.store(small, f32x4.add(f32x4.mul(v128.load(small, 16), factors), sumsOf(t0, t1, t2, t3)), 16);
  v128.store(small, factors, FACTORS);

  const most = lanesOf(largestLane(m0), largestLane(m1), largestLane(m2), largestLane(m3));
  const isLarge = v128.and(f32x4.gt(most, f32x4.splat(1e-30)), f32x4.lt(most, f32x4.splat(Infinity)));
  const limit = f32x4.splat(WEIGHT_LIMIT);
  const inverse = v128.and(f32x4.div(limit, most), isLarge);
  const isNumber = f32x4.lt(sumsOf(w0, w1, w2, w3), f32x4.splat(Infinity));
  v128.store(small, v128.bitselect(v128.and(f32x4.div(most, limit), isLarge), f32x4.splat(NaN), isNumber), UNITS);
  const f0 = lane0(inverse), f1 = lane1(inverse), f2 = lane2(inverse), f3 = lane3(inverse);
  for (let i: usize = 0; i < TOKENS * 4; i += 32) {
    const a = codeWeights(scores + i, f0), b = codeWeights(row1 + i, f1);
    const c = codeWeights(row2 + i, f2), d = codeWeights(row3 + i, f3);
    // Four rows of four pairs become four pairs of four rows.
    const ab = firstInTurn(a, b), cd = firstInTurn(c, d), abRest = lastInTurn(a, b), cdRest = lastInTurn(c, d);
    const to = codes + i * 2;
    v128.store(to, firstHalves(ab, cd));
    v128.store(to, lastHalves(ab, cd), 16);
    v128.store(to, firstHalves(abRest, cdRest), 32);
    v128.store(to, lastHalves(abRest, cdRest), 48);
  }
}

/** Eight scaled weights of a row → integers of 16 bits. */
// @ts-ignore: decorator
@inline
function codeWeights(weights: usize, factor: v128): v128 {
  return i16x8.narrow_i32x4_s(roundScaled(v128.load(weights), factor), roundScaled(v128.load(weights, 16), factor));
}

/** Scores of the tokens that a row does not see: of a causal row, or those behind the first `count`. */
// @ts-ignore: decorator
@inline
function hideTokens(scores: usize, token: i32, base: i32, window: i32, count: i32): void {
  let first = 0, last = count;
  if (count < 0) {
    first = min(max(firstVisible(token, window) - base, 0), KV_BLOCK_TOKENS);
    last = max(min(token + 1 - base, KV_BLOCK_TOKENS), 0);
  }
  for (let i = 0; i < first; i++) store<f32>(scores + <usize>i * 4, -Infinity);
  for (let i = last; i < KV_BLOCK_TOKENS; i++) store<f32>(scores + <usize>i * 4, -Infinity);
}

/** total[row] = total[row] · factor[row] + Σ weight[row, token] · value[token], for four rows. */
function addValues<E>(
  totals: usize, values: usize, width: usize, codes: usize, small: usize,
): void {
  const rowBytes = width * 4, step: usize = width * 2 * sizeof<E>();
  const f0 = v128.load32_splat(small, FACTORS), f1 = v128.load32_splat(small, FACTORS + 4);
  const f2 = v128.load32_splat(small, FACTORS + 8), f3 = v128.load32_splat(small, FACTORS + 12);
  const u0 = v128.load32_splat(small, UNITS), u1 = v128.load32_splat(small, UNITS + 4);
  const u2 = v128.load32_splat(small, UNITS + 8), u3 = v128.load32_splat(small, UNITS + 12);
  for (let d: usize = 0; d < width; d += 8) {
    let s00 = i32x4.splat(0), s01 = i32x4.splat(0), s10 = i32x4.splat(0), s11 = i32x4.splat(0);
    let s20 = i32x4.splat(0), s21 = i32x4.splat(0), s30 = i32x4.splat(0), s31 = i32x4.splat(0);
    let value = values + d * 2 * sizeof<E>(), weight = codes;
    for (let pair = TOKENS >> 1; pair > 0; pair--) {
      const v0 = elements<E>(value, 0), v1 = elements<E>(value, 1);
      const four = v128.load(weight);
      let w = lane0(four);
      s00 = add(s00, w, v0);
      s01 = add(s01, w, v1);
      w = lane1(four);
      s10 = add(s10, w, v0);
      s11 = add(s11, w, v1);
      w = lane2(four);
      s20 = add(s20, w, v0);
      s21 = add(s21, w, v1);
      w = lane3(four);
      s30 = add(s30, w, v0);
      s31 = add(s31, w, v1);
      value += step;
      weight += 16;
    }
    const to = totals + d * 4;
    addScaled(to, s00, s01, f0, u0);
    addScaled(to + rowBytes, s10, s11, f1, u1);
    addScaled(to + 2 * rowBytes, s20, s21, f2, u2);
    addScaled(to + 3 * rowBytes, s30, s31, f3, u3);
  }
}

// @ts-ignore: decorator
@inline
function addScaled(to: usize, a: v128, b: v128, f: v128, u: v128): void {
  v128.store(to, f32x4.add(f32x4.mul(v128.load(to), f), f32x4.mul(f32x4.convert_i32x4_s(a), u)));
  v128.store(to, f32x4.add(f32x4.mul(v128.load(to, 16), f), f32x4.mul(f32x4.convert_i32x4_s(b), u)), 16);
}

/** As `attention`, over integers; `E` is i16 or i8. */
export function attentionCoded<E>(
  queries: usize, queryStride: usize, table: usize, counts: usize, blocks: i32, start: i32, rows: i32, heads: i32,
  kvHeads: i32, headSize: i32, scale: f32, window: i32, output: usize, outputStride: usize, scratch: usize,
  scratchBytes: usize, rank: i32, size: i32,
): void {
  const width = widthOf(headSize), perGroup = heads / kvHeads, groupRows = rows * perGroup;
  const unitRows = ATTENTION_ROWS * ATTENTION_TILES, units = (groupRows + unitRows - 1) / unitRows;
  const part = width * TOKENS * sizeof<E>(), headBytes = 2 * part + 2 * TOKENS * 4;
  const tileBytes = tileScratchBytes(width), rowBytes = <usize>headSize * 4;
  const own = scratch + <usize>rank * scratchBytes;
  // Weights are powers of two.
  const powerScale: f32 = scale * 1.44269504088896341;
  // Head by head: its keys and values stay in a cache as long as possible. Later units see more tokens: dealing them in turn
  // keeps the threads even.
  for (let unit = rank; unit < units * kvHeads; unit += size) {
    const kvHead = unit / units, firstRow = unit % units * unitRows;
    const unitEnd = min(firstRow + unitRows, groupRows);
    const tiles = (unitEnd - firstRow + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
    const group = queries + <usize>(kvHead * perGroup) * rowBytes;
    for (let tile = 0; tile < tiles; tile++) {
      const at = own + <usize>tile * tileBytes, small = at + tileBytes - SMALL_BYTES;
      memory.fill(small - width * 16, 0, width * 16);
      v128.store(small, f32x4.splat(-Infinity));
      v128.store(small, f32x4.splat(0), 16);
      for (let i = 0; i < ATTENTION_ROWS; i++) {
        const row = min(firstRow + tile * ATTENTION_ROWS + i, groupRows - 1);
        const query = group + <usize>(row / perGroup) * queryStride + <usize>(row % perGroup) * rowBytes;
        store<f32>(small + 32 + <usize>i * 4, codeQuery(query, headSize, width, at, <usize>i) * powerScale);
      }
    }
    const lastBlock = counts ? blocks : (start + (unitEnd - 1) / perGroup) / KV_BLOCK_TOKENS + 1;
    const firstBlock = counts ? 0 : firstVisible(start + firstRow / perGroup, window) / KV_BLOCK_TOKENS;
    for (let index = firstBlock; index < lastBlock; index++) {
      const keys = <usize>load<u32>(table + <usize>index * 4) + <usize>kvHead * headBytes;
      const keyScales = keys + 2 * part, valueScales = keyScales + TOKENS * 4;
      const base = index * KV_BLOCK_TOKENS;
      const count = counts ? load<i32>(counts + <usize>index * 4) : -1;
      for (let tile = 0; tile < tiles; tile++) {
        const row = firstRow + tile * ATTENTION_ROWS, last = groupRows - 1;
        const t3 = start + min(row + 3, last) / perGroup;
        // Nothing of this block is seen yet; a block without weight would change no bit.
        if (count < 0 && t3 < base) continue;
        const at = own + <usize>tile * tileBytes, scores = at + width * 8, weights = scores + 512;
        const totals = weights + 256, small = at + tileBytes - SMALL_BYTES;
        scoreBlock<E>(at, keys, width, keyScales, small + 32, scores);
        hideTokens(scores, start + row / perGroup, base, window, count);
        hideTokens(scores + TOKENS * 4, start + min(row + 1, last) / perGroup, base, window, count);
        hideTokens(scores + TOKENS * 8, start + min(row + 2, last) / perGroup, base, window, count);
        hideTokens(scores + TOKENS * 12, t3, base, window, count);
        weighTile(scores, valueScales, weights, small);
        addValues<E>(totals, keys + part, width, weights, small);
      }
    }
    for (let row = firstRow; row < unitEnd; row++) {
      const i = row - firstRow;
      const at = own + <usize>(i / ATTENTION_ROWS) * tileBytes, small = at + tileBytes - SMALL_BYTES;
      const inTile = <usize>(i % ATTENTION_ROWS);
      const from = small - width * 16 + inTile * width * 4;
      const to = output + <usize>(row / perGroup) * outputStride + <usize>(kvHead * perGroup + row % perGroup) * rowBytes;
      const inverse: f32 = 1 / load<f32>(small + 16 + inTile * 4);
      for (let d: usize = 0; d < rowBytes; d += 4) store<f32>(to + d, load<f32>(from + d) * inverse);
    }
  }
}
