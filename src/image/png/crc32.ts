/**
 * The checksum of PNG's chunks: CRC-32 as ISO 3309 and W3C PNG, annex D, have it. Runtimes offer it under different names or not at
 * all.
 *
 * @module
 */

/** The polynomial, its bits reversed. */
const POLYNOMIAL = 0xedb88320;

/** What each byte adds. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/** Checksum of bytes, from 0 to 2³² − 1. */
export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) value = (value >>> 8) ^ TABLE[(value ^ bytes[i]) & 0xff];
  return (value ^ 0xffffffff) >>> 0;
}
