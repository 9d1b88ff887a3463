/**
 * The operations of the kernels as typed calls. Addresses, strides and `…Bytes` are bytes, everything else counts elements.
 *
 * Made by kernels/build.ts from kernels/shared/operations.ts; change that and run `deno task kernels`.
 *
 * @module
 */
import {
  ACTIVATION_FORMS,
  ACTIVATION_FUNCTIONS,
  type ActivationForm,
  type ActivationFunction,
  BLOCK_FORMATS,
  type BlockFormat,
  ELEMENT_TYPES,
  type ElementType,
  KEY_VALUE_TYPES,
  type KeyValueType,
  WEIGHT_TYPES,
  type WeightType,
} from "./types.ts";

/** A matrix in the kernels' memory: address of its first row, and bytes from one row to the next. */
export interface Strided {
  readonly address: number;
  readonly stride: number;
}

/** Arguments of {@linkcode KernelCalls.packInt4}. */
export interface PackInt4 {
  source: number;
  outputs: number;
  blocks: number;
  blockBegin: number;
  blockCount: number;
  weights: number;
}

/** Arguments of {@linkcode KernelCalls.packInt4Gathered}. */
export interface PackInt4Gathered {
  source: number;
  order: number;
  wordStep: number;
  outputStep: number;
  outputs: number;
  blocks: number;
  panelBegin: number;
  weights: number;
}

/** Arguments of {@linkcode KernelCalls.packInt4Interleaved}. */
export interface PackInt4Interleaved {
  source: number;
  outputs: number;
  blocks: number;
  blockBegin: number;
  blockCount: number;
  weights: number;
}

/** Arguments of {@linkcode KernelCalls.packInt8Gathered}. */
export interface PackInt8Gathered {
  source: number;
  order: number;
  wordStep: number;
  outputStep: number;
  isSigned: boolean;
  outputs: number;
  blocks: number;
  panelBegin: number;
  weights: number;
}

/** Arguments of {@linkcode KernelCalls.packScales}. */
export interface PackScales {
  source: number;
  sourceType: ElementType;
  groupStep: number;
  outputStep: number;
  outputs: number;
  groups: number;
  split: number;
  scaleType: ElementType;
  scales: number;
}

/** Arguments of {@linkcode KernelCalls.packZeros}. */
export interface PackZeros {
  source: number;
  bits: number;
  addOne: boolean;
  isSigned: boolean;
  interleaved: boolean;
  alongGroups: boolean;
  groupStep: number;
  outputStep: number;
  outputs: number;
  groups: number;
  split: number;
  zeros: number;
}

/** Arguments of {@linkcode KernelCalls.packDense}. */
export interface PackDense {
  source: number;
  sourceType: ElementType;
  rowCount: number;
  inputs: number;
  panelBegin: number;
  weights: number;
}

/** Arguments of {@linkcode KernelCalls.packDenseCodes}. */
export interface PackDenseCodes {
  source: number;
  sourceType: ElementType;
  codeType: WeightType;
  rowCount: number;
  inputs: number;
  group: number;
  panelBegin: number;
  scaleType: ElementType;
  weights: number;
  scales: number;
  zeros: number;
}

/** Arguments of {@linkcode KernelCalls.roundInputs}. */
export interface RoundInputs {
  order: number;
  sums: Strided;
  factors: number;
  reciprocals: number;
  outputs: number;
  inputs: number;
  begin: number;
  count: number;
  group: number;
  levels: number;
  isSymmetric: boolean;
  trials: number;
  predictions: number;
  weights: number;
  errors: number;
  codes: number;
  scales: number;
  zeros: number;
}

/** Arguments of {@linkcode KernelCalls.packBlocks}. */
export interface PackBlocks {
  source: number;
  format: BlockFormat;
  rowCount: number;
  inputs: number;
  panelBegin: number;
  scaleType: ElementType;
  weights: number;
  scales: number;
  offsets: number;
  units: number;
}

/** Arguments of {@linkcode KernelCalls.widen}. */
export interface Widen {
  source: number;
  sourceType: ElementType;
  count: number;
  offset: number;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.copyFloats}. */
export interface CopyFloats {
  source: number;
  sourceType: ElementType;
  count: number;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.touch}. */
