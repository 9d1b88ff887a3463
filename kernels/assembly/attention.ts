/**
 * Rotary positions, the key/value cache and attention over it.
 *
 * A block of the f32 cache (attention_coded has the others) holds KV_BLOCK_TOKENS tokens of one layer; for each key/value head, one after the other:
 *
 *   keys    f32 [headSize, KV_BLOCK_TOKENS]   transposed: a vector holds four tokens, so scores need no sum across lanes
 *   values  f32 [KV_BLOCK_TOKENS, headSize]
 *
 * `table` u32 [blocks] points at the blocks of a sequence in one layer, in the order of the tokens.
 */
import { ATTENTION_ROWS, KV_BLOCK_TOKENS } from "../shared/layout";
import { exp4, storeCosineSine } from "./transcendental";
import { largestLane, shareBegin, sumLanes } from "./vector";

// @ts-ignore: decorator
@inline
const TOKENS: usize = KV_BLOCK_TOKENS;

/**
 * Cosines and sines of the rotary angles, times `factor`: table f32 [M, 2, half]. The angle is rounded to f32 first, as
 * the reference implementation does (transformers, modeling_rope_utils).
 *   frequencies f32 [half]; positions start … start + M − 1
 */
export function ropeTable(
  frequencies: usize, start: i32, table: usize, rows: i32, half: i32, factor: f32, rank: i32, size: i32,
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
 * Rotates the first 2 · half floats of each head in place ("rotate half": element i pairs with i + half).
 *   vectors f32 [M, heads, headSize], row stride in bytes; table as ropeTable writes it
 */
export function rope(
  vectors: usize, stride: usize, table: usize, rows: i32, heads: i32, headSize: i32, half: i32, rank: i32, size: i32,
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

/** Writes the keys and values of tokens start … start + M − 1 into their blocks; keys, values f32 [M, heads, headSize]. */
export function storeKeysValues(
  keys: usize, keyStride: usize, values: usize, valueStride: usize, table: usize, start: i32, rows: i32, heads: i32,
  headSize: i32, rank: i32, size: i32,
): void {
  const headBytes = <usize>headSize * 4, part = headBytes * TOKENS;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const token = start + row, place = <usize>(token % KV_BLOCK_TOKENS);
    const block = <usize>load<u32>(table + <usize>(token / KV_BLOCK_TOKENS) * 4);
    for (let head = 0; head < heads; head++) {
      const key = keys + <usize>row * keyStride + <usize>head * headBytes;
      const value = values + <usize>row * valueStride + <usize>head * headBytes;
      const to = block + <usize>head * 2 * part;
      for (let d = 0; d < headSize; d++) store<f32>(to + (<usize>d * TOKENS + place) * 4, load<f32>(key + <usize>d * 4));
      memory.copy(to + part + place * headBytes, value, headBytes);
    }
  }
}

/** Scores of four query rows against the 32 tokens of a block: scores f32 [4, 32]. */
// @ts-ignore: decorator
@inline
function scoreBlock(
  q0: usize, q1: usize, q2: usize, q3: usize, keys: usize, headSize: i32, scale: f32, scores: usize,
): void {
  const factor = f32x4.splat(scale);
  for (let part: usize = 0; part < TOKENS; part += 8) {
    let s00 = f32x4.splat(0), s01 = f32x4.splat(0), s10 = f32x4.splat(0), s11 = f32x4.splat(0);
    let s20 = f32x4.splat(0), s21 = f32x4.splat(0), s30 = f32x4.splat(0), s31 = f32x4.splat(0);
    let key = keys + part * 4;
    for (let d: usize = 0; d < <usize>headSize * 4; d += 4) {
      const k0 = v128.load(key), k1 = v128.load(key, 16);
      key += TOKENS * 4;
      let q = v128.load32_splat(q0 + d);
      s00 = f32x4.add(s00, f32x4.mul(q, k0));
      s01 = f32x4.add(s01, f32x4.mul(q, k1));
      q = v128.load32_splat(q1 + d);
      s10 = f32x4.add(s10, f32x4.mul(q, k0));
      s11 = f32x4.add(s11, f32x4.mul(q, k1));
      q = v128.load32_splat(q2 + d);
      s20 = f32x4.add(s20, f32x4.mul(q, k0));
      s21 = f32x4.add(s21, f32x4.mul(q, k1));
      q = v128.load32_splat(q3 + d);
      s30 = f32x4.add(s30, f32x4.mul(q, k0));
      s31 = f32x4.add(s31, f32x4.mul(q, k1));
    }
    const to = scores + part * 4;
    v128.store(to, f32x4.mul(s00, factor));
    v128.store(to, f32x4.mul(s01, factor), 16);
    v128.store(to, f32x4.mul(s10, factor), TOKENS * 4);
    v128.store(to, f32x4.mul(s11, factor), TOKENS * 4 + 16);
    v128.store(to, f32x4.mul(s20, factor), TOKENS * 8);
    v128.store(to, f32x4.mul(s21, factor), TOKENS * 8 + 16);
    v128.store(to, f32x4.mul(s30, factor), TOKENS * 12);
    v128.store(to, f32x4.mul(s31, factor), TOKENS * 12 + 16);
  }
}

/**
 * One step of the running softmax (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax"): turns the
 * 32 scores of a row into weights, updates the row's maximum and sum, returns the factor for what was summed before.
 * Tokens outside [first, last) of the block weigh nothing.
 */
// @ts-ignore: decorator
@inline
function weighBlock(scores: usize, first: i32, last: i32, maximum: usize, sum: usize): f32 {
  for (let token = 0; token < first; token++) store<f32>(scores + <usize>token * 4, -Infinity);
  for (let token = last; token < KV_BLOCK_TOKENS; token++) store<f32>(scores + <usize>token * 4, -Infinity);
  // Maxima stay in vectors: of scalars they are branches that nobody can predict.
  let largest = f32x4.pmax(
    f32x4.pmax(
      f32x4.pmax(v128.load(scores), v128.load(scores, 16)), f32x4.pmax(v128.load(scores, 32), v128.load(scores, 48)),
    ),
    f32x4.pmax(
      f32x4.pmax(v128.load(scores, 64), v128.load(scores, 80)), f32x4.pmax(v128.load(scores, 96), v128.load(scores, 112)),
    ),
  );
  const before = v128.load32_splat(maximum);
  const now = f32x4.pmax(before, largestLane(largest));
  // A row that has seen nothing yet keeps −∞; subtracting that from itself would be NaN.
  const centre = v128.andnot(now, f32x4.eq(now, f32x4.splat(-Infinity)));
  let total = f32x4.splat(0);
  for (let i: usize = 0; i < TOKENS * 4; i += 32) {
    const a = exp4(f32x4.sub(v128.load(scores + i), centre)), b = exp4(f32x4.sub(v128.load(scores + i, 16), centre));
    v128.store(scores + i, a);
    v128.store(scores + i, b, 16);
    total = f32x4.add(f32x4.add(total, a), b);
  }
  const factor = f32x4.extract_lane(exp4(f32x4.sub(before, centre)), 0);
  v128.store32_lane(maximum, now, 0);
  store<f32>(sum, load<f32>(sum) * factor + sumLanes(total));
  return factor;
}

/** total[row] = total[row] · factor[row] + Σ weight[row, token] · value[token], for four rows. */
// @ts-ignore: decorator
@inline
function addValues(
  totals: usize, values: usize, weights: usize, headSize: i32, f0: f32, f1: f32, f2: f32, f3: f32,
): void {
  const rowBytes = <usize>headSize * 4;
  let d: usize = 0;
  for (; d + 32 <= rowBytes; d += 32) {
    const t0 = totals + d, t1 = t0 + rowBytes, t2 = t1 + rowBytes, t3 = t2 + rowBytes;
    let a00 = f32x4.mul(v128.load(t0), f32x4.splat(f0)), a01 = f32x4.mul(v128.load(t0, 16), f32x4.splat(f0));
    let a10 = f32x4.mul(v128.load(t1), f32x4.splat(f1)), a11 = f32x4.mul(v128.load(t1, 16), f32x4.splat(f1));
    let a20 = f32x4.mul(v128.load(t2), f32x4.splat(f2)), a21 = f32x4.mul(v128.load(t2, 16), f32x4.splat(f2));
    let a30 = f32x4.mul(v128.load(t3), f32x4.splat(f3)), a31 = f32x4.mul(v128.load(t3, 16), f32x4.splat(f3));
    let value = values + d;
    for (let token: usize = 0; token < TOKENS * 4; token += 4) {
      const v0 = v128.load(value), v1 = v128.load(value, 16);
      value += rowBytes;
      let w = v128.load32_splat(weights + token);
      a00 = f32x4.add(a00, f32x4.mul(w, v0));
      a01 = f32x4.add(a01, f32x4.mul(w, v1));
      w = v128.load32_splat(weights + token, TOKENS * 4);
      a10 = f32x4.add(a10, f32x4.mul(w, v0));
      a11 = f32x4.add(a11, f32x4.mul(w, v1));
      w = v128.load32_splat(weights + token, TOKENS * 8);
      a20 = f32x4.add(a20, f32x4.mul(w, v0));
      a21 = f32x4.add(a21, f32x4.mul(w, v1));
      w = v128.load32_splat(weights + token, TOKENS * 12);
      a30 = f32x4.add(a30, f32x4.mul(w, v0));
      a31 = f32x4.add(a31, f32x4.mul(w, v1));
    }
    v128.store(t0, a00);
    v128.store(t0, a01, 16);
    v128.store(t1, a10);
    v128.store(t1, a11, 16);
    v128.store(t2, a20);
    v128.store(t2, a21, 16);
    v128.store(t3, a30);
    v128.store(t3, a31, 16);
  }
  for (; d < rowBytes; d += 4) {
    for (let row: usize = 0; row < 4; row++) {
      let a = load<f32>(totals + row * rowBytes + d) * (row == 0 ? f0 : row == 1 ? f1 : row == 2 ? f2 : f3);
      for (let token: usize = 0; token < TOKENS; token++) {
        a += load<f32>(weights + (row * TOKENS + token) * 4) * load<f32>(values + token * rowBytes + d);
      }
      store<f32>(totals + row * rowBytes + d, a);
    }
  }
}

// @ts-ignore: decorator
@inline
export function firstVisible(token: i32, window: i32): i32 {
  return window > 0 ? max(0, token + 1 - window) : 0;
}

/**
 * Attention of M rows over blocks of keys and values. Without `counts` it is causal: row m is the token at position
 * start + m, and the cache already holds it. With `counts` every row sees the first counts[b] tokens of each of `blocks`
 * blocks: pictures in the text's cross-attention, and the vision tower.
 *
 * The query heads that share a key/value head and the tokens form one list of rows; a tile takes four neighbours, so one
 * token with four heads a group, or four tokens with one, fill it alike. Blocks are taken in the order of the tokens with a
 * running softmax: nothing grows with the length, and a row's arithmetic does not depend on its neighbours, on the
 * threads or on how many tokens arrive at once.
 *
 *   queries, output  f32 [M, heads, headSize], row strides in bytes
 *   counts           i32 [blocks], each from 1 to KV_BLOCK_TOKENS, or 0: causal
 *   window           causal: tokens a row can look back on, itself included; 0: all
 *   scratch          per thread: scores f32 [4, 32], totals f32 [4, headSize], maxima and sums f32 [8]
 */
export function attention(
  queries: usize, queryStride: usize, table: usize, counts: usize, blocks: i32, start: i32, rows: i32, heads: i32,
  kvHeads: i32, headSize: i32, scale: f32, window: i32, output: usize, outputStride: usize, scratch: usize,
  scratchBytes: usize, rank: i32, size: i32,
): void {
  const perGroup = heads / kvHeads, groupRows = rows * perGroup;
  const tiles = (groupRows + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
  const headBytes = <usize>headSize * 4, part = headBytes * TOKENS;
  const scores = scratch + <usize>rank * scratchBytes;
  const totals = scores + 4 * TOKENS * 4;
  const maxima = totals + 4 * headBytes, sums = maxima + 16;
  // Later tiles see more tokens: dealing them in turn keeps the threads even.
  for (let unit = rank; unit < tiles * kvHeads; unit += size) {
    const kvHead = unit % kvHeads, firstRow = unit / kvHeads * ATTENTION_ROWS;
    const tileRows = min(ATTENTION_ROWS, groupRows - firstRow);
    const lastRow = firstRow + tileRows - 1;
    const r1 = min(firstRow + 1, lastRow), r2 = min(firstRow + 2, lastRow), r3 = lastRow;
    const group = queries + <usize>kvHead * <usize>perGroup * headBytes;
    const q0 = group + <usize>(firstRow / perGroup) * queryStride + <usize>(firstRow % perGroup) * headBytes;
    const q1 = group + <usize>(r1 / perGroup) * queryStride + <usize>(r1 % perGroup) * headBytes;
    const q2 = group + <usize>(r2 / perGroup) * queryStride + <usize>(r2 % perGroup) * headBytes;
    const q3 = group + <usize>(r3 / perGroup) * queryStride + <usize>(r3 % perGroup) * headBytes;
    const t0 = start + firstRow / perGroup, t1 = start + r1 / perGroup;
    const t2 = start + r2 / perGroup, t3 = start + r3 / perGroup;
    memory.fill(totals, 0, 4 * headBytes);
    v128.store(maxima, f32x4.splat(-Infinity));
    v128.store(sums, f32x4.splat(0));
    const endBlock = counts ? blocks : t3 / KV_BLOCK_TOKENS + 1;
    for (let index = counts ? 0 : firstVisible(t0, window) / KV_BLOCK_TOKENS; index < endBlock; index++) {
      const keys = <usize>load<u32>(table + <usize>index * 4) + <usize>kvHead * 2 * part;
      const base = index * KV_BLOCK_TOKENS;
      const count = counts ? load<i32>(counts + <usize>index * 4) : -1;
      scoreBlock(q0, q1, q2, q3, keys, headSize, scale, scores);
      const f0 = weighRow(scores, t0, base, window, count, maxima, sums);
      const f1 = weighRow(scores + TOKENS * 4, t1, base, window, count, maxima + 4, sums + 4);
      const f2 = weighRow(scores + TOKENS * 8, t2, base, window, count, maxima + 8, sums + 8);
      const f3 = weighRow(scores + TOKENS * 12, t3, base, window, count, maxima + 12, sums + 12);
      addValues(totals, keys + part, scores, headSize, f0, f1, f2, f3);
    }
    for (let i = 0; i < tileRows; i++) {
      const row = firstRow + i;
      const to = output + <usize>(row / perGroup) * outputStride +
        <usize>(kvHead * perGroup + row % perGroup) * headBytes;
      const from = totals + <usize>i * headBytes;
      const inverse: f32 = 1 / load<f32>(sums + <usize>i * 4);
      for (let d: usize = 0; d < headBytes; d += 4) store<f32>(to + d, load<f32>(from + d) * inverse);
    }
  }
}

/** `count` tokens of the block are visible; −1: those that the causal row `token` may see. */
function weighRow(
  scores: usize, token: i32, base: i32, window: i32, count: i32, maximum: usize, sum: usize,
): f32 {
  if (count >= 0) return weighBlock(scores, 0, count, maximum, sum);
  const first = min(max(firstVisible(token, window) - base, 0), KV_BLOCK_TOKENS);
  const last = max(min(token + 1 - base, KV_BLOCK_TOKENS), 0);
  return weighBlock(scores, first, last, maximum, sum);
}
