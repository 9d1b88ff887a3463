/**
 * The kernels as typed calls. Addresses and strides are bytes, everything else counts elements. A method validates
 * nothing that a model could get wrong (loaders do) and allocates nothing.
 *
 * @module
 */
import {
  COMMAND_ADDRESS,
  COMMAND_WORDS,
  FORM_BYTE,
  FORM_LADDER,
  FORM_PLANES,
  FORM_WORD,
  KIND_INT7,
  KIND_INT8,
  PRODUCT_WORDS,
  PRODUCTS_WORD,
  RESULT_ADDRESS,
} from "../shared/layout.ts";
import * as Operation from "../shared/operations.ts";
import { Heap } from "./heap.ts";
import { kernelModule, type KernelVariant } from "./modules.ts";
import { Team } from "./team.ts";

/** Codes with their scales, as the matrix kernels take them. `zeros` 0: every zero point is `zero`. */
export interface CodeMatrix {
  weights: number;
  scales: number;
  zeros: number;
  zero: number;
  group: number;
}

/** Activations as integers of one or two signed bytes; see kernels/assembly/matmul_bytes.ts and matmul_words.ts. */
export interface CodeActivations {
  /** FORM_… of kernels/shared/layout.ts; `activationForm` says which a product takes. */
  form: number;
  codes: number;
  sums: number;
  steps: number;
}

/** The result of a product: f32 [rows, outputs], added to what is there when `accumulate`. */
export interface ProductTarget {
  output: number;
  outputStride: number;
  bias: number;
  accumulate: boolean;
}

/** A matrix, its outputs, and where the product goes. */
export interface CodeProduct {
  matrix: CodeMatrix;
  outputs: number;
  target: ProductTarget;
}

/** rows × inputs times inputs × outputs. */
export interface ProductShape {
  rows: number;
  outputs: number;
  inputs: number;
}

/** Attention of `rows` rows; see kernels/assembly/attention.ts. */
export interface AttentionCall {
  /** Of the keys and values: KIND_F32, KIND_INT16 or KIND_INT8. */
  kind: number;
  queries: number;
  queryStride: number;
  table: number;
  /** Which keys a row sees: its own token's and those before it, or the same for all. */
  visible: CausalKeys | CommonKeys;
  rows: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  scale: number;
  output: number;
  outputStride: number;
  scratch: number;
  scratchBytes: number;
}

/** Row m is the token at position start + m; it looks back on `window` tokens, itself included (0: all). */
export interface CausalKeys {
  start: number;
  window: number;
}

/** Every row sees the first counts[b] tokens of each of `blocks` blocks; `counts` is the address of i32 [blocks]. */
export interface CommonKeys {
  counts: number;
  blocks: number;
}

/** Rounds of one trial: some ten microseconds. */
const DOT_FORM_ROUNDS = 4096;
/** Trials of both dot forms without a better time, after which the times are believed. */
const DOT_FORM_TRIALS = 50;
/** Where other programs disturb every trial. */
const DOT_FORM_MILLISECONDS_MAX = 15;

/** Kernels of one memory, run by one team. */
export class Kernels {
  readonly heap: Heap;
  readonly team: Team;
  readonly variant: KernelVariant;
  /** Whether bytes are multiplied in the 32-bit dot form; see `chooseDotForm`. */
  wideDot = false;
  #integers: Int32Array;
  #floats: Float32Array;

  private constructor(heap: Heap, team: Team, variant: KernelVariant) {
    this.heap = heap;
    this.team = team;
    this.variant = variant;
    this.#integers = new Int32Array(heap.memory.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
    this.#floats = new Float32Array(heap.memory.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
  }

  /** Starts `threads` threads on a new memory. */
  static async start(threads: number, wanted: "auto" | KernelVariant = "auto"): Promise<Kernels> {
    return (await Kernels.startBanks(threads, wanted, 1))[0];
  }

