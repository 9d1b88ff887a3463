/**
 * One run of every operation on fixed operands, for comparisons bit by bit. Results are named "operation() of …", so that a test
 * can tell which operations were run.
 *
 * @module
 */
import type { Strided } from "../../kernels/host/calls.ts";
import { keyValueBlockBytes } from "../../kernels/host/sizes.ts";
import {
  type ActivationForm,
  BLOCK_FORMATS,
  type BlockFormat,
  type ElementType,
  type KeyValueType,
} from "../../kernels/host/types.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { Addends } from "../reference/matrix_product.ts";
import { type Bench, rowsOf, strided } from "./harness.ts";
import { ByteBlocks } from "./byte_blocks.ts";
import { Cache, drawSequence } from "./key_value_cache.ts";
import { drawWeights, type MatrixShape, packWeights, quantiseRows, rowsOfTiles } from "./problems.ts";
import { intoGaps, multiplyCodes, type Product, PRODUCTS, runProduct } from "./products.ts";
import { drawSixBits, packSixBits } from "./six_bits.ts";
import { Random } from "./random.ts";
import { bf16Bits, f16Bits } from "./stored_formats.ts";

/** Every operation's rows, each computed from the row of the same number alone. */
export type RowResults = Map<string, Float32Array[]>;
/** Bytes that an operation leaves behind. */
export type WholeResults = Map<string, Uint8Array>;

const INPUTS = 200, OUTPUTS = 83, GROUP = 64;
/** Three times what the wide tile of floats takes at once. */
const TILED_INPUTS = 192;
/** Whole chunks of inputs, which few rows have tiles for; the last group is half of one. */
const WHOLE_INPUTS = 224;
const UNIT_INPUTS = 512;
const HEADS = 6, KV_HEADS = 2, HEAD_SIZE = 20, HALF = 9;
/** Rows that are there to draw from. */
export const ROWS_MAX = 17;

const ELEMENTS = ["f32", "f16", "bf16"] as const;
const KEY_VALUES = ["f32", "int16", "int8"] as const;
const FORMS = ["byte", "ladder", "word"] as const;
const FUNCTIONS = ["silu", "gelu", "geluTanh"] as const;

/** The operation that a result belongs to. */
export function operationOf(resultName: string): string {
  return resultName.split("()")[0];
}

function stored(values: Float32Array, type: ElementType): Float32Array | Uint16Array {
  return type === "f32" ? values : type === "f16" ? f16Bits(values) : bf16Bits(values);
}

/**
 * Runs every operation that works row by row on rows [begin, end) of the same operands, whatever the range. Attention takes the
 * rows' tokens after all those before them.
 */
export function runByRows(bench: Bench, begin = 0, end = ROWS_MAX): RowResults {
  return new Map([
    ...runProducts(bench, begin, end),
    ...runRowOperations(bench, begin, end),
    ...runAttention(bench, begin, end),
  ]);
}

/** One product of coded weights. */
function runCoded(
  bench: Bench,
  random: Random,
  product: Product,
  rows: Float32Array[],
  addends: Addends,
  groups: Pick<MatrixShape, "group" | "zeros"> = { group: GROUP, zeros: "own" },
): Float32Array[] {
  const inputs = rows[0].length, { bits, scaleType } = product;
  const shape = { inputs, outputs: OUTPUTS, bits, scaleType, ...groups };
  const matrix = packWeights(bench, drawWeights(random, shape), shape);
  return rowsOf(runProduct(bench, product, rows, matrix, OUTPUTS, addends), OUTPUTS);
}

