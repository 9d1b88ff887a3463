/**
 * Numbers that look random and are the same on every run.
 *
 * @module
 */

/** Seeded generator (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", 32-bit variant). */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed | 0;
  }

  /** An integer 0 … limit − 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return Math.floor(((x ^ (x >>> 15)) >>> 0) / 2 ** 32 * limit);
  }

  /** An f32 in [low, high). */
  between(low: number, high: number): number {
    return Math.fround(low + (high - low) * this.below(2 ** 24) / 2 ** 24);
  }

  /** f32 values around 0 with a few outliers, as activations are. */
  activations(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => {
      const bulk = this.between(-1, 1) + this.between(-1, 1);
      return this.below(40) === 0 ? 12 * bulk : bulk;
    });
  }

  /** The numbers 0 … count − 1 in some order. */
  permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