  /** Starts `threads` threads that work on `count` new memories, in one at a time. */
  static async startBanks(
    threads: number,
    wanted: "auto" | KernelVariant,
    count: number,
  ): Promise<Kernels[]> {
    const build = kernelModule(threads, wanted);
    const heaps = Array.from({ length: count }, () => new Heap(build.shared));
    const teams = await Team.start(build, heaps, threads);
    return teams.map((team, bank) => new Kernels(heaps[bank], team, build.variant));
  }

  /** Kernels on a new memory for the caller's thread alone, at once. */
  static alone(wanted: "auto" | KernelVariant = "auto"): Kernels {
    const build = kernelModule(1, wanted);
    const heap = new Heap(build.shared);
    return new Kernels(heap, Team.ofOne(build, heap), build.variant);
  }

  /**
   * Times both dot forms on this processor and keeps the faster one: bytes with 32-bit sums win where one instruction does
   * them (VNNI, ARM dot product), 16-bit ones elsewhere. Their bits agree, so the choice cannot be seen in a result.
   */
  chooseDotForm(): void {
    if (this.variant === "strict") return;
    const best = { wide: Infinity, narrow: Infinity };
    const until = performance.now() + DOT_FORM_MILLISECONDS_MAX;
    for (let settled = 0; settled < DOT_FORM_TRIALS && performance.now() < until; settled++) {
      for (const form of ["wide", "narrow"] as const) {
        const time = this.team.timeDots(form === "wide", DOT_FORM_ROUNDS);
        // Noise moves a minimum by less.
        if (time < 0.95 * best[form]) settled = 0;
        best[form] = Math.min(best[form], time);
      }
    }
    this.wideDot = best.wide <= best.narrow;
  }

  close(): Promise<void> {
    return this.team.close();
  }

  /** Non-finite values that packing kernels met since the last call. */
  takeNonFiniteCount(): number {
    const word = this.heap.wordsAt(RESULT_ADDRESS, 1);
    const count = word[0];
    word[0] = 0;
    return count;
  }

  /** Makes the system give the memory of an array that will be filled, on all threads; what is there is lost. */
  touch(address: number, bytes: number) {
    const i = this.#command(Operation.OP_TOUCH);
    i[1] = address;
    i[2] = bytes;
    this.team.run();
  }

  /** Both sums of kernels/assembly/checksum.ts; `bytes` a multiple of 64, `sums` the address of 16 bytes for each thread. */
  checksum(address: number, bytes: number, sums: number): [sum: bigint, weighted: bigint] {
    const i = this.#command(Operation.OP_CHECKSUM);
    i[1] = address;
    i[2] = bytes;
    i[3] = sums;
    this.team.run();
    const shares = new BigUint64Array(this.heap.memory.buffer, sums, 2 * this.team.size);
    let sum = 0n, weighted = 0n;
    for (let rank = 0; rank < this.team.size; rank++) {
      sum += shares[2 * rank];
      weighted += shares[2 * rank + 1];
    }
    return [BigInt.asUintN(64, sum), BigInt.asUintN(64, weighted)];
  }

  packInt4(
    source: number,
    weights: number,
    outputs: number,
    blocks: number,
    blockBegin: number,
    blockCount: number,
  ) {
    const i = this.#command(Operation.OP_PACK_INT4);
    i[1] = source;
    i[2] = weights;
    i[3] = outputs;
    i[4] = blocks;
    i[5] = blockBegin;
    i[6] = blockCount;
    this.team.run();
  }

  packInt4Gathered(source: number, order: number, weights: number, outputs: number, blocks: number) {
    this.#packGathered(Operation.OP_PACK_INT4_GATHERED, source, order, weights, outputs, blocks);
  }

  packInt8Gathered(source: number, order: number, weights: number, outputs: number, blocks: number) {
    this.#packGathered(Operation.OP_PACK_INT8_GATHERED, source, order, weights, outputs, blocks);
  }

  packScales(source: number, kind: number, scales: number, outputs: number, groups: number, split: number) {
    const i = this.#command(Operation.OP_PACK_SCALES);
    i[1] = source;
    i[2] = kind;
    i[3] = scales;
    i[4] = outputs;
    i[5] = groups;
    i[6] = split;
    this.team.run();
  }

