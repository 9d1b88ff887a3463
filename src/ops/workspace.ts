/**
 * What operations need besides their operands.
 *
 * @module
 */
import type { Linear } from "../weights/linear.ts";
import type { Precision } from "../weights/plan.ts";
import { Matrix } from "./matrix.ts";
import { CountedSpace, type Space } from "./space.ts";

/** Bytes to which pieces of the scratch are aligned. */
const ALIGNMENT = 64;

/**
 * Temporary matrices, handed out like the frames of a stack: whoever takes some puts the top back where it was when they are no
 * longer needed. Nothing in it outlives a block of a layer.
 */
export class Scratch {
  readonly #space: Space;
  readonly #begin: number;
  readonly #bytes: number;
  #top = 0;
  #most = 0;

  constructor(space: Space, bytes: number) {
    this.#space = space;
    this.#begin = space.allocate(bytes);
    this.#bytes = bytes;
  }

  /** Bytes that are taken. */
  get top(): number {
    return this.#top;
  }

  /** Gives back everything that was taken since `top` had this value. */
  set top(top: number) {
    this.#top = top;
  }

  /** The most bytes that were ever taken. */
  get most(): number {
    return this.#most;
  }

  /** Address of as many bytes. */
  take(bytes: number): number {
    const address = this.#begin + this.#top;
    this.#top += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (this.#top > this.#bytes) throw new Error("a block takes more scratch than it reserved");
    this.#most = Math.max(this.#most, this.#top);
    return address;
  }

  /** An f32 matrix without gaps; its values are whatever was there. */
  matrix(rows: number, columns: number): Matrix {
    return new Matrix(this.#space, this.take(rows * columns * 4), rows, columns, columns * 4);
  }
}

/**
 * What a piece of code takes from the scratch at once: made anew only for other numbers of rows, or in another place. Decoding token by
 * token takes the same each time.
 */
export class Frame<T> {
  readonly #make: (scratch: Scratch, rows: number, wanted: number) => T;
  #scratch?: Scratch;
  #rows = 0;
  #wanted = 0;
  #begin = 0;
  #end = 0;
  #value?: T;

  /** @param make Takes from the scratch; what it returns depends on nothing but its arguments. */
  constructor(make: (scratch: Scratch, rows: number, wanted: number) => T) {
    this.#make = make;
  }

  /** @param wanted Another number of rows, where `make` needs two. */
  take({ scratch }: Workspace, rows: number, wanted = rows): T {
    const begin = scratch.top;
    const isSame = this.#scratch === scratch && this.#rows === rows && this.#wanted === wanted &&
      this.#begin === begin;
    if (isSame) {
      scratch.top = this.#end;
      return this.#value!;
    }
    const value = this.#make(scratch, rows, wanted);
    this.#scratch = scratch;
    this.#rows = rows;
    this.#wanted = wanted;
    this.#begin = begin;
    this.#end = scratch.top;
    return this.#value = value;
  }
}

/** Told the input of linear layers, f32 [rows, inputs], before their products. What it throws ends the pass. */
export type ProjectionWatch = (linears: readonly Linear[], input: Matrix) => void;

/** Scratch in one memory, and the arithmetic of matrix products. */
export class Workspace {
  watch?: ProjectionWatch;
  readonly space: Space;
  readonly scratch: Scratch;
  readonly precision: Precision;

  constructor(space: Space, scratch: Scratch, precision: Precision) {
    this.space = space;
    this.scratch = scratch;
    this.precision = precision;
  }

  /**
   * A workspace with room for whatever `reserve` takes.
   *
   * @param reserve Takes from the scratch what a pass does, largest first or last.
   */
  static reserve(space: Space, precision: Precision, reserve: (workspace: Workspace) => void): Workspace {
    const counted = new CountedSpace(space.threads);
    // Room without end: what is counted takes nothing.
    const scratch = new Scratch(counted, Number.MAX_SAFE_INTEGER);
    reserve(new Workspace(counted, scratch, precision));
    return new Workspace(space, new Scratch(space, scratch.most), precision);
  }
}
