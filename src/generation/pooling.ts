/**
 * From the states of all tokens to one vector.
 *
 * @module
 */

/** Which states count. */
export type Pooling = "last" | "mean";

/** Takes states step by step. */
export class PooledStates {
  readonly #pooling: Pooling;
  #sum: Float64Array = new Float64Array();

  constructor(pooling: Pooling) {
    this.#pooling = pooling;
  }

  /** @param states f32 [tokens, width]. */
  add(states: Float32Array, width: number): void {
    if (this.#sum.length === 0) this.#sum = new Float64Array(width);
    if (this.#pooling === "last") {
      this.#sum.set(states.subarray(states.length - width));
      return;
    }
    for (let i = 0; i < states.length; i++) this.#sum[i % width] += states[i];
  }

  /** The vector, scaled to length 1: a mean and a sum are the same then. */
  embedding(): Float32Array<ArrayBuffer> {
    const length = Math.sqrt(this.#sum.reduce((sum, value) => sum + value * value, 0));
    return Float32Array.from(this.#sum, (value) => length > 0 ? value / length : 0);
  }
}
