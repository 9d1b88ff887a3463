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

/** Rows that are computed at a time. */
export const PASS_ROWS = 512;

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

  /**
   * Runs a part of the layer over rows of a sequence, all before them being done.
   *
   * @param state f32 [length, hiddenSize]; its rows are replaced by what comes out unless a product was left out.
   * @param watch Told the input of every product; see {@linkcode ProjectionWatch}.
   */
  run(part: Residual, state: Float32Array, { start, rows }: PieceRows, watch: ProjectionWatch): void {
    const columns = this.#hidden.columns;
    let isWhole = true;
    this.#workspace.watch = (linears, input) => {
      const isLeftOut = watch(linears, input);
      if (isLeftOut) isWhole = false;
      return isLeftOut;
    };
    const x = this.#hidden.sliceRows(0, rows);
    const piece = state.subarray(start * columns, (start + rows) * columns);
    x.write(piece);
    part.forward(x, 0, this.#passOf(start, rows));
    if (isWhole) x.readInto(piece);
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
