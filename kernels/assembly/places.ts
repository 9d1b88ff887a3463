/**
 * Where codes of 8 and 7 bits lie in the 64 bytes of a block of eight inputs and eight outputs; see matmul/w8a16 and
 * matmul/w7a8.
 */

/** The 8-bit code of input `k` and output `n`. */
// @ts-ignore: decorator
@inline
export function int8Place(k: i32, n: i32): usize {
  return <usize>(((k >> 1) & 1) * 32 + (n >> 2) * 16 + (k & 1) * 8 + (n & 3) * 2 + (k >> 2));
}

/** The 7-bit code of input `k` and output `n`. */
// @ts-ignore: decorator
@inline
export function int7Place(k: i32, n: i32): usize {
  return <usize>((k & 1) * 32 + n * 4 + (k >> 1));
}

/**
 * Eight 8-bit codes of four outputs, words of the first and of the last four inputs in the lanes of `a` and `b`, in the order
 * of a block: inputs 0 and 4, then 1 and 5.
 */
// @ts-ignore: decorator
@inline
export function firstPairs(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 4, 20, 8, 24, 12, 28, 1, 17, 5, 21, 9, 25, 13, 29);
}

/** Inputs 2 and 6, then 3 and 7. */
// @ts-ignore: decorator
@inline
export function lastPairs(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 2, 18, 6, 22, 10, 26, 14, 30, 3, 19, 7, 23, 11, 27, 15, 31);
}

/** Eight bytes below 16 → nibbles, the first lowest. */
// @ts-ignore: decorator
@inline
export function joinNibbles(bytes: u64): u32 {
  const pairs = (bytes | bytes >> 4) & 0x00ff00ff00ff00ff;
  const fours = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
  return <u32>(fours | fours >> 16);
}