  packZeros(
    source: number,
    bits: number,
    addOne: boolean,
    zeros: number,
    outputs: number,
    groups: number,
    split: number,
  ) {
    const i = this.#command(Operation.OP_PACK_ZEROS);
    i[1] = source;
    i[2] = bits;
    i[3] = addOne ? 1 : 0;
    i[4] = zeros;
    i[5] = outputs;
    i[6] = groups;
    i[7] = split;
    this.team.run();
  }

  packDense(
    source: number,
    kind: number,
    weights: number,
    rowCount: number,
    inputs: number,
    panelBegin: number,
  ) {
    const i = this.#command(Operation.OP_PACK_DENSE);
    i[1] = source;
    i[2] = kind;
    i[3] = weights;
    i[4] = rowCount;
    i[5] = inputs;
    i[6] = panelBegin;
    this.team.run();
  }

  /** `codeKind`: KIND_INT8 or KIND_INT7. */
  packDenseCodes(
    source: number,
    kind: number,
    codeKind: number,
    weights: number,
    scales: number,
    rowCount: number,
    inputs: number,
    group: number,
    panelBegin: number,
  ) {
    const i = this.#command(Operation.OP_PACK_DENSE_CODES);
    i[1] = source;
    i[2] = kind;
    i[3] = codeKind;
    i[4] = weights;
    i[5] = scales;
    i[6] = rowCount;
    i[7] = inputs;
    i[8] = group;
    i[9] = panelBegin;
    this.team.run();
  }

  widen(source: number, kind: number, target: number, count: number, offset: number) {
    const i = this.#command(Operation.OP_WIDEN);
    i[1] = source;
    i[2] = kind;
    i[3] = target;
    i[4] = count;
    this.#floats[5] = offset;
    this.team.run();
  }

  embed(
    ids: number,
    kind: number,
    matrix: CodeMatrix,
    output: number,
    rows: number,
    inputs: number,
    factor: number,
  ) {
    const i = this.#command(Operation.OP_EMBED);
    i[1] = ids;
    i[2] = kind;
    i[3] = matrix.weights;
    i[4] = matrix.scales;
    i[5] = matrix.zeros;
    this.#floats[6] = matrix.zero;
    i[7] = matrix.group;
    i[8] = output;
    i[9] = rows;
    i[10] = inputs;
    this.#floats[11] = factor;
    this.team.run();
  }

  rmsNorm(
    input: number,
    inputStride: number,
    output: number,
    outputStride: number,
    weight: number,
    rows: number,
    heads: number,
    width: number,
    epsilon: number,
  ) {
    const i = this.#command(Operation.OP_RMS_NORM);
    i[1] = input;
    i[2] = inputStride;
    i[3] = output;
    i[4] = outputStride;
    i[5] = weight;
    i[6] = rows;
    i[7] = heads;
    i[8] = width;
    this.#floats[9] = epsilon;
    this.team.run();
  }

  gatherColumns(
    input: number,
    inputStride: number,
    order: number,
    output: number,
    rows: number,
    count: number,
  ) {
    const i = this.#command(Operation.OP_GATHER_COLUMNS);
    i[1] = input;
    i[2] = inputStride;
    i[3] = order;
    i[4] = output;
    i[5] = rows;
    i[6] = count;
    this.team.run();
  }

  quantize(
    input: number,
    inputStride: number,
    target: CodeActivations,
    rows: number,
    inputs: number,
    group: number,
  ) {
    const i = this.#command(Operation.OP_QUANTIZE);
    i[1] = input;
    i[2] = inputStride;
    i[3] = target.codes;
    i[4] = target.sums;
    i[5] = target.steps;
    i[6] = rows;
    i[7] = inputs;
    i[8] = group;
    i[9] = target.form;
    this.team.run();
  }

