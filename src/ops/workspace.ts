/**
 * Activations: every buffer that a forward pass needs, allocated once for the largest batch.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { ATTENTION_ROWS, ATTENTION_TILES, KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { ProductBuffers, wholeBlocks } from "./product_buffers.ts";

/** What the buffers must hold, in elements of a row. */
export interface WorkspaceShape {
  rows: number;
  hiddenSize: number;
  /** Queries, keys and values side by side. */
  attentionWidth: number;
  queryWidth: number;
  headSize: number;
  intermediateSize: number;
  vocabularySize: number;
  /** The most inputs that any linear layer takes, act-order padding included; a multiple of 8. */
  inputs: number;
  /** Rotary tables, and half the rotated floats of a head. */
  rotaryTables: number;
  rotaryHalf: number;
}

/** Rows of logits computed at a time: a whole prompt's would take 200 KB a token. */
export const LOGIT_ROWS = 16;

/** Addresses of the buffers; f32 [rows, width] without gaps unless said. */
export class Workspace extends ProductBuffers {
  /** u32 [rows] */
  readonly ids: number;
  readonly hidden: number;
  readonly normed: number;
  readonly queriesKeysValues: number;
  readonly attended: number;
  /** Output of a block before it is normalised and added. */
  readonly branch: number;
  /** Gate and up side by side: [rows, 2 · intermediateSize]. */
  readonly gateUp: number;
  readonly activated: number;
  readonly logits: number;
  /** f32 [rows, 2, rotaryHalf] each, and the frequencies that they are made of, f32 [rotaryHalf] each. */
  readonly rotary: readonly number[];
  readonly frequencies: readonly number[];
  readonly attentionScratch: number;
  /** Bytes of `attentionScratch` per thread. */
  readonly attentionScratchBytes: number;

  constructor(kernels: Kernels, shape: WorkspaceShape) {
    super(kernels, shape.rows, shape.inputs);
    const { heap, team } = kernels;
    const floats = (width: number) => heap.allocate(shape.rows * width * 4);
    this.ids = floats(1);
    this.hidden = floats(shape.hiddenSize);
    this.normed = floats(shape.hiddenSize);
    this.queriesKeysValues = floats(shape.attentionWidth);
    this.attended = floats(shape.queryWidth);
    this.branch = floats(shape.hiddenSize);
    this.gateUp = floats(2 * shape.intermediateSize);
    this.activated = floats(shape.intermediateSize);
    this.logits = heap.allocate(Math.min(LOGIT_ROWS, shape.rows) * shape.vocabularySize * 4);
    this.rotary = Array.from({ length: shape.rotaryTables }, () => floats(2 * shape.rotaryHalf));
    this.frequencies = this.rotary.map(() => heap.allocate(shape.rotaryHalf * 4));
    this.attentionScratchBytes = attentionScratchBytes(shape.headSize);
    this.attentionScratch = heap.allocate(this.attentionScratchBytes * team.size);
  }

  /** Bytes that a workspace of this shape takes. */
  static bytesOf(shape: WorkspaceShape, threads: number): number {
    const perRow = 1 + 3 * shape.hiddenSize + shape.attentionWidth + shape.queryWidth +
      3 * shape.intermediateSize + 2 * shape.rotaryTables * shape.rotaryHalf;
    return shape.rows * perRow * 4 + Math.min(LOGIT_ROWS, shape.rows) * shape.vocabularySize * 4 +
      ProductBuffers.bytes(shape.rows, shape.inputs) + threads * attentionScratchBytes(shape.headSize);
  }
}

/**
 * Bytes that one thread needs for attention with heads of this size: of each tile its rows' integers, scores, weights, totals and
 * a few numbers, as attention_coded lays them out. Attention in f32 needs less.
 */
export function attentionScratchBytes(headSize: number): number {
  const width = wholeBlocks(headSize);
  const perTile = ATTENTION_ROWS * (width * 2 + KV_BLOCK_TOKENS * 4 + KV_BLOCK_TOKENS * 2 + width * 4 + 24);
  return ATTENTION_TILES * perTile;
}
