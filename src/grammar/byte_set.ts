/**
 * Sets of bytes.
 *
 * @module
 */

const WORDS = 8;

/** 256 bits, one for each byte. */
export type ByteSet = Uint32Array;

/** The bytes first … last. */
export function byteRange(first: number, last = first): ByteSet {
  const set = new Uint32Array(WORDS);
  for (let byte = first; byte <= last; byte++) set[byte >> 5] |= 1 << (byte & 31);
  return set;
}

/** Whether a byte is in the set. */
export function hasByte(set: ByteSet, byte: number): boolean {
  return (set[byte >> 5] >>> (byte & 31) & 1) === 1;
}

/** The bytes of either set. */
export function joinBytes(a: ByteSet, b: ByteSet): ByteSet {
  return a.map((word, i) => word | b[i]);
}