  /** What activations must be for codes of that kind; against 4-bit ones they may have one byte or two. */
  activationForm(kind: number, bytes: 1 | 2): number {
    if (kind === KIND_INT8) return FORM_WORD;
    if (kind === KIND_INT7) return FORM_BYTE;
    return bytes === 1 ? FORM_BYTE : this.wideDot ? FORM_PLANES : FORM_LADDER;
  }

  /** At most PRODUCTS_MAX products of the same activations in one pass; their matrices have the same groups. */
  matmulCodes(
    input: CodeActivations,
    kind: number,
    { rows, inputs }: { rows: number; inputs: number },
    products: readonly CodeProduct[],
  ) {
    const i = this.#command(Operation.OP_MATMUL_CODES);
    i[1] = input.form;
    i[2] = kind;
    i[3] = input.codes;
    i[4] = input.sums;
    i[5] = input.steps;
    i[6] = rows;
    i[7] = inputs;
    i[8] = products[0].matrix.group;
    i[9] = this.wideDot ? 1 : 0;
    i[10] = products.length;
    let at = 1 + PRODUCTS_WORD;
    for (const { matrix, outputs, target } of products) {
      i[at] = matrix.weights;
      i[at + 1] = matrix.scales;
      i[at + 2] = matrix.zeros;
      i[at + 3] = matrix.zero;
      i[at + 4] = target.bias;
      i[at + 5] = target.output;
      i[at + 6] = target.outputStride;
      i[at + 7] = outputs;
      i[at + 8] = target.accumulate ? 1 : 0;
      at += PRODUCT_WORDS;
    }
    this.team.run();
  }

  matmulInt4Exact(
    input: number,
    inputStride: number,
    matrix: CodeMatrix,
    shape: ProductShape,
    target: ProductTarget,
  ) {
    this.#matmulExact(Operation.OP_MATMUL_INT4_EXACT, input, inputStride, matrix, shape, target);
  }

  matmulInt8Exact(
    input: number,
    inputStride: number,
    matrix: CodeMatrix,
    shape: ProductShape,
    target: ProductTarget,
  ) {
    this.#matmulExact(Operation.OP_MATMUL_INT8_EXACT, input, inputStride, matrix, shape, target);
  }

  matmulDense(
    kind: number,
    input: number,
    inputStride: number,
    weights: number,
    shape: ProductShape,
    target: ProductTarget,
  ) {
    const i = this.#command(Operation.OP_MATMUL_DENSE);
    i[1] = kind;
    i[2] = input;
    i[3] = inputStride;
    i[4] = weights;
    i[5] = target.bias;
    i[6] = target.output;
    i[7] = target.outputStride;
    i[8] = shape.rows;
    i[9] = shape.outputs;
    i[10] = shape.inputs;
    i[11] = target.accumulate ? 1 : 0;
    this.team.run();
  }

  ropeTable(frequencies: number, start: number, table: number, rows: number, half: number, factor: number) {
    const i = this.#command(Operation.OP_ROPE_TABLE);
    i[1] = frequencies;
    i[2] = start;
    i[3] = table;
    i[4] = rows;
    i[5] = half;
    this.#floats[6] = factor;
    this.team.run();
  }

  rope(
    vectors: number,
    stride: number,
    table: number,
    rows: number,
    heads: number,
    headSize: number,
    half: number,
  ) {
    const i = this.#command(Operation.OP_ROPE);
    i[1] = vectors;
    i[2] = stride;
    i[3] = table;
    i[4] = rows;
    i[5] = heads;
    i[6] = headSize;
    i[7] = half;
    this.team.run();
  }

  storeKeysValues(
    kind: number,
    keys: number,
    keyStride: number,
    values: number,
    valueStride: number,
    table: number,
    start: number,
    rows: number,
    heads: number,
    headSize: number,
  ) {
    const i = this.#command(Operation.OP_STORE_KEYS_VALUES);
    i[1] = kind;
    i[2] = keys;
    i[3] = keyStride;
    i[4] = values;
    i[5] = valueStride;
    i[6] = table;
    i[7] = start;
    i[8] = rows;
    i[9] = heads;
    i[10] = headSize;
    this.team.run();
  }