export interface Touch {
  bytes: number;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.checksum}. */
export interface Checksum {
  source: number;
  bytes: number;
  sums: number;
}

/** Arguments of {@linkcode KernelCalls.embed}. */
export interface Embed {
  ids: number;
  weights: number;
  weightType: WeightType;
  scales: number;
  scaleType: ElementType;
  zeros: number;
  zero: number;
  offsets: number;
  units: number;
  group: number;
  rows: number;
  inputs: number;
  factor: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.rmsNorm}. */
export interface RmsNorm {
  input: Strided;
  weight: number;
  rows: number;
  segments: number;
  width: number;
  epsilon: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.layerNorm}. */
export interface LayerNorm {
  input: Strided;
  weight: number;
  bias: number;
  rows: number;
  width: number;
  epsilon: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.gatherColumns}. */
export interface GatherColumns {
  input: Strided;
  order: number;
  rows: number;
  count: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.spreadColumns}. */
export interface SpreadColumns {
  input: Strided;
  step: number;
  rows: number;
  width: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.transpose}. */
export interface Transpose {
  input: Strided;
  rows: number;
  columns: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.sumGroups}. */
export interface SumGroups {
  input: Strided;
  rows: number;
  inputs: number;
  group: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.quantize}. */
export interface Quantize {
  input: Strided;
  rows: number;
  inputs: number;
  group: number;
  form: ActivationForm;
  codes: number;
  sums: number;
  scales: number;
  factors: number;
}

/** Arguments of {@linkcode KernelCalls.activation}. */
export interface Activation {
  function: ActivationFunction;
  rows: number;
  width: number;
  values: Strided;
}

/** Arguments of {@linkcode KernelCalls.gatedActivation}. */
export interface GatedActivation {
  gate: Strided;
  up: Strided;
  function: ActivationFunction;
  rows: number;
  width: number;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.addScaled}. */
export interface AddScaled {
  source: Strided;
  sourceType: ElementType;
  rows: number;
  width: number;
  factor: number;
  target: Strided;
}

/** One of the `products` of {@linkcode KernelCalls.matmulCodes}. */
export interface MatmulCodesItem {
  weights: number;
  scales: number;
  zeros: number;
  zero: number;
  offsets: number;
  units: number;
  bias: number;
  outputs: number;
  accumulate: boolean;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.matmulCodes}. */
export interface MatmulCodes {
  form: ActivationForm;
  codes: number;
  sums: number;
  activationScales: number;
  factors: number;
  weightType: WeightType;
  rows: number;
  inputs: number;
  group: number;
  dot32: boolean;
  wideScratch: number;
  /** At most 3. */
  products: readonly MatmulCodesItem[];
}

/** Arguments of {@linkcode KernelCalls.matmulCodesF32}. */
export interface MatmulCodesF32 {
  input: Strided;
  weights: number;
  weightType: WeightType;
  scales: number;
  zeros: number;
  zero: number;
  bias: number;
  rows: number;
  outputs: number;
  inputs: number;
  group: number;
  accumulate: boolean;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.matmulDense}. */
export interface MatmulDense {
  wideScratch: number;
  input: Strided;
  weights: number;
  weightType: ElementType;
  bias: number;
  rows: number;
  outputs: number;
  inputs: number;
  accumulate: boolean;
  output: Strided;
}

/** Arguments of {@linkcode KernelCalls.ropeTable}. */
export interface RopeTable {
  frequencies: number;
  start: number;
  rows: number;
  half: number;
  factor: number;
  table: number;
}

/** Arguments of {@linkcode KernelCalls.rope}. */
export interface Rope {
  table: number;
  rows: number;
  heads: number;
  headSize: number;
  half: number;
  vectors: Strided;
}

/** Arguments of {@linkcode KernelCalls.storeKeysValues}. */
export interface StoreKeysValues {
  keys: Strided;
  values: Strided;
  keyValueType: KeyValueType;
  start: number;
  rows: number;
  heads: number;
  headSize: number;
  table: number;
}

/** Arguments of {@linkcode KernelCalls.attention}. */
export interface Attention {
  queries: Strided;
  table: number;
  counts: number;
  keyValueType: KeyValueType;
  blocks: number;
  start: number;
  window: number;
  rows: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  scale: number;
  isWide: boolean;
  output: Strided;
  scratch: number;
  scratchBytes: number;
}