function runProducts(bench: Bench, begin: number, end: number): RowResults {
  const { arena, kernels } = bench;
  const random = new Random(1);
  const results: RowResults = new Map();
  const rows = rowsOf(random.activations(ROWS_MAX * INPUTS), INPUTS).slice(begin, end);
  const before = rowsOf(random.activations(ROWS_MAX * OUTPUTS), OUTPUTS).slice(begin, end);
  const bias = random.activations(OUTPUTS);
  for (const product of PRODUCTS) {
    results.set(product.name, runCoded(bench, random, product, rows, { bias, before }));
  }
  const wholeRows = rowsOf(random.activations(ROWS_MAX * WHOLE_INPUTS), WHOLE_INPUTS).slice(begin, end);
  const unitRows = rowsOf(random.activations(ROWS_MAX * UNIT_INPUTS), UNIT_INPUTS).slice(begin, end);
  for (const product of PRODUCTS) {
    results.set(
      `${product.name}, whole chunks`,
      runCoded(bench, random, product, wholeRows, { bias, before }),
    );
  }
  for (const product of PRODUCTS.filter(({ scaleType }) => scaleType === "f16")) {
    for (const zeros of ["own", "offsets"] as const) {
      results.set(
        `${product.name}, groups of 32, ${zeros}`,
        runCoded(bench, random, product, wholeRows, { bias, before }, { group: 32, zeros }),
      );
    }
    results.set(
      `${product.name}, units`,
      runCoded(bench, random, product, unitRows, { bias, before }, { group: 32, zeros: "units" }),
    );
  }
  const sixBits = drawSixBits(random, UNIT_INPUTS, OUTPUTS);
  const packedSixBits = packSixBits(bench, sixBits);
  const unitInput = arena.floats(unitRows.flatMap((row) => [...row]));
  const byBytes = quantiseRows(bench, unitInput, rows.length, UNIT_INPUTS, packedSixBits.group, "byte");
  const ofSixBits = intoGaps(bench, OUTPUTS, rows.length, { bias, before }, (target) => {
    const whole = { rows: rows.length, outputs: OUTPUTS, inputs: UNIT_INPUTS };
    multiplyCodes(bench, byBytes, "int6", whole, packedSixBits, target);
  });
  results.set("matmulCodes() of 6 bits", rowsOf(ofSixBits, OUTPUTS));
  const dense = random.activations(OUTPUTS * INPUTS);
  const input = arena.floats(rows.flatMap((row) => [...row]));
  // With whole runs of the wide tile, and with others.
  for (const inputs of [TILED_INPUTS, INPUTS]) {
    const shape = { rows: rows.length, outputs: OUTPUTS, inputs }, { wideScratch } = kernels.form;
    for (const type of ELEMENTS) {
      const values = stored(dense.subarray(0, OUTPUTS * inputs), type);
      const weights = arena.reserve(Math.ceil(OUTPUTS / 8) * 8 * inputs * values.BYTES_PER_ELEMENT);
      kernels.packDense({
        source: arena.place(values),
        sourceType: type,
        rowCount: OUTPUTS,
        inputs,
        panelBegin: 0,
        weights,
      });
      const product = intoGaps(bench, OUTPUTS, rows.length, { bias, before }, (target) => {
        const from = strided(input, INPUTS);
        kernels.matmulDense({ wideScratch, input: from, weights, weightType: type, ...shape, ...target });
      });
      results.set(`matmulDense() of ${type}, ${inputs} inputs`, rowsOf(product, OUTPUTS));
    }
  }
  const shape = { rows: rows.length, outputs: OUTPUTS, inputs: INPUTS };
  const panels = Math.ceil(OUTPUTS / 8), groups = Math.ceil(INPUTS / GROUP);
  const weights = arena.reserve(panels * Math.ceil(INPUTS / 8) * 64),
    scales = arena.reserve(panels * groups * 32);
  kernels.packDenseCodes({
    source: arena.place(dense),
    sourceType: "f32",
    codeType: "int7",
    rowCount: OUTPUTS,
    inputs: INPUTS,
    group: GROUP,
    panelBegin: 0,
    scaleType: "f16",
    weights,
    scales,
    zeros: 0,
  });
  const coded = quantiseRows(bench, input, rows.length, INPUTS, GROUP, "byte");
  const values = intoGaps(bench, OUTPUTS, rows.length, { bias, before }, (target) => {
    const matrix = {
      weights,
      scales,
      scaleType: "f16",
      zeros: 0,
      zero: 64,
      offsets: 0,
      units: 0,
      group: GROUP,
    } as const;
    multiplyCodes(bench, coded, "int7", shape, matrix, target);
  });
  results.set("matmulCodes() of 7 bits", rowsOf(values, OUTPUTS));
  for (const form of FORMS) {
    const { sums, activationScales } = quantiseRows(bench, input, rows.length, INPUTS, GROUP, form);
    const count = rows.length * groups;
    const integers = new Int32Array(kernels.memory.wasm.buffer, sums, count);
    const rowsFrom = (values: ArrayLike<number>) =>
      rowsOfTiles(values, rows.length, groups).map((row) => Float32Array.from(row));
    results.set(`quantize() sums of ${form}`, rowsFrom(integers));
    const scales = form === "byte"
      ? rowsOf(kernels.memory.floatsAt(activationScales, rows.length).slice(), 1)
      : rowsFrom(kernels.memory.floatsAt(activationScales, count));
    results.set(`quantize() scales of ${form}`, scales);
  }
  return results;
}