  attention(call: AttentionCall) {
    const i = this.#command(Operation.OP_ATTENTION);
    i[1] = call.kind;
    i[2] = call.queries;
    i[3] = call.queryStride;
    i[4] = call.table;
    const { visible } = call;
    const isCommon = "counts" in visible;
    i[5] = isCommon ? visible.counts : 0;
    i[6] = isCommon ? visible.blocks : 0;
    i[7] = isCommon ? 0 : visible.start;
    i[8] = call.rows;
    i[9] = call.heads;
    i[10] = call.kvHeads;
    i[11] = call.headSize;
    this.#floats[12] = call.scale;
    i[13] = isCommon ? 0 : visible.window;
    i[14] = call.output;
    i[15] = call.outputStride;
    i[16] = call.scratch;
    i[17] = call.scratchBytes;
    this.team.run();
  }

  /** weights f32 [heads, blocks · KV_BLOCK_TOKENS] of one row of queries; see kernels/assembly/attention.ts. */
  attentionWeights(
    kind: number,
    query: number,
    table: number,
    { counts, blocks }: CommonKeys,
    heads: number,
    kvHeads: number,
    headSize: number,
    scale: number,
    weights: number,
  ) {
    const i = this.#command(Operation.OP_ATTENTION_WEIGHTS);
    i[1] = kind;
    i[2] = query;
    i[3] = table;
    i[4] = counts;
    i[5] = blocks;
    i[6] = heads;
    i[7] = kvHeads;
    i[8] = headSize;
    this.#floats[9] = scale;
    i[10] = weights;
    this.team.run();
  }

  gatedActivation(
    kind: number,
    gate: number,
    gateStride: number,
    up: number,
    upStride: number,
    output: number,
    outputStride: number,
    rows: number,
    width: number,
  ) {
    const i = this.#command(Operation.OP_GATED_ACTIVATION);
    i[1] = kind;
    i[2] = gate;
    i[3] = gateStride;
    i[4] = up;
    i[5] = upStride;
    i[6] = output;
    i[7] = outputStride;
    i[8] = rows;
    i[9] = width;
    this.team.run();
  }

  /** target += factor · source; `source` with stride 0 is one row for all. */
  addScaled(
    target: number,
    targetStride: number,
    source: number,
    kind: number,
    sourceStride: number,
    rows: number,
    width: number,
    factor: number,
  ) {
    const i = this.#command(Operation.OP_ADD_SCALED);
    i[1] = target;
    i[2] = targetStride;
    i[3] = source;
    i[4] = kind;
    i[5] = sourceStride;
    i[6] = rows;
    i[7] = width;
    this.#floats[8] = factor;
    this.team.run();
  }

  layerNorm(
    input: number,
    inputStride: number,
    output: number,
    outputStride: number,
    weight: number,
    bias: number,
    rows: number,
    width: number,
    epsilon: number,
  ) {
    const i = this.#command(Operation.OP_LAYER_NORM);
    i[1] = input;
    i[2] = inputStride;
    i[3] = output;
    i[4] = outputStride;
    i[5] = weight;
    i[6] = bias;
    i[7] = rows;
    i[8] = width;
    this.#floats[9] = epsilon;
    this.team.run();
  }

  activation(kind: number, values: number, rows: number, width: number) {
    const i = this.#command(Operation.OP_ACTIVATION);
    i[1] = kind;
    i[2] = values;
    i[3] = rows;
    i[4] = width;
    this.team.run();
  }

  /** output[m, i · step] = input[m, i]. */
  spreadColumns(
    input: number,
    inputStride: number,
    output: number,
    outputStride: number,
    step: number,
    rows: number,
    width: number,
  ) {
    const i = this.#command(Operation.OP_SPREAD_COLUMNS);
    i[1] = input;
    i[2] = inputStride;
    i[3] = output;
    i[4] = outputStride;
    i[5] = step;
    i[6] = rows;
    i[7] = width;
    this.team.run();
  }