/** Arguments of {@linkcode KernelCalls.storeBytes}. */
export interface StoreBytes {
  keys: Strided;
  values: Strided;
  start: number;
  rows: number;
  heads: number;
  headSize: number;
  table: number;
}

/** Arguments of {@linkcode KernelCalls.attendBytes}. */
export interface AttendBytes {
  queries: Strided;
  table: number;
  counts: number;
  blocks: number;
  rows: number;
  heads: number;
  headSize: number;
  scale: number;
  dot32: boolean;
  isWide: boolean;
  output: Strided;
  scratch: number;
  scratchBytes: number;
}

/** Arguments of {@linkcode KernelCalls.attentionWeights}. */
export interface AttentionWeights {
  query: number;
  table: number;
  counts: number;
  keyValueType: KeyValueType;
  blocks: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  scale: number;
  weights: number;
}

/** Arguments of {@linkcode KernelCalls.gptqToMarlin}. */
export interface GptqToMarlin {
  source: number;
  order: number;
  inputs: number;
  outputs: number;
  bits: number;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.marlinToGptq}. */
export interface MarlinToGptq {
  source: number;
  order: number;
  inputs: number;
  outputs: number;
  bits: number;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.marlinToPanels}. */
export interface MarlinToPanels {
  source: number;
  order: number;
  inputs: number;
  outputs: number;
  bits: number;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.marlinPermuteScales}. */
export interface MarlinPermuteScales {
  source: number;
  count: number;
  isSingle: boolean;
  target: number;
}

/** Arguments of {@linkcode KernelCalls.unpackCodes}. */
export interface UnpackCodes {
  source: number;
  inputs: number;
  outputs: number;
  bits: number;
  codes: number;
}

/** Writes a command and runs it. A call validates nothing that a model could get wrong (loaders do). */
export abstract class KernelCalls {
  /** The command's words as floats. */
  protected abstract readonly floats: Float32Array;

  /** The command's words, the operation's number written into the first. */
  protected abstract command(operation: number): Int32Array;

  /** Runs the command on all threads, or where it has a single share on the caller's alone; returns when all are done. */
  protected abstract run(shares?: number): void;

  /** A window of words of eight 4-bit codes, packed along the inputs, into panels. */
  packInt4(call: PackInt4): void {
    const i = this.command(2);
    i[1] = call.source;
    i[2] = call.outputs;
    i[3] = call.blocks;
    i[4] = call.blockBegin;
    i[5] = call.blockCount;
    i[6] = call.weights;
    this.run();
  }

  /** A window of words of eight 4-bit codes along the inputs, in their order or another, into panels. */
  packInt4Gathered(call: PackInt4Gathered): void {
    const i = this.command(3);
    i[1] = call.source;
    i[2] = call.order;
    i[3] = call.wordStep;
    i[4] = call.outputStep;
    i[5] = call.outputs;
    i[6] = call.blocks;
    i[7] = call.panelBegin;
    i[8] = call.weights;
    this.run();
  }

  /** A window of AWQ's words of eight 4-bit codes, packed along the outputs, into panels. */
  packInt4Interleaved(call: PackInt4Interleaved): void {
    const i = this.command(4);
    i[1] = call.source;
    i[2] = call.outputs;
    i[3] = call.blocks;
    i[4] = call.blockBegin;
    i[5] = call.blockCount;
    i[6] = call.weights;
    this.run();
  }

  /** A window of words of four 8-bit codes along the inputs, in their order or another, into panels. */
  packInt8Gathered(call: PackInt8Gathered): void {
    const i = this.command(5);
    i[1] = call.source;
    i[2] = call.order;
    i[3] = call.wordStep;
    i[4] = call.outputStep;
    i[5] = call.isSigned ? 1 : 0;
    i[6] = call.outputs;
    i[7] = call.blocks;
    i[8] = call.panelBegin;
    i[9] = call.weights;
    this.run();
  }

