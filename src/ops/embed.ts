/**
 * Embedding tables.
 *
 * @module
 */
import type { Linear } from "../weights/linear.ts";
import type { Matrix } from "./matrix.ts";
import type { Space } from "./space.ts";

/** Token ids in kernel memory, u32. */
export class TokenIds {
  readonly #space: Space;
  readonly #address: number;

  constructor(space: Space, count: number) {
    this.#space = space;
    this.#address = space.allocate(count * 4);
  }

  get address(): number {
    return this.#address;
  }

  /** Writes ids from place `at` on. */
  write(ids: ArrayLike<number>, at: number): void {
    this.#space.kernels.memory.wordsAt(this.#address + at * 4, ids.length).set(ids);
  }

  /** The same id at `count` places. */
  fill(id: number, at: number, count: number): void {
    this.#space.kernels.memory.wordsAt(this.#address + at * 4, count).fill(id);
  }
}

/** output = factor · table[ids]. */
export function embed(table: Linear, ids: TokenIds, factor: number, output: Matrix): void {
  const { form: { type: weightType, group, scaleType, packedInputs: inputs }, packed, stored } = table;
  const { weights, scales, zeros, offsets, units } = packed;
  output.kernels.embed({
    ids: ids.address,
    weights,
    weightType,
    scales,
    scaleType,
    zeros,
    zero: stored.zeroPoint,
    offsets,
    units,
    group,
    rows: output.rows,
    inputs,
    factor,
    output,
  });
}
