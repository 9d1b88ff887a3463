/**
 * Where a row looks: the weights that attention gives, for people to see. Nothing else needs them as a matrix.
 */
import { KIND_F32, KIND_INT8, KV_BLOCK_TOKENS } from "../shared/layout";
import { exp4 } from "./transcendental";
import { shareBegin, sumLanes } from "./vector";

// @ts-ignore: decorator
@inline
const TOKENS: usize = KV_BLOCK_TOKENS;

/** Bytes of one key/value head in a block of that kind; see attention and attention_coded. */
// @ts-ignore: decorator
@inline
function keyValueHeadBytes(kind: i32, headSize: i32): usize {
  if (kind == KIND_F32) return <usize>headSize * 2 * TOKENS * 4;
  const elements = <usize>((headSize + 7) & ~7) * 2 * TOKENS;
  return elements * (kind == KIND_INT8 ? 1 : 2) + 2 * TOKENS * 4;
}

/** Scores of one query row against the tokens of a coded block, f32 [32]; the query stays as it is. */
function scoreCodedBlock(kind: i32, query: usize, keys: usize, headSize: i32, scale: f32, scores: usize): void {
  const elementBytes: usize = kind == KIND_INT8 ? 1 : 2;
  const scales = keys + 2 * <usize>((headSize + 7) & ~7) * TOKENS * elementBytes;
  for (let token: usize = 0; token < TOKENS; token++) {
    let score: f32 = 0;
    for (let d: usize = 0; d < <usize>headSize; d++) {
      const place = keys + (((d >> 1) * TOKENS + token) * 2 + (d & 1)) * elementBytes;
      score += load<f32>(query + d * 4) * <f32>(elementBytes == 1 ? <i32>load<i8>(place) : <i32>load<i16>(place));
    }
    store<f32>(scores + token * 4, score * load<f32>(scales + token * 4) * scale);
  }
}

/**
 * The weights that one row gives to the keys of blocks: softmax of its scores, head by head.
 *   query    f32 [heads, headSize]
 *   table    u32 [blocks]; counts i32 [blocks], the visible tokens of each
 *   weights  f32 [heads, blocks · KV_BLOCK_TOKENS], 0 behind a block's count
 */
export function attentionWeights(
  kind: i32, query: usize, table: usize, counts: usize, blocks: i32, heads: i32, kvHeads: i32, headSize: i32, scale: f32,
  weights: usize, rank: i32, size: i32,
): void {
  const headBytes = keyValueHeadBytes(kind, headSize), rowBytes = <usize>blocks * TOKENS * 4;
  const end = shareBegin(heads, rank + 1, size);
  for (let head = shareBegin(heads, rank, size); head < end; head++) {
    const q = query + <usize>(head * headSize) * 4, row = weights + <usize>head * rowBytes;
    let largest: f32 = -Infinity;
    for (let block = 0; block < blocks; block++) {
      const keys = <usize>load<u32>(table + <usize>block * 4) + <usize>(head / (heads / kvHeads)) * headBytes;
      const to = row + <usize>block * TOKENS * 4;
      if (kind == KIND_F32) {
        for (let token: usize = 0; token < TOKENS * 4; token += 16) {
          let score = f32x4.splat(0);
          for (let d: usize = 0; d < <usize>headSize; d++) {
            score = f32x4.add(score, f32x4.mul(v128.load32_splat(q + d * 4), v128.load(keys + d * TOKENS * 4 + token)));
          }
          v128.store(to + token, f32x4.mul(score, f32x4.splat(scale)));
        }
      } else {
        scoreCodedBlock(kind, q, keys, headSize, scale, to);
      }
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