  softmax(values: number, rows: number, width: number) {
    const i = this.#command(Operation.OP_SOFTMAX);
    i[1] = values;
    i[2] = rows;
    i[3] = width;
    this.team.run();
  }

  #packGathered(
    operation: number,
    source: number,
    order: number,
    weights: number,
    outputs: number,
    blocks: number,
  ) {
    const i = this.#command(operation);
    i[1] = source;
    i[2] = order;
    i[3] = weights;
    i[4] = outputs;
    i[5] = blocks;
    this.team.run();
  }

  #matmulExact(
    operation: number,
    input: number,
    inputStride: number,
    matrix: CodeMatrix,
    shape: ProductShape,
    target: ProductTarget,
  ) {
    const i = this.#command(operation);
    i[1] = input;
    i[2] = inputStride;
    i[3] = matrix.weights;
    i[4] = matrix.scales;
    i[5] = matrix.zeros;
    this.#floats[6] = matrix.zero;
    i[7] = target.bias;
    i[8] = target.output;
    i[9] = target.outputStride;
    i[10] = shape.rows;
    i[11] = shape.outputs;
    i[12] = shape.inputs;
    i[13] = matrix.group;
    i[14] = target.accumulate ? 1 : 0;
    this.team.run();
  }

  /** The command's words, its operation set. A memory that is not shared moves when it grows. */
  #command(operation: number): Int32Array {
    if (this.#integers.length === 0) {
      this.#integers = new Int32Array(this.heap.memory.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
      this.#floats = new Float32Array(this.heap.memory.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
    }
    this.#integers[0] = operation;
    return this.#integers;
  }

  /** `order` 0: the stored order of the inputs. */
  gptqToMarlin(source: number, order: number, marlin: number, inputs: number, outputs: number, bits: number) {
    this.#repack(Operation.OP_GPTQ_TO_MARLIN, source, order, marlin, inputs, outputs, bits);
  }

  /** `order` is the inverse of the one that `gptqToMarlin` took. */
  marlinToGptq(marlin: number, order: number, target: number, inputs: number, outputs: number, bits: number) {
    this.#repack(Operation.OP_MARLIN_TO_GPTQ, marlin, order, target, inputs, outputs, bits);
  }

  /** As `marlinToGptq`, into the layout of `packInt4` or `packInt8Gathered`. */
  marlinToPanels(
    marlin: number,
    order: number,
    weights: number,
    inputs: number,
    outputs: number,
    bits: number,
  ) {
    this.#repack(Operation.OP_MARLIN_TO_PANELS, marlin, order, weights, inputs, outputs, bits);
  }

  marlinPermuteScales(source: number, target: number, count: number, isSingle: boolean) {
    const i = this.#command(Operation.OP_MARLIN_PERMUTE_SCALES);
    i[1] = source;
    i[2] = target;
    i[3] = count;
    i[4] = isSingle ? 1 : 0;
    this.team.run();
  }

  /** As `packScales`, from scales in Marlin's order. */
  packMarlinScales(
    source: number,
    kind: number,
    scales: number,
    outputs: number,
    groups: number,
    split: number,
    isSingle: boolean,
  ) {
    const i = this.#command(Operation.OP_PACK_MARLIN_SCALES);
    i[1] = source;
    i[2] = kind;
    i[3] = scales;
    i[4] = outputs;
    i[5] = groups;
    i[6] = split;
    i[7] = isSingle ? 1 : 0;
    this.team.run();
  }

  unpackCodes(source: number, codes: number, inputs: number, outputs: number, bits: number) {
    const i = this.#command(Operation.OP_UNPACK_CODES);
    i[1] = source;
    i[2] = codes;
    i[3] = inputs;
    i[4] = outputs;
    i[5] = bits;
    this.team.run();
  }

  #repack(
    operation: number,
    source: number,
    order: number,
    target: number,
    inputs: number,
    outputs: number,
    bits: number,
  ) {
    const i = this.#command(operation);
    i[1] = source;
    i[2] = order;
    i[3] = target;
    i[4] = inputs;
    i[5] = outputs;
    i[6] = bits;
    this.team.run();
  }
}
