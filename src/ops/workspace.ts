/**
 * Activations: every buffer that a forward pass needs, allocated once for the largest batch.
 *
 * @module
 */
import type { CodeActivations, Kernels } from "../../kernels/host/kernels.ts";
import { ATTENTION_ROWS, KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";

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
  /** The most inputs that any linear layer takes, act-order padding included, and the most groups. */
  inputs: number;
  groups: number;
  /** Rotary tables, and half the rotated floats of a head. */
  rotaryTables: number;
  rotaryHalf: number;
}

/** Rows of logits computed at a time: a whole prompt's would take 200 KB a token. */
export const LOGIT_ROWS = 16;

/** Addresses of the buffers; f32 [rows, width] without gaps unless said. */
export class Workspace {
  readonly kernels: Kernels;
  readonly rows: number;
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
  /** Inputs in act-order. */
  readonly gathered: number;
  /** Activations of one byte and of two; both lie in the same memory. */
  readonly coded: Readonly<Record<1 | 2, CodeActivations>>;
  /** f32 [rows, 2, rotaryHalf] each. */
  readonly rotary: readonly number[];
  readonly attentionScratch: number;
  /** Bytes of `attentionScratch` per thread. */
  readonly attentionScratchBytes: number;

  constructor(kernels: Kernels, shape: WorkspaceShape) {
    const { heap, team } = kernels;
    const floats = (width: number) => heap.allocate(shape.rows * width * 4);
    this.kernels = kernels;
    this.rows = shape.rows;
    this.ids = floats(1);
    this.hidden = floats(shape.hiddenSize);
    this.normed = floats(shape.hiddenSize);
    this.queriesKeysValues = floats(shape.attentionWidth);
    this.attended = floats(shape.queryWidth);
    this.branch = floats(shape.hiddenSize);
    this.gateUp = floats(2 * shape.intermediateSize);
    this.activated = floats(shape.intermediateSize);
    this.logits = heap.allocate(Math.min(LOGIT_ROWS, shape.rows) * shape.vocabularySize * 4);
    this.gathered = floats(shape.inputs);
    const codes = {
      codes: heap.allocate(shape.rows * 2 * shape.inputs),
      sums: floats(shape.groups),
      steps: floats(shape.groups),
    };
    this.coded = { 1: { bytes: 1, ...codes }, 2: { bytes: 2, ...codes } };
    this.rotary = Array.from({ length: shape.rotaryTables }, () => floats(2 * shape.rotaryHalf));
    this.attentionScratchBytes = ATTENTION_ROWS * 4 * (KV_BLOCK_TOKENS + shape.headSize + 2) + 64 & ~63;
    this.attentionScratch = heap.allocate(this.attentionScratchBytes * team.size);
  }

  /** Bytes that a workspace of this shape takes. */
  static bytes(shape: WorkspaceShape, threads: number): number {
    const perRow = 1 + 3 * shape.hiddenSize + shape.attentionWidth + shape.queryWidth +
      3 * shape.intermediateSize +
      shape.inputs * 1.5 + 2 * shape.groups + 2 * shape.rotaryTables * shape.rotaryHalf;
    return shape.rows * perRow * 4 + Math.min(LOGIT_ROWS, shape.rows) * shape.vocabularySize * 4 +
      threads * ATTENTION_ROWS * 4 * (KV_BLOCK_TOKENS + shape.headSize + 20);
  }
}