  /** Scales into panels; those that are not finite there are counted. */
  packScales(call: PackScales): void {
    const i = this.command(6);
    i[1] = call.source;
    i[2] = ELEMENT_TYPES[call.sourceType];
    i[3] = call.groupStep;
    i[4] = call.outputStep;
    i[5] = call.outputs;
    i[6] = call.groups;
    i[7] = call.split;
    i[8] = ELEMENT_TYPES[call.scaleType];
    i[9] = call.scales;
    this.run();
  }

  /** Zero points, packed along the outputs or the groups, into panels. */
  packZeros(call: PackZeros): void {
    const i = this.command(7);
    i[1] = call.source;
    i[2] = call.bits;
    i[3] = call.addOne ? 1 : 0;
    i[4] = call.isSigned ? 1 : 0;
    i[5] = call.interleaved ? 1 : 0;
    i[6] = call.alongGroups ? 1 : 0;
    i[7] = call.groupStep;
    i[8] = call.outputStep;
    i[9] = call.outputs;
    i[10] = call.groups;
    i[11] = call.split;
    i[12] = call.zeros;
    this.run();
  }

  /** Rows of an unquantised matrix into panels of the same type; non-finite values are counted. */
  packDense(call: PackDense): void {
    const i = this.command(8);
    i[1] = call.source;
    i[2] = ELEMENT_TYPES[call.sourceType];
    i[3] = call.rowCount;
    i[4] = call.inputs;
    i[5] = call.panelBegin;
    i[6] = call.weights;
    this.run();
  }

  /** Rows of an unquantised matrix into panels of codes of 8, 7 or 4 bits; non-finite values are counted. */
  packDenseCodes(call: PackDenseCodes): void {
    const i = this.command(9);
    i[1] = call.source;
    i[2] = ELEMENT_TYPES[call.sourceType];
    i[3] = WEIGHT_TYPES[call.codeType];
    i[4] = call.rowCount;
    i[5] = call.inputs;
    i[6] = call.group;
    i[7] = call.panelBegin;
    i[8] = ELEMENT_TYPES[call.scaleType];
    i[9] = call.weights;
    i[10] = call.scales;
    i[11] = call.zeros;
    this.run();
  }

  /** A block of inputs of an f32 matrix in panels to codes, each error passed on to the inputs after it. */
  roundInputs(call: RoundInputs): void {
    const i = this.command(10);
    i[1] = call.order;
    i[2] = call.sums.address;
    i[3] = call.sums.stride;
    i[4] = call.factors;
    i[5] = call.reciprocals;
    i[6] = call.outputs;
    i[7] = call.inputs;
    i[8] = call.begin;
    i[9] = call.count;
    i[10] = call.group;
    this.floats[11] = call.levels;
    i[12] = call.isSymmetric ? 1 : 0;
    i[13] = call.trials;
    i[14] = call.predictions;
    i[15] = call.weights;
    i[16] = call.errors;
    i[17] = call.codes;
    i[18] = call.scales;
    i[19] = call.zeros;
    this.run();
  }

  /** Rows of blocks of a GGUF file into panels of codes, scales and offsets; non-finite values are counted. */
  packBlocks(call: PackBlocks): void {
    const i = this.command(11);
    i[1] = call.source;
    i[2] = BLOCK_FORMATS[call.format];
    i[3] = call.rowCount;
    i[4] = call.inputs;
    i[5] = call.panelBegin;
    i[6] = ELEMENT_TYPES[call.scaleType];
    i[7] = call.weights;
    i[8] = call.scales;
    i[9] = call.offsets;
    i[10] = call.units;
    this.run();
  }

  /** A vector to f32, with `offset` added; non-finite values are counted. */
  widen(call: Widen): void {
    const i = this.command(12);
    i[1] = call.source;
    i[2] = ELEMENT_TYPES[call.sourceType];
    i[3] = call.count;
    this.floats[4] = call.offset;
    i[5] = call.target;
    this.run();
  }

  /** An array as it is; non-finite values are counted. */
  copyFloats(call: CopyFloats): void {
    const i = this.command(13);
    i[1] = call.source;
    i[2] = ELEMENT_TYPES[call.sourceType];
    i[3] = call.count;
    i[4] = call.target;
    this.run();
  }

  /** Takes the memory of an array that will be filled from the operating system; what is there is lost. */
  touch(call: Touch): void {
    const i = this.command(14);
    i[1] = call.bytes;
    i[2] = call.target;
    this.run();
  }

