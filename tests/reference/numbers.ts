/**
 * Numbers as the references need them: roundings, storage formats, reproducible draws. Shares no code with the library.
 *
 * @module
 */

/** Unit roundoff of f32: one correctly rounded operation is off by at most this times its result. */
export const UNIT = 2 ** -24;
/** Smallest normal f32. Kernels may flush what lies below. */
export const SMALLEST_NORMAL = 2 ** -126;

/** Relative bound of `roundings` roundings in a row: γ(p) = p·u / (1 − p·u) (Higham, ASNA, lemma 3.1). */
export function gamma(roundings: number): number {
  return (roundings * UNIT) / (1 - roundings * UNIT);
}

/** Distance from |value| to the next f32 above it. */
export function spacing(value: number): number {
  const magnitude = Math.max(Math.abs(value), SMALLEST_NORMAL);
  return 2 ** (Math.floor(Math.log2(magnitude)) - 23);
}

/** Value of an IEEE binary16 bit pattern, by the definition of the format. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Value of a bfloat16 bit pattern, by the definition of the format. */
export function brainValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 7) & 255, fraction = bits & 127;
  if (exponent === 255) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -133 : sign * (1 + fraction / 128) * 2 ** (exponent - 127);
}

/** A small generator with a seed (mulberry32), so that a failure can be replayed. */
export class Draw {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whole number in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  /** `count` f32 values, uniform in (−size, size). */
  floats(count: number, size = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => (this.unit() * 2 - 1) * size);
  }

  /** `count` whole numbers in [low, high]. */
  integers(count: number, low: number, high: number): Int32Array<ArrayBuffer> {
    return Int32Array.from({ length: count }, () => this.integer(low, high));
  }
}