function runRowOperations(bench: Bench, begin: number, end: number): RowResults {
  const { arena, kernels } = bench;
  const random = new Random(2);
  const results: RowResults = new Map();
  const rows = end - begin, width = HEADS * HEAD_SIZE;
  const drawRows = (length: number) => {
    const all = random.activations(ROWS_MAX * length);
    return strided(arena.place(all.slice(begin * length, end * length)), length);
  };
  const collect = (name: string, length: number, run: (output: Strided) => void) => {
    const result = arena.result(rows * length);
    run(strided(result.address, length));
    results.set(name, rowsOf(result.read(), length));
  };
  const collectInPlace = (name: string, length: number, run: (values: Strided) => void) => {
    const values = drawRows(length);
    run(values);
    results.set(name, rowsOf(kernels.memory.floatsAt(values.address, rows * length).slice(), length));
  };

  const ids = arena.place(Uint32Array.from({ length: rows }, (_, m) => (begin + m) * 5 % OUTPUTS));
  for (const bits of [4, 8] as const) {
    const shape = { inputs: INPUTS, outputs: OUTPUTS, group: GROUP, bits, zeros: "own" as const };
    const table = packWeights(bench, drawWeights(random, shape), shape);
    const weightType = bits === 4 ? "int4" : "int8";
    collect(`embed() of ${bits} bits`, INPUTS, (output) => {
      kernels.embed({ ids, weightType, ...table, rows, inputs: INPUTS, factor: 1.5, output });
    });
    const unitShape = { inputs: 256, outputs: OUTPUTS, group: 32, bits, zeros: "units" as const };
    const unitTable = packWeights(bench, drawWeights(random, unitShape), unitShape);
    collect(`embed() of ${bits} bits with units`, 256, (output) => {
      kernels.embed({ ids, weightType, ...unitTable, rows, inputs: 256, factor: 1.5, output });
    });
    collect(`embed() of ${bits} bits with offsets`, INPUTS, (output) => {
      const { scales: offsets } = table;
      kernels.embed({ ids, weightType, ...table, offsets, rows, inputs: INPUTS, factor: 1.5, output });
    });
  }

  const input = drawRows(width), up = drawRows(width);
  const weight = arena.place(random.activations(HEAD_SIZE));
  collect("rmsNorm()", width, (output) => {
    kernels.rmsNorm({ input, weight, rows, segments: HEADS, width: HEAD_SIZE, epsilon: 1e-6, output });
  });
  const bias = arena.place(random.activations(width)), scale = arena.place(random.activations(width));
  collect("sumGroups()", Math.ceil(width / 32), (output) => {
    kernels.sumGroups({ input, rows, inputs: width, group: 32, output });
  });
  collect("layerNorm()", width, (output) => {
    kernels.layerNorm({ input, weight: scale, bias, rows, width, epsilon: 1e-5, output });
  });
  const order = arena.place(Int32Array.from(random.permutation(width)));
  collect("gatherColumns()", width, (output) => {
    kernels.gatherColumns({ input, order, rows, count: width, output });
  });
  collect("spreadColumns()", 2 * width, (output) => {
    kernels.spreadColumns({ input, step: 2, rows, width, output });
    const next = { ...output, address: output.address + 4 };
    kernels.spreadColumns({ input: up, step: 2, rows, width, output: next });
  });
  for (const name of FUNCTIONS) {
    collect(`gatedActivation() ${name}`, width, (output) => {
      kernels.gatedActivation({ gate: input, up, function: name, rows, width, output });
    });
    collectInPlace(`activation() ${name}`, width, (values) => {
      kernels.activation({ function: name, rows, width, values });
    });
  }
  collectInPlace("addScaled()", width, (target) => {
    kernels.addScaled({ source: up, sourceType: "f32", rows, width, factor: 0.3, target });
  });

  const frequencies = arena.floats(Array.from({ length: HALF }, (_, i) => 10000 ** (-i / HALF)));
  const table = arena.result(rows * 2 * HALF);
  kernels.ropeTable({
    frequencies,
    start: 1000 + begin,
    rows,
    half: HALF,
    factor: 1.1,
    table: table.address,
  });
  results.set("ropeTable()", rowsOf(table.read(), 2 * HALF));
  collectInPlace("rope()", width, (vectors) => {
    kernels.rope({ table: table.address, rows, heads: HEADS, headSize: HEAD_SIZE, half: HALF, vectors });
  });
  return results;
}