  /** Both sums of Fletcher's checksum, each thread's share for itself. */
  checksum(call: Checksum): void {
    const i = this.command(15);
    i[1] = call.source;
    i[2] = call.bytes;
    i[3] = call.sums;
    this.run();
  }

  /** Rows of an embedding table by token id. */
  embed(call: Embed): void {
    const i = this.command(16);
    i[1] = call.ids;
    i[2] = call.weights;
    i[3] = WEIGHT_TYPES[call.weightType];
    i[4] = call.scales;
    i[5] = ELEMENT_TYPES[call.scaleType];
    i[6] = call.zeros;
    this.floats[7] = call.zero;
    i[8] = call.offsets;
    i[9] = call.units;
    i[10] = call.group;
    i[11] = call.rows;
    i[12] = call.inputs;
    this.floats[13] = call.factor;
    i[14] = call.output.address;
    i[15] = call.output.stride;
    this.run(call.rows);
  }

  /** Root-mean-square normalisation of `segments` neighbouring runs of `width` columns in each row. */
  rmsNorm(call: RmsNorm): void {
    const i = this.command(17);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.weight;
    i[4] = call.rows;
    i[5] = call.segments;
    i[6] = call.width;
    this.floats[7] = call.epsilon;
    i[8] = call.output.address;
    i[9] = call.output.stride;
    this.run(call.rows);
  }

  /** Layer normalisation of each row. */
  layerNorm(call: LayerNorm): void {
    const i = this.command(18);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.weight;
    i[4] = call.bias;
    i[5] = call.rows;
    i[6] = call.width;
    this.floats[7] = call.epsilon;
    i[8] = call.output.address;
    i[9] = call.output.stride;
    this.run(call.rows);
  }

  /** Columns in another order; 0 where the order says -1. */
  gatherColumns(call: GatherColumns): void {
    const i = this.command(19);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.order;
    i[4] = call.rows;
    i[5] = call.count;
    i[6] = call.output.address;
    i[7] = call.output.stride;
    this.run(call.rows);
  }

  /** Columns, `step` apart. */
  spreadColumns(call: SpreadColumns): void {
    const i = this.command(20);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.step;
    i[4] = call.rows;
    i[5] = call.width;
    i[6] = call.output.address;
    i[7] = call.output.stride;
    this.run(call.rows);
  }

  /** Rows become columns. */
  transpose(call: Transpose): void {
    const i = this.command(21);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.rows;
    i[4] = call.columns;
    i[5] = call.output.address;
    i[6] = call.output.stride;
    this.run();
  }

  /** The sums of neighbouring columns of each row. */
  sumGroups(call: SumGroups): void {
    const i = this.command(22);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.rows;
    i[4] = call.inputs;
    i[5] = call.group;
    i[6] = call.output.address;
    i[7] = call.output.stride;
    this.run();
  }

  /** Activations to integers, with their sums, scales and factors. */
  quantize(call: Quantize): void {
    const i = this.command(23);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.rows;
    i[4] = call.inputs;
    i[5] = call.group;
    i[6] = ACTIVATION_FORMS[call.form];
    i[7] = call.codes;
    i[8] = call.sums;
    i[9] = call.scales;
    i[10] = call.factors;
    this.run(call.rows);
  }

  /** An activation function of every value, in place. */
  activation(call: Activation): void {
    const i = this.command(24);
    i[1] = ACTIVATION_FUNCTIONS[call.function];
    i[2] = call.rows;
    i[3] = call.width;
    i[4] = call.values.address;
    i[5] = call.values.stride;
    this.run(call.rows);
  }

  /** function(gate) * up, element by element. */
  gatedActivation(call: GatedActivation): void {
    const i = this.command(25);
    i[1] = call.gate.address;
    i[2] = call.gate.stride;
    i[3] = call.up.address;
    i[4] = call.up.stride;
    i[5] = ACTIVATION_FUNCTIONS[call.function];
    i[6] = call.rows;
    i[7] = call.width;
    i[8] = call.output.address;
    i[9] = call.output.stride;
    this.run();
  }

