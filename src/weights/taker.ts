/**
 * How models name what they take from a checkpoint. Planning, loading and `show` walk the same list, each with a taker of its
 * own.
 *
 * @module
 */

/**
 * How a dense matrix lies in memory: as it is stored, as 8-bit codes against activations of two bytes ("fine"), or as 7-bit codes
 * against one ("coarse"), which is faster and enough where no error passes through many layers (docs/numerics.md).
 */
export type DenseForm = "asStored" | "fine" | "coarse";

/** What is special about a linear layer. */
export interface LinearOptions {
  /** Its shape in the file where that is a convolution's. */
  kernel?: readonly number[];
  /** What becomes of a dense one; default "fine". */
  dense?: DenseForm;
}

/** Something that can take modules: a plan, or the loaded weights. */
export interface WeightTaker<L, V, A = unknown> {
  /** Begins a part: what is taken from here on, up to the next part, lies together in one memory. */
  part(name: string): void;
  /** An embedding table [rows, width]. */
  table(name: string, rows: number, width: number): L;
  /** A linear layer W [outputs, inputs]. */
  linear(name: string, outputs: number, inputs: number, options?: LinearOptions): L;
  /** A vector [length]; `offset` is added to it. */
  vector(name: string, length: number, offset: number): V;
  /** An array that stays as it is stored. */
  array(name: string, shape: readonly number[]): A;
  /** Whether the checkpoint has anything by this module's name. */
  has(module: string): boolean;
}
