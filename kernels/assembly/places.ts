/**
 * Where codes of 8 and 7 bits lie in the 64 bytes of a block of eight inputs and eight outputs; see matmul/w8a16 and
 * matmul/w7a8.
 */
import { high16, low16 } from "./vector";

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
 * Eight 8-bit codes of four outputs, words of the first and of the last four inputs in the lanes of `a` and `b`, into their places in a
 * block that begins at `to` (of the last four outputs 16 bytes later). Inputs k and k + 4 lie side by side; lanes in turn, thrice, are an
 * instruction each, where an order of bytes of its own takes five.
 */
// @ts-ignore: decorator
@inline
export function storePairs(to: usize, a: v128, b: v128): void {
  const firstOutputs = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const lastOutputs = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const even = low16(firstOutputs, lastOutputs), odd = high16(firstOutputs, lastOutputs);
  v128.store(to, low16(even, odd));
  v128.store(to, high16(even, odd), 32);
}

/** Eight bytes below 16 → nibbles, the first lowest. */
// @ts-ignore: decorator
@inline
export function joinNibbles(bytes: u64): u32 {
  const pairs = (bytes | bytes >> 4) & 0x00ff00ff00ff00ff;
  const fours = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
  return <u32>(fours | fours >> 16);
}