function runAttention(bench: Bench, begin: number, end: number): RowResults {
  const random = new Random(3);
  const results: RowResults = new Map();
  const past = 50, counts = [32, 20];
  // Heads of whole panels of 16 columns go through the wide tiles.
  for (const headSize of [HEAD_SIZE, 80]) {
    const width = HEADS * headSize, shape = { heads: HEADS, kvHeads: KV_HEADS, headSize, window: 40 };
    const sequence = drawSequence(random, past + ROWS_MAX, shape);
    for (const type of KEY_VALUES) {
      const title = `${type}, heads of ${headSize}`;
      const cache = new Cache(bench, sequence, type);
      cache.append(0, past + begin);
      results.set(`attention() over ${title}`, rowsOf(cache.append(past + begin, past + end), width));
      const common = new Cache(bench, sequence, type);
      common.append(0, past + ROWS_MAX);
      const seen = rowsOf(common.seeCommon(end, counts), width).slice(begin);
      results.set(`attention() of common keys over ${title}`, seen);
      const weights = seen.map((_, m) => common.weightsOf(begin + m, counts));
      const joined = weights.map((heads) => Float32Array.from(heads.flatMap((head) => [...head])));
      results.set(`attentionWeights() over ${title}`, joined);
    }
  }
  for (const headSize of [80, 20]) {
    const shape = { heads: HEADS, kvHeads: HEADS, headSize, window: 0 };
    const blocks = new ByteBlocks(bench, drawSequence(new Random(4), 2 * KV_BLOCK_TOKENS, shape));
    results.set(`attendBytes() of ${headSize}`, rowsOf(blocks.attend(begin, end, counts), HEADS * headSize));
  }
  return results;
}

/** Runs every operation whose results are not rows of floats: threads share their panels, elements or heads. */
export function runWhole(bench: Bench): WholeResults {
  return new Map([
    ...runPacking(bench),
    ...runRounding(bench),
    ...runMarlin(bench),
    ...runMemory(bench),
    ...runStores(bench),
  ]);
}

/** Lets `run` fill so many bytes and keeps them. */
function collectBytes({ arena }: Bench, results: WholeResults) {
  return (name: string, bytes: number, run: (address: number) => void) => {
    const address = arena.reserve(bytes);
    run(address);
    results.set(name, arena.bytes(address, bytes).slice());
  };
}

