/**
 * Where a row looks: the weights that attention gives, for people to see. Nothing else needs them as a matrix.
 */
import { KIND_F32, KIND_INT8, KV_BLOCK_TOKENS } from "../../shared/layout";
import { shareBegin } from "../share";
import { exp4 } from "../transcendental";
import { sumLanes } from "../vector";
import { blockAt, headBytes, partBytes, TOKENS } from "./block";

/**
 * The weights that one row gives to the keys of blocks: softmax of its scores, head by head. Queries stay as they are, whatever
 * the keys are.
 *   query    f32 [heads, headSize]
 *   table    u32 [blocks]
 *   counts   i32 [blocks]: the visible tokens of each, 0 to KV_BLOCK_TOKENS
 *   weights  f32 [heads, blocks · KV_BLOCK_TOKENS], 0 from a block's count on
 */
export function attentionWeights(
  query: usize, table: usize, counts: usize, keyValueType: i32, blocks: i32, heads: i32, kvHeads: i32, headSize: i32,
  scale: f32, weights: usize, rank: i32, size: i32,
): void {
  if (keyValueType == KIND_F32) {
    weighHeads<f32>(query, table, counts, blocks, heads, kvHeads, headSize, scale, weights, rank, size);
  } else if (keyValueType == KIND_INT8) {
    weighHeads<i8>(query, table, counts, blocks, heads, kvHeads, headSize, scale, weights, rank, size);
  } else {
    weighHeads<i16>(query, table, counts, blocks, heads, kvHeads, headSize, scale, weights, rank, size);
  }
}

/** `E` is the element of keys: f32, i16 or i8. */
function weighHeads<E>(
  query: usize, table: usize, counts: usize, blocks: i32, heads: i32, kvHeads: i32, headSize: i32, scale: f32, weights: usize,
  rank: i32, size: i32,
): void {
  const rowBytes = <usize>blocks * TOKENS * 4;
  const end = shareBegin(heads, rank + 1, size);
  for (let head = shareBegin(heads, rank, size); head < end; head++) {
    const q = query + <usize>(head * headSize) * 4, row = weights + <usize>head * rowBytes;
    let largest: f32 = -Infinity;
    for (let block = 0; block < blocks; block++) {
      const keys = blockAt(table, block) + <usize>(head / (heads / kvHeads)) * headBytes<E>(headSize);
      const to = row + <usize>block * TOKENS * 4;
      if (isFloat<E>()) scoreFloats(q, keys, headSize, scale, to);
      else scoreIntegers<E>(q, keys, headSize, scale, to);
      const count = load<i32>(counts + <usize>block * 4);
      for (let token = 0; token < count; token++) largest = max(largest, load<f32>(to + <usize>token * 4));
      for (let token = count; token < KV_BLOCK_TOKENS; token++) store<f32>(to + <usize>token * 4, -Infinity);
    }
    let sums = f32x4.splat(0);
    for (let at: usize = 0; at < rowBytes; at += 16) {
      const e = exp4(f32x4.sub(v128.load(row + at), f32x4.splat(largest)));
      v128.store(row + at, e);
      sums = f32x4.add(sums, e);
    }
    const inverse = f32x4.splat(1 / sumLanes(sums));
    for (let at: usize = 0; at < rowBytes; at += 16) v128.store(row + at, f32x4.mul(v128.load(row + at), inverse));
  }
}

/** Scores of a query against the tokens of a block, f32 [32]. */
// @ts-ignore: decorator
@inline
function scoreFloats(query: usize, keys: usize, headSize: i32, scale: f32, scores: usize): void {
  for (let token: usize = 0; token < TOKENS * 4; token += 16) {
    let score = f32x4.splat(0);
    for (let d: usize = 0; d < <usize>headSize; d++) {
      score = f32x4.add(score, f32x4.mul(v128.load32_splat(query + d * 4), v128.load(keys + d * TOKENS * 4 + token)));
    }
    v128.store(scores + token, f32x4.mul(score, f32x4.splat(scale)));
  }
}

// @ts-ignore: decorator
@inline
function scoreIntegers<E>(query: usize, keys: usize, headSize: i32, scale: f32, scores: usize): void {
  const scales = keys + 2 * partBytes<E>(headSize);
  for (let token: usize = 0; token < TOKENS; token++) {
    let score: f32 = 0;
    for (let d: usize = 0; d < <usize>headSize; d++) {
      const place = keys + (((d >> 1) * TOKENS + token) * 2 + (d & 1)) * sizeof<E>();
      score += load<f32>(query + d * 4) * <f32>load<E>(place);
    }
    store<f32>(scores + token * 4, score * load<f32>(scales + token * 4) * scale);
  }
}
