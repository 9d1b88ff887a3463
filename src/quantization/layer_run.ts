/**
 * One decoder layer, run over the states of sequences: what its linear layers are given, and what comes out of it.
 *
 * @module
 */
import type { LayerPass } from "../layers/block.ts";
import type { Layer } from "../layers/layer.ts";
import type { Residual } from "../layers/residual.ts";
import { RotaryTables } from "../layers/rotary_tables.ts";
import type { DecoderConfig } from "../models/decoder_config.ts";
import { KeyValueBlocks } from "../ops/key_value_blocks.ts";
import { Matrix } from "../ops/matrix.ts";
import type { KernelSpace } from "../ops/space.ts";
import { type ProjectionWatch, Workspace } from "../ops/workspace.ts";
import type { HostEvents } from "../platform/events.ts";
import type { Linear } from "../weights/linear.ts";

/** Rows that are computed at a time. */
const PASS_ROWS = 512;

/** Rows of a sequence. */
export interface PieceRows {
  readonly start: number;
  readonly rows: number;
}

/** The rows of a sequence of `length` tokens that are computed at a time. */
export function piecesOf(length: number): PieceRows[] {
  return Array.from({ length: Math.ceil(length / PASS_ROWS) }, (_, i) => {
    return { start: i * PASS_ROWS, rows: Math.min(PASS_ROWS, length - i * PASS_ROWS) };
  });
}

/** Linear layers by their names; the first stands for all. */
type NamedSet = readonly Pick<Linear, "name">[];
type OnInput = (input: Matrix) => void;

/** A pass has come as far as somebody wanted. */
class ReachedError extends Error {}

/** Lets the host in, and stops where somebody asked for it. */
export interface Pauses {
  readonly events: HostEvents;
  readonly signal?: AbortSignal;
}

/** A loaded layer, and the buffers of its passes. */
export class LayerRun {
  readonly parts: readonly Residual[];
  readonly #number: number;
  readonly #workspace: Workspace;
  readonly #hidden: Matrix;
  readonly #rotary: RotaryTables;
  readonly #keyValues?: KeyValueBlocks;
  readonly #length: number;

  /** @param length Tokens of each sequence. */
  constructor(
    space: KernelSpace,
    layer: Layer,
    number: number,
    { hiddenSize, rotaries }: DecoderConfig,
    length: number,
  ) {
    const rows = Math.min(PASS_ROWS, length);
    this.parts = layer;
    this.#number = number;
    this.#length = length;
    this.#hidden = Matrix.reserve(space, rows, hiddenSize);
    this.#rotary = new RotaryTables(space, rotaries, rows);
    this.#workspace = Workspace.reserve(space, "f32", (workspace) => {
      for (const part of layer) part.reserve(workspace, rows, hiddenSize);
    });
    const kept = layer.map(({ block }) => block.keyValues).find((form) => form !== undefined);
    this.#keyValues = kept && new KeyValueBlocks(space, { ...kept, keyValueType: "f32" }, length, 0);
  }

  /** Linear layers of a part that have their input in common, in the order in which they are computed. */
  setsOf(part: Residual, state: Float32Array, piece: PieceRows): (readonly Linear[])[] {
    const sets: (readonly Linear[])[] = [];
    this.#run(part, this.#rowsOf(state, piece), piece, (linears) => sets.push(linears));
    return sets;
  }

  /**
   * Runs a part of the layer over rows of a sequence up to some of its linear layers, all rows before them being done.
   *
   * @param state f32 [length, hiddenSize].
   * @param set Their names.
   * @param onInput Told their input.
   */
  runTo(part: Residual, state: Float32Array, piece: PieceRows, set: NamedSet, onInput: OnInput): void {
    this.#run(part, this.#rowsOf(state, piece), piece, (linears, input) => {
      if (linears[0].name !== set[0].name) return;
      onInput(input);
      throw new ReachedError();
    });
  }

  /** As `runTo`, to the part's end: what comes out replaces the rows of `state`. */
  runThrough(part: Residual, state: Float32Array, piece: PieceRows, set?: NamedSet, onInput?: OnInput): void {
    const rows = this.#rowsOf(state, piece);
    const x = this.#run(part, rows, piece, (linears, input) => {
      if (linears[0].name === set?.[0].name) onInput?.(input);
    });
    x.readInto(rows);
  }

  #rowsOf(state: Float32Array, { start, rows }: PieceRows): Float32Array {
    const { columns } = this.#hidden;
    return state.subarray(start * columns, (start + rows) * columns);
  }

  #run(part: Residual, state: Float32Array, { start, rows }: PieceRows, watch: ProjectionWatch): Matrix {
    const { scratch } = this.#workspace, { top } = scratch;
    this.#workspace.watch = watch;
    const x = this.#hidden.sliceRows(0, rows);
    x.write(state);
    try {
      part.forward(x, 0, this.#passOf(start, rows));
    } catch (error) {
      if (!(error instanceof ReachedError)) throw error;
      scratch.top = top;
    }
    return x;
  }

  #passOf(start: number, rows: number): LayerPass {
    this.#rotary.fill([{ first: 0, rows, start, length: this.#length }]);
    const keyValues = this.#keyValues && { keyValueType: "f32", table: this.#keyValues.table } as const;
    return {
      layer: this.#number,
      workspace: this.#workspace,
      sequences: [{ first: 0, rows, start, keyValues, seeing: [] }],
      rotary: this.#rotary.tables.map((table) => table.sliceRows(0, rows)),
    };
  }
}