function drawWords({ arena }: Bench, random: Random, count: number): number {
  return arena.place(Uint32Array.from({ length: count }, () => random.below(2 ** 32)));
}

function runPacking(bench: Bench): WholeResults {
  const { arena, kernels } = bench;
  const random = new Random(4);
  const results: WholeResults = new Map(), collect = collectBytes(bench, results);
  const outputs = 72, blocks = 5, panels = 9;
  const source = drawWords(bench, random, blocks * 2 * outputs);
  const order = arena.place(Int32Array.from(random.permutation(blocks * 8)));
  const values = random.activations(outputs * 45);
  const whole = { blockBegin: 0, blockCount: blocks };
  collect("packInt4()", panels * blocks * 32, (weights) => {
    kernels.packInt4({ source, outputs, blocks, ...whole, weights });
  });
  const steps = { wordStep: outputs, outputStep: 1, panelBegin: 0 };
  collect("packInt4Gathered()", panels * blocks * 32, (weights) => {
    kernels.packInt4Gathered({ source, order, ...steps, outputs, blocks, weights });
  });
  collect("packInt4Interleaved()", panels * blocks * 32, (weights) => {
    kernels.packInt4Interleaved({ source, outputs, blocks, ...whole, weights });
  });
  for (const [name, place] of [["", 0], [", reordered", order]] as const) {
    collect(`packInt8Gathered()${name}`, panels * blocks * 64, (weights) => {
      kernels.packInt8Gathered({
        source,
        order: place,
        ...steps,
        isSigned: !place,
        outputs,
        blocks,
        weights,
      });
    });
  }
  for (const format of Object.keys(BLOCK_FORMATS) as BlockFormat[]) {
    // 19 rows of 512 weights; without the highest exponents, so that no half float is infinite.
    const bytes = Uint8Array.from({ length: 19 * 512 * 2 }, () => random.below(256) & 0x7b);
    const rows = { source: arena.place(bytes), format, rowCount: 19, inputs: 512, panelBegin: 0 };
    const [scales, offsets, integers, units] = [0, 0, 0, 0].map(() => arena.reserve(3 * 32 * 32));
    const scaleType = format.includes("_K") ? "f16" : "f32";
    collect(`packBlocks() of ${format}`, 3 * 64 * 64, (weights) => {
      kernels.packBlocks({ ...rows, scaleType, weights, scales, offsets, units: 0 });
    });
    collect(`packBlocks() of ${format}, with units`, 3 * 64 * 64, (weights) => {
      kernels.packBlocks({ ...rows, scaleType: "f16", weights, scales: integers, offsets, units });
    });
    for (const [what, address] of Object.entries({ scales, offsets, integers, units })) {
      results.set(`packBlocks() ${what} of ${format}`, arena.bytes(address, 3 * 32 * 32).slice());
    }
  }
  for (const interleaved of [false, true]) {
    collect(`packZeros() ${interleaved ? "interleaved" : "in order"}`, panels * 6 * 16, (zeros) => {
      kernels.packZeros({
        source,
        bits: 4,
        addOne: !interleaved,
        isSigned: false,
        interleaved,
        alongGroups: false,
        groupStep: outputs / 2,
        outputStep: 4,
        outputs,
        groups: 6,
        split: 2,
        zeros,
      });
    });
  }
  for (const sourceType of ELEMENTS) {
    const floats = arena.place(stored(values, sourceType)), elementBytes = sourceType === "f32" ? 4 : 2;
    collect(`packScales() of ${sourceType}`, panels * 6 * 48, (scales) => {
      const call = {
        source: floats,
        sourceType,
        groupStep: outputs,
        outputStep: 1,
        outputs,
        groups: 6,
        split: 2,
      };
      kernels.packScales({ ...call, scaleType: "f32", scales });
      kernels.packScales({ ...call, scaleType: "f16", scales: scales + panels * 6 * 32 });
    });
    const rows = { source: floats, sourceType, rowCount: outputs, inputs: 45, panelBegin: 0 };
    collect(`packDense() of ${sourceType}`, panels * 45 * 8 * elementBytes, (weights) => {
      kernels.packDense({ ...rows, weights });
    });
    for (const codeType of ["int4", "int7", "int8"] as const) {
      // 4-bit codes come in whole blocks.
      const inputs = codeType === "int4" ? 40 : 45;
      const scales = arena.reserve(panels * 3 * 32), title = `of ${sourceType} to ${codeType}`;
      const zeros = codeType === "int4" ? arena.reserve(panels * 3 * 16) : 0;
      collect(`packDenseCodes() ${title}`, panels * 6 * 64, (weights) => {
        kernels.packDenseCodes({
          ...rows,
          codeType,
          inputs,
          group: 16,
          scaleType: "f16",
          weights,
          scales,
          zeros,
        });
      });
      if (zeros) results.set(`packDenseCodes() zeros ${title}`, arena.bytes(zeros, panels * 3 * 16).slice());
      results.set(`packDenseCodes() scales ${title}`, arena.bytes(scales, panels * 3 * 16).slice());
    }
    collect(`copyFloats() of ${sourceType}`, 77 * elementBytes, (target) => {
      kernels.copyFloats({ source: floats, sourceType, count: 77, target });
    });
    collect(`widen() of ${sourceType}`, 77 * 4, (target) => {
      kernels.widen({ source: floats, sourceType, count: 77, offset: 1, target });
    });
  }
  return results;
}

