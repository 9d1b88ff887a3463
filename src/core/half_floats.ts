/**
 * Numbers of 16 bits.
 *
 * @module
 */

const EXPONENT_BIAS = 127 - 15;
/** The smallest positive number with all of its digits. */
const NORMAL = 2 ** -14;
/** The steps of smaller ones. */
const STEP = 2 ** -24;

/** The bits of positive numbers that f16 holds exactly, from 2^−24 to 65,504. */
export function f16Bits(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(
    values,
    (value, i) => value < NORMAL ? value / STEP : (words[i] >>> 13) - (EXPONENT_BIAS << 10),
  );
}