  /** target += factor * source; a source of stride 0 is one row for all. */
  addScaled(call: AddScaled): void {
    const i = this.command(26);
    i[1] = call.source.address;
    i[2] = call.source.stride;
    i[3] = ELEMENT_TYPES[call.sourceType];
    i[4] = call.rows;
    i[5] = call.width;
    this.floats[6] = call.factor;
    i[7] = call.target.address;
    i[8] = call.target.stride;
    this.run(call.rows);
  }

  /** Products of integer activations and coded weights; the matrices of one call have the same groups. */
  matmulCodes(call: MatmulCodes): void {
    const i = this.command(27);
    i[1] = ACTIVATION_FORMS[call.form];
    i[2] = call.codes;
    i[3] = call.sums;
    i[4] = call.activationScales;
    i[5] = call.factors;
    i[6] = WEIGHT_TYPES[call.weightType];
    i[7] = call.rows;
    i[8] = call.inputs;
    i[9] = call.group;
    i[10] = call.dot32 ? 1 : 0;
    i[11] = call.wideScratch;
    i[12] = call.products.length;
    let at = 13;
    for (const item of call.products) {
      i[at] = item.weights;
      i[at + 1] = item.scales;
      i[at + 2] = item.zeros;
      i[at + 3] = item.zero;
      i[at + 4] = item.offsets;
      i[at + 5] = item.units;
      i[at + 6] = item.bias;
      i[at + 7] = item.outputs;
      i[at + 8] = item.accumulate ? 1 : 0;
      i[at + 9] = item.output.address;
      i[at + 10] = item.output.stride;
      at += 11;
    }
    this.run();
  }

  /** The product of f32 activations and coded weights. */
  matmulCodesF32(call: MatmulCodesF32): void {
    const i = this.command(28);
    i[1] = call.input.address;
    i[2] = call.input.stride;
    i[3] = call.weights;
    i[4] = WEIGHT_TYPES[call.weightType];
    i[5] = call.scales;
    i[6] = call.zeros;
    this.floats[7] = call.zero;
    i[8] = call.bias;
    i[9] = call.rows;
    i[10] = call.outputs;
    i[11] = call.inputs;
    i[12] = call.group;
    i[13] = call.accumulate ? 1 : 0;
    i[14] = call.output.address;
    i[15] = call.output.stride;
    this.run();
  }

  /** The product of f32 activations and unquantised weights. */
  matmulDense(call: MatmulDense): void {
    const i = this.command(29);
    i[1] = call.wideScratch;
    i[2] = call.input.address;
    i[3] = call.input.stride;
    i[4] = call.weights;
    i[5] = ELEMENT_TYPES[call.weightType];
    i[6] = call.bias;
    i[7] = call.rows;
    i[8] = call.outputs;
    i[9] = call.inputs;
    i[10] = call.accumulate ? 1 : 0;
    i[11] = call.output.address;
    i[12] = call.output.stride;
    this.run();
  }

  /** Cosines and sines of the rotary angles of consecutive positions, times `factor`. */
  ropeTable(call: RopeTable): void {
    const i = this.command(30);
    i[1] = call.frequencies;
    i[2] = call.start;
    i[3] = call.rows;
    i[4] = call.half;
    this.floats[5] = call.factor;
    i[6] = call.table;
    this.run(call.rows);
  }

  /** Rotates the first 2 * half columns of each head, in place. */
  rope(call: Rope): void {
    const i = this.command(31);
    i[1] = call.table;
    i[2] = call.rows;
    i[3] = call.heads;
    i[4] = call.headSize;
    i[5] = call.half;
    i[6] = call.vectors.address;
    i[7] = call.vectors.stride;
    this.run(call.rows);
  }

  /** Writes keys and values of consecutive tokens into their blocks. */
  storeKeysValues(call: StoreKeysValues): void {
    const i = this.command(32);
    i[1] = call.keys.address;
    i[2] = call.keys.stride;
    i[3] = call.values.address;
    i[4] = call.values.stride;
    i[5] = KEY_VALUE_TYPES[call.keyValueType];
    i[6] = call.start;
    i[7] = call.rows;
    i[8] = call.heads;
    i[9] = call.headSize;
    i[10] = call.table;
    this.run();
  }