function runRounding(bench: Bench): WholeResults {
  const { arena, kernels } = bench;
  const random = new Random(9);
  const results: WholeResults = new Map(), collect = collectBytes(bench, results);
  const inputs = 48, outputs = 88, count = 32, group = 16;
  const floats = (length: number) => arena.place(random.activations(length));
  const source = floats(outputs * inputs), sums = strided(floats(outputs * inputs), outputs);
  const order = arena.place(Int32Array.from(random.permutation(inputs)));
  const factors = floats(count * count), reciprocals = floats(inputs);
  for (const isSymmetric of [true, false]) {
    for (const factorsAt of [factors, 0]) {
      const title = `${isSymmetric ? "around the middle" : "with zero points"}, ${
        factorsAt ? "passing on" : "alone"
      }`;
      const weights = arena.reserve(outputs * inputs * 4), predictions = arena.reserve(outputs * group * 4);
      const [scales, zeros] = [0, 0].map(() => arena.reserve(outputs * inputs / group * 4));
      const errors = arena.reserve(outputs * count * 4), shape = { outputs, inputs, group, isSymmetric };
      kernels.packDense({ source, sourceType: "f32", rowCount: outputs, inputs, panelBegin: 0, weights });
      collect(`roundInputs() ${title}`, outputs * inputs, (codes) => {
        const places = { order, sums, factors: factorsAt, reciprocals, predictions };
        const call = { ...shape, ...places, levels: 15, trials: 20, weights, errors, codes, scales, zeros };
        kernels.roundInputs({ ...call, begin: 0, count });
        kernels.roundInputs({ ...call, begin: count, count: inputs - count, factors: 0 });
      });
      for (
        const [name, address, bytes] of [["weights", weights, outputs * inputs * 4], [
          "scales",
          scales,
          outputs * 12,
        ]] as const
      ) {
        results.set(`roundInputs() ${name} ${title}`, arena.bytes(address, bytes).slice());
      }
    }
  }
  collect("transpose()", outputs * inputs * 4, (address) => {
    const input = strided(source, inputs), output = strided(address, outputs);
    kernels.transpose({ input, rows: outputs, columns: inputs, output });
  });
  return results;
}

