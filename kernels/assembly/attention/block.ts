/**
 * Blocks of the key/value cache. A block holds KV_BLOCK_TOKENS tokens of one layer; `table` u32 [blocks] points at the blocks of a
 * sequence in one layer, in the order of the tokens. In a block stand, for each key/value head, one after the other:
 *
 * of f32
 *   keys    f32 [headSize, KV_BLOCK_TOKENS]   transposed: a vector holds four tokens, so scores need no sum across lanes
 *   values  f32 [KV_BLOCK_TOKENS, headSize]
 *
 * of integers of 16 or 8 bits, with W the size of a head rounded up to eight
 *   keys    i16 or i8 [W/2, KV_BLOCK_TOKENS, 2]   two neighbouring columns of four tokens are one vector of the 16-bit product
 *   values  i16 or i8 [KV_BLOCK_TOKENS/2, W, 2]   two neighbouring tokens
 *   scales  f32 [2, KV_BLOCK_TOKENS]              what a unit of a token's keys, and of its values, is worth
 */
import { KV_BLOCK_TOKENS } from "../../shared/layout";

// @ts-ignore: decorator
@inline
export const TOKENS: usize = KV_BLOCK_TOKENS;

/** Columns of a stored head; `E` is its element, f32, i16 or i8. */
// @ts-ignore: decorator
@inline
export function columnsOf<E>(headSize: i32): usize {
  return <usize>(isFloat<E>() ? headSize : (headSize + 7) & ~7);
}

/** Bytes of the keys, or of the values, of one head. */
// @ts-ignore: decorator
@inline
export function partBytes<E>(headSize: i32): usize {
  return columnsOf<E>(headSize) * TOKENS * sizeof<E>();
}

/** Bytes of all that belongs to one head. */
// @ts-ignore: decorator
@inline
export function headBytes<E>(headSize: i32): usize {
  return 2 * partBytes<E>(headSize) + (isFloat<E>() ? 0 : 2 * TOKENS * 4);
}

/** Where a block of a sequence lies. */
// @ts-ignore: decorator
@inline
export function blockAt(table: usize, index: i32): usize {
  return <usize>load<u32>(table + <usize>index * 4);
}
