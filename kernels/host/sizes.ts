/**
 * Sizes that follow from the kernels' layouts.
 *
 * @module
 */
import {
  ATTENTION_ROWS,
  ATTENTION_TILES,
  BLOCK_INPUTS,
  CHUNK_INPUTS,
  KV_BLOCK_TOKENS,
  PANEL_OUTPUTS,
  UNIT_INPUTS,
  WIDE_SCRATCH_BYTES,
} from "../shared/layout.ts";
import {
  type ActivationForm,
  type BlockType,
  elementBytes,
  type ElementType,
  isCoded,
  type WeightType,
} from "./types.ts";

/** Rounds a row's columns up to whole blocks of codes. */
function wholeBlocks(columns: number): number {
  return Math.ceil(columns / BLOCK_INPUTS) * BLOCK_INPUTS;
}

/** What the arrays of a linear layer hold. */
export interface LinearForm {
  readonly type: WeightType;
  readonly outputs: number;
  /** Inputs as packed: with the padding of inputs that lie in an order of their own. */
  readonly packedInputs: number;
  /** Inputs that share one scale. */
  readonly group: number;
  readonly hasZeros: boolean;
  /** Whether groups have offsets: a weight is scale · code + offset. */
  readonly hasOffsets?: boolean;
  /** Of scales and offsets: products in integers take f16, those in floats f32. */
  readonly scaleType: "f16" | "f32";
  /** Whether scales and offsets are bytes, times a unit in f16 for each UNIT_INPUTS inputs. */
  readonly hasUnits?: boolean;
  readonly hasBias: boolean;
  /** Whether the inputs lie in an order of their own. */
  readonly hasOrder: boolean;
}

/** Bytes of each array of a linear layer, in the order in which they are reserved and stored; 0 for arrays that are not there. */
export interface LinearBytes {
  bias: number;
  order: number;
  weights: number;
  scales: number;
  zeros: number;
  offsets: number;
  units: number;
}

/** See kernels/assembly/matmul for the layouts. */
export function linearBytes(form: LinearForm): LinearBytes {
  const { type, outputs, packedInputs, group, scaleType } = form;
  const rows = Math.ceil(outputs / PANEL_OUTPUTS) * PANEL_OUTPUTS;
  const groups = Math.ceil(packedInputs / group);
  const rowBytes = isCoded(type)
    ? wholeBlocks(packedInputs) * (type === "int4" ? 0.5 : type === "int6" ? 0.75 : 1)
    : packedInputs * elementBytes(type as ElementType);
  // Bytes of an integer or a unit of a scale, and of an offset beside it.
  const own = form.hasOffsets ? 2 : 1;
  return {
    bias: form.hasBias ? outputs * 4 : 0,
    order: form.hasOrder ? packedInputs * 4 : 0,
    weights: rows * rowBytes,
    scales: isCoded(type) ? rows * groups * (form.hasUnits ? own : elementBytes(scaleType)) : 0,
    zeros: form.hasZeros ? rows * groups * 2 : 0,
    offsets: form.hasOffsets && !form.hasUnits ? rows * groups * elementBytes(scaleType) : 0,
    units: form.hasUnits ? rows * (packedInputs / UNIT_INPUTS) * 2 * own : 0,
  };
}

/** Bytes of the arrays of activations as integers; see kernels/assembly/rows/quantize.ts. */
export interface ActivationArrays {
  codes: number;
  sums: number;
  activationScales: number;
  factors: number;
}

/** Bytes of `rows` rows of activations whose inputs share weight scales by groups. */
export function activationBytes(
  form: ActivationForm,
  rows: number,
  inputs: number,
  group: number,
): ActivationArrays {
  const isByte = form === "byte";
  const groupBytes = rows * Math.ceil(inputs / group) * 4;
  return {
    codes: rows * wholeBlocks(inputs) * (isByte ? 1 : 2),
    sums: groupBytes,
    activationScales: isByte ? rows * 4 : groupBytes,
    factors: isByte ? groupBytes * Math.ceil(group / CHUNK_INPUTS) : 0,
  };
}

/** Heads of keys and values, and how these are stored. */
export interface KeyValueForm {
  readonly kvHeads: number;
  readonly headSize: number;
  readonly keyValueType: BlockType;
}

/** Bytes of a block of KV_BLOCK_TOKENS tokens in one layer; see kernels/assembly/attention. */
export function keyValueBlockBytes({ kvHeads, headSize, keyValueType }: KeyValueForm): number {
  if (keyValueType === "f32") return kvHeads * headSize * KV_BLOCK_TOKENS * 2 * 4;
  const columns = keyValueType === "int7" ? byteColumns(headSize) : wholeBlocks(headSize);
  const elements = columns * KV_BLOCK_TOKENS * 2;
  return kvHeads * (elements * (keyValueType === "int16" ? 2 : 1) + 2 * KV_BLOCK_TOKENS * 4);
}

/** Bytes of the wide tiles' scratch in each memory; the strict kernels have none. */
export function wideScratchBytes(threads: number): number {
  return threads * WIDE_SCRATCH_BYTES;
}

/**
 * Bytes that one thread needs for attention with heads of this size: of each tile its queries, scores, weights, totals and a few
 * numbers, as kernels/assembly/attention/tiles.ts lays them out, and sums of the wide tiles. Attention over f32 needs the most.
 */
export function attentionScratchBytes(headSize: number): number {
  const perRow = 4 * (headSize + KV_BLOCK_TOKENS + KV_BLOCK_TOKENS + headSize + 5);
  const wideSums = 2 * ATTENTION_TILES * ATTENTION_ROWS * 16 * 4;
  return ATTENTION_TILES * ATTENTION_ROWS * perRow + wideSums;
}

/** Columns of a head as the tiles of attention in bytes take them. */
function byteColumns(headSize: number): number {
  return Math.ceil(headSize / 16) * 16;
}

/** The same for attention in bytes; see kernels/assembly/attention/bytes.ts. */
export function byteAttentionScratchBytes(headSize: number): number {
  const perRow = 5 * byteColumns(headSize) + 5 * KV_BLOCK_TOKENS + 7 * 4;
  return ATTENTION_TILES * ATTENTION_ROWS * perRow + KV_BLOCK_TOKENS * 4;
}