function runMarlin(bench: Bench): WholeResults {
  const { arena, kernels } = bench;
  const random = new Random(5);
  const results: WholeResults = new Map(), collect = collectBytes(bench, results);
  const inputs = 80, outputs = 320, permutation = arena.place(Int32Array.from(random.permutation(inputs)));
  for (const bits of [4, 8]) {
    const source = drawWords(bench, random, inputs * outputs * bits / 32),
      bytes = inputs * outputs * bits / 8;
    for (const [name, order] of [["", 0], [", reordered", permutation]] as const) {
      const title = `of ${bits} bits${name}`, call = { source, order, inputs, outputs, bits };
      collect(`gptqToMarlin() ${title}`, bytes, (target) => kernels.gptqToMarlin({ ...call, target }));
      collect(`marlinToGptq() ${title}`, bytes, (target) => kernels.marlinToGptq({ ...call, target }));
      collect(`marlinToPanels() ${title}`, bytes, (target) => kernels.marlinToPanels({ ...call, target }));
    }
    collect(`unpackCodes() of ${bits} bits`, inputs * outputs, (codes) => {
      kernels.unpackCodes({ source, inputs, outputs, bits, codes });
    });
  }
  const scales = arena.place(f16Bits(random.activations(5 * outputs)));
  for (const isSingle of [false, true]) {
    collect(`marlinPermuteScales() ${isSingle}`, 5 * outputs * 2, (target) => {
      kernels.marlinPermuteScales({ source: scales, count: 5 * outputs, isSingle, target });
    });
  }
  return results;
}

function runMemory(bench: Bench): WholeResults {
  const { arena, kernels } = bench;
  const random = new Random(6);
  const results: WholeResults = new Map(), collect = collectBytes(bench, results);
  const bytes = 5 * 4096 + 100;
  collect("touch()", bytes, (target) => kernels.touch({ bytes, target }));
  const words = 16 * 301, source = drawWords(bench, random, words);
  const sums = arena.reserve(16 * kernels.threads);
  kernels.checksum({ source, bytes: words * 4, sums });
  // Threads add up their own words; the sums of all must not depend on who had which.
  const shares = new BigUint64Array(arena.bytes(sums, 16 * kernels.threads).slice().buffer);
  const totals = new BigUint64Array(2);
  shares.forEach((share, i) => totals[i % 2] += share);
  results.set("checksum()", new Uint8Array(totals.buffer));
  return results;
}

function runStores(bench: Bench): WholeResults {
  const { arena } = bench;
  const random = new Random(7);
  const results: WholeResults = new Map();
  const floats = arena.place(random.activations(ROWS_MAX * INPUTS));
  for (const form of FORMS) {
    const { codes } = quantiseRows(bench, floats, ROWS_MAX, INPUTS, GROUP, form);
    results.set(`quantize() of ${form}`, arena.bytes(codes, codesBytes(form)).slice());
  }
  for (const keyValueType of KEY_VALUES) {
    results.set(`storeKeysValues() of ${keyValueType}`, storedBlocks(bench, keyValueType, floats));
  }
  const shape = { heads: HEADS, kvHeads: HEADS, headSize: HEAD_SIZE, window: 0 };
  results.set("storeBytes()", new ByteBlocks(bench, drawSequence(random, 70, shape), [13, 57]).bytes);
  return results;
}

function codesBytes(form: ActivationForm): number {
  return ROWS_MAX * INPUTS * (form === "byte" ? 1 : 2);
}

/** Three blocks into which tokens from the middle of the first on are stored. */
function storedBlocks({ arena, kernels }: Bench, keyValueType: KeyValueType, floats: number): Uint8Array {
  const shape = { kvHeads: KV_HEADS, headSize: HEAD_SIZE, keyValueType }, bytes = keyValueBlockBytes(shape);
  const blocks = arena.place(new Uint8Array(3 * bytes));
  const width = KV_HEADS * HEAD_SIZE, rows = 2 * KV_BLOCK_TOKENS;
  kernels.storeKeysValues({
    keys: strided(floats, width),
    values: strided(floats + 4 * width, width),
    keyValueType,
    start: 13,
    rows,
    heads: KV_HEADS,
    headSize: HEAD_SIZE,
    table: arena.place(Uint32Array.of(blocks, blocks + bytes, blocks + 2 * bytes)),
  });
  return arena.bytes(blocks, 3 * bytes).slice();
}
