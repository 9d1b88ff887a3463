/**
 * The seeded random generator of the sampler: the same seed gives the same tokens on every machine.
 *
 * @module
 */

/** The odd constant of SplitMix64, 2^64 divided by the golden ratio. */
const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;

/**
 * xoshiro128** 1.1: 32-bit arithmetic only, period 2^128 - 1.
 *
 * D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators",
 * https://prng.di.unimi.it/xoshiro128starstar.c. The state is filled by SplitMix64
 * (https://prng.di.unimi.it/splitmix64.c), as its authors advise, so that similar seeds give unrelated
 * sequences.
 */
export class Random {
  readonly #state: Uint32Array;

  private constructor(state: Uint32Array) {
    this.#state = state;
  }

  /** A generator for any integer seed; only its low 64 bits count. */
  static fromSeed(seed: number | bigint): Random {
    const state = new BigUint64Array(2);
    let counter = BigInt(seed);
    for (let i = 0; i < state.length; i++) {
      counter += GOLDEN_GAMMA;
      state[i] = splitMix64(counter);
    }
    return new Random(new Uint32Array(state.buffer));
  }

  /** A generator with the given 128-bit state, which must not be all zero. */
  static fromState(state: readonly [number, number, number, number]): Random {
    return new Random(Uint32Array.from(state));
  }

  /** The next 32 random bits as an unsigned integer. */
  nextUint32(): number {
    const s = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** A multiple of 2^-53 in [0, 1): two draws, because 32 bits would never pick tokens rarer than 2^-32. */
  nextFloat(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }
}

/** The output function of SplitMix64 for one value of its counter. */
export function splitMix64(counter: bigint): bigint {
  let z = BigInt.asUintN(64, counter);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
