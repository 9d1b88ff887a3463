/**
 * Tables of rotary positions for the rows of a pass.
 *
 * @module
 */
import { Matrix } from "../ops/matrix.ts";
import { fillRotaryTable } from "../ops/rope.ts";
import type { Space } from "../ops/space.ts";
import { type RotaryConfig, rotaryFrequencies, usesLongFactors } from "./rotary.ts";

/** Neighbouring rows of one sequence. */
interface PositionedRows {
  readonly first: number;
  readonly rows: number;
  readonly start: number;
  /** Tokens of the sequence that they are part of. */
  readonly length: number;
}

/** One table for each way in which a model's layers rotate, in one memory. */
export class RotaryTables {
  readonly tables: readonly Matrix[];
  readonly #configs: readonly RotaryConfig[];
  readonly #frequencies: readonly Matrix[];
  readonly #factors: number[];
  /** Whether the frequencies that are there are those of long sequences; `undefined`: none are there. */
  readonly #isLong: (boolean | undefined)[];

  constructor(space: Space, configs: readonly RotaryConfig[], rows: number) {
    this.#configs = configs;
    this.tables = configs.map(({ rotarySize }) => Matrix.reserve(space, rows, rotarySize));
    this.#frequencies = configs.map(({ rotarySize }) => Matrix.reserve(space, 1, rotarySize / 2));
    this.#factors = configs.map(() => 1);
    this.#isLong = configs.map(() => undefined);
  }

  /** Writes the rows of all sequences of a pass. */
  fill(sequences: readonly PositionedRows[]): void {
    for (const { first, rows, start, length } of sequences) {
      this.#configs.forEach((config, index) => {
        this.#setFrequencies(config, index, length);
        const table = this.tables[index].sliceRows(first, first + rows);
        fillRotaryTable(this.#frequencies[index], start, this.#factors[index], table);
      });
    }
  }

  #setFrequencies(config: RotaryConfig, index: number, length: number): void {
    const isLong = usesLongFactors(config, length);
    if (this.#isLong[index] === isLong) return;
    this.#isLong[index] = isLong;
    const { frequencies, factor } = rotaryFrequencies(config, length);
    this.#factors[index] = factor;
    this.#frequencies[index].write(frequencies);
  }
}