  /** Attention of rows over blocks of keys and values: causal, or with `counts` the same keys for all rows. */
  attention(call: Attention): void {
    const i = this.command(33);
    i[1] = call.queries.address;
    i[2] = call.queries.stride;
    i[3] = call.table;
    i[4] = call.counts;
    i[5] = KEY_VALUE_TYPES[call.keyValueType];
    i[6] = call.blocks;
    i[7] = call.start;
    i[8] = call.window;
    i[9] = call.rows;
    i[10] = call.heads;
    i[11] = call.kvHeads;
    i[12] = call.headSize;
    this.floats[13] = call.scale;
    i[14] = call.isWide ? 1 : 0;
    i[15] = call.output.address;
    i[16] = call.output.stride;
    i[17] = call.scratch;
    i[18] = call.scratchBytes;
    this.run();
  }

  /** Writes keys and values of consecutive tokens into their blocks, as codes of 7 bits. */
  storeBytes(call: StoreBytes): void {
    const i = this.command(34);
    i[1] = call.keys.address;
    i[2] = call.keys.stride;
    i[3] = call.values.address;
    i[4] = call.values.stride;
    i[5] = call.start;
    i[6] = call.rows;
    i[7] = call.heads;
    i[8] = call.headSize;
    i[9] = call.table;
    this.run();
  }

  /** Attention in bytes of rows that all see the same tokens: the first counts[b] of each block. */
  attendBytes(call: AttendBytes): void {
    const i = this.command(35);
    i[1] = call.queries.address;
    i[2] = call.queries.stride;
    i[3] = call.table;
    i[4] = call.counts;
    i[5] = call.blocks;
    i[6] = call.rows;
    i[7] = call.heads;
    i[8] = call.headSize;
    this.floats[9] = call.scale;
    i[10] = call.dot32 ? 1 : 0;
    i[11] = call.isWide ? 1 : 0;
    i[12] = call.output.address;
    i[13] = call.output.stride;
    i[14] = call.scratch;
    i[15] = call.scratchBytes;
    this.run();
  }

  /** The weights that one row of queries gives to the keys of blocks. */
  attentionWeights(call: AttentionWeights): void {
    const i = this.command(36);
    i[1] = call.query;
    i[2] = call.table;
    i[3] = call.counts;
    i[4] = KEY_VALUE_TYPES[call.keyValueType];
    i[5] = call.blocks;
    i[6] = call.heads;
    i[7] = call.kvHeads;
    i[8] = call.headSize;
    this.floats[9] = call.scale;
    i[10] = call.weights;
    this.run();
  }

  /** GPTQ words to Marlin words. */
  gptqToMarlin(call: GptqToMarlin): void {
    const i = this.command(37);
    i[1] = call.source;
    i[2] = call.order;
    i[3] = call.inputs;
    i[4] = call.outputs;
    i[5] = call.bits;
    i[6] = call.target;
    this.run();
  }

  /** Marlin words to GPTQ words; `order` is the inverse of the one that gptqToMarlin took. */
  marlinToGptq(call: MarlinToGptq): void {
    const i = this.command(38);
    i[1] = call.source;
    i[2] = call.order;
    i[3] = call.inputs;
    i[4] = call.outputs;
    i[5] = call.bits;
    i[6] = call.target;
    this.run();
  }

  /** Marlin words to panels; `order` as in marlinToGptq. */
  marlinToPanels(call: MarlinToPanels): void {
    const i = this.command(39);
    i[1] = call.source;
    i[2] = call.order;
    i[3] = call.inputs;
    i[4] = call.outputs;
    i[5] = call.bits;
    i[6] = call.target;
    this.run();
  }

  /** 16-bit scales into Marlin's order, or back. */
  marlinPermuteScales(call: MarlinPermuteScales): void {
    const i = this.command(40);
    i[1] = call.source;
    i[2] = call.count;
    i[3] = call.isSingle ? 1 : 0;
    i[4] = call.target;
    this.run();
  }

  /** The codes of GPTQ words, one a byte. */
  unpackCodes(call: UnpackCodes): void {
    const i = this.command(41);
    i[1] = call.source;
    i[2] = call.inputs;
    i[3] = call.outputs;
    i[4] = call.bits;
    i[5] = call.codes;
    this.run();
  }
}
