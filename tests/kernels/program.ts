/**
 * One run of every compute kernel on fixed operands, for comparisons bit by bit.
 *
 * @module
 */
import {
  ACTIVATION_GELU,
  ACTIVATION_GELU_TANH,
  ACTIVATION_SILU,
  KIND_BF16,
  KIND_F16,
  KIND_F32,
  KIND_INT4,
  KIND_INT7,
  KIND_INT8,
} from "../../kernels/shared/layout.ts";
import { joinFloats } from "../../src/core/floats.ts";
import type { Bench } from "./harness.ts";
import { Cache, drawSequence } from "./key_value_cache.ts";
import { drawWeights, packWeights, quantiseRows } from "./problems.ts";
import { PRODUCTS, runProduct } from "./products.ts";
import { bf16Bits, f16Bits } from "./stored_formats.ts";
import { rowsOf } from "./harness.ts";
import { intoGaps } from "./products.ts";
import { Random } from "./random.ts";

/** Every kernel's rows, each computed from the row of the same number alone. */
export type Results = Map<string, Float32Array[]>;

const INPUTS = 200, OUTPUTS = 83, GROUP = 64;
const HEADS = 6, KV_HEADS = 2, HEAD_SIZE = 20, HALF = 9;
/** Rows that are there to draw from. */
export const ROWS_MAX = 17;

/**
 * Runs every kernel on rows [begin, end) of the same operands, whatever the range. Attention takes the rows' tokens after
 * all those before them.
 */
export function runEverything(bench: Bench, begin = 0, end = ROWS_MAX): Results {
  return new Map([...runProducts(bench, begin, end), ...runRowKernels(bench, begin, end)]);
}

function runProducts(bench: Bench, begin: number, end: number): Results {
  const { arena, kernels } = bench;
  const random = new Random(1);
  const results: Results = new Map();
  const rows = rowsOf(random.activations(ROWS_MAX * INPUTS), INPUTS).slice(begin, end);
  const before = rowsOf(random.activations(ROWS_MAX * OUTPUTS), OUTPUTS).slice(begin, end);
  const bias = random.activations(OUTPUTS);
  for (const product of PRODUCTS) {
    const shape = {
      inputs: INPUTS,
      outputs: OUTPUTS,
      group: GROUP,
      bits: product.bits,
      zeros: "own" as const,
    };
    const matrix = packWeights(bench, drawWeights(random, shape), shape);
    const values = runProduct(bench, product, rows, matrix, OUTPUTS, { bias, before });
    results.set(product.name, rowsOf(values, OUTPUTS));
  }
  const dense = random.activations(OUTPUTS * INPUTS);
  const input = arena.floats(rows.flatMap((row) => [...row]));
  for (
    const [name, kind, stored] of [
      ["f32", KIND_F32, dense],
      ["f16", KIND_F16, f16Bits(dense)],
      ["bf16", KIND_BF16, bf16Bits(dense)],
    ] as const
  ) {
    const weights = arena.reserve(Math.ceil(OUTPUTS / 8) * 8 * INPUTS * stored.BYTES_PER_ELEMENT);
    kernels.packDense(arena.place(stored), kind, weights, OUTPUTS, INPUTS, 0);
    const shape = { rows: rows.length, outputs: OUTPUTS, inputs: INPUTS };
    const values = intoGaps(bench, OUTPUTS, rows.length, { bias, before }, (target) => {
      kernels.matmulDense(kind, input, INPUTS * 4, weights, shape, target);
    });
    results.set(`matmulDense() of ${name}`, rowsOf(values, OUTPUTS));
  }
  const panels = Math.ceil(OUTPUTS / 8), groups = Math.ceil(INPUTS / GROUP);
  const weights = arena.reserve(panels * Math.ceil(INPUTS / 8) * 64),
    scales = arena.reserve(panels * groups * 32);
  kernels.packDenseCodes(arena.place(dense), KIND_F32, KIND_INT7, weights, scales, OUTPUTS, INPUTS, GROUP, 0);
  const coded = quantiseRows(bench, input, rows.length, INPUTS, GROUP, kernels.activationForm(KIND_INT7, 1));
  const values = intoGaps(bench, OUTPUTS, rows.length, { bias, before }, (target) => {
    const matrix = { weights, scales, zeros: 0, zero: 64, group: GROUP };
    const shape = { rows: rows.length, outputs: OUTPUTS, inputs: INPUTS };
    kernels.matmulCodes(coded, KIND_INT7, shape, [{ matrix, outputs: OUTPUTS, target }]);
  });
  results.set("matmulCodes() of 7 bits", rowsOf(values, OUTPUTS));
  return results;
}

function runRowKernels(bench: Bench, begin: number, end: number): Results {
  const { arena, kernels } = bench;
  const random = new Random(2);
  const results: Results = new Map();
  const rows = end - begin, width = HEADS * HEAD_SIZE;
  const drawRows = (length: number) => {
    const all = random.activations(ROWS_MAX * length);
    return arena.place(all.slice(begin * length, end * length));
  };
  const collect = (name: string, length: number, run: (address: number) => void) => {
    const result = arena.result(rows * length);
    run(result.address);
    results.set(name, rowsOf(result.read(), length));
  };
  const collectInPlace = (name: string, length: number, run: (address: number) => void) => {
    const address = drawRows(length);
    run(address);
    results.set(name, rowsOf(kernels.heap.floatsAt(address, rows * length).slice(), length));
  };

  const ids = arena.place(Uint32Array.from({ length: rows }, (_, m) => (begin + m) * 5 % OUTPUTS));
  for (const bits of [4, 8] as const) {
    const shape = { inputs: INPUTS, outputs: OUTPUTS, group: GROUP, bits, zeros: "own" as const };
    const table = packWeights(bench, drawWeights(random, shape), shape);
    const kind = bits === 4 ? KIND_INT4 : KIND_INT8;
    collect(
      `embed() of ${bits} bits`,
      INPUTS,
      (to) => kernels.embed(ids, kind, table, to, rows, INPUTS, 1.5),
    );
  }

  const input = drawRows(width), weight = arena.place(random.activations(HEAD_SIZE));
  const stride = width * 4;
  collect("rmsNorm()", width, (to) => {
    kernels.rmsNorm(input, stride, to, stride, weight, rows, HEADS, HEAD_SIZE, 1e-6);
  });
  const order = arena.place(Int32Array.from(random.permutation(width)));
  collect("gatherColumns()", width, (to) => kernels.gatherColumns(input, stride, order, to, rows, width));
  const up = drawRows(width);
  for (const [name, kind] of [["SiLU", ACTIVATION_SILU], ["GELU", ACTIVATION_GELU_TANH]] as const) {
    collect(`gatedActivation() ${name}`, width, (to) => {
      kernels.gatedActivation(kind, input, stride, up, stride, to, stride, rows, width);
    });
  }
  collectInPlace("addScaled()", width, (to) => {
    kernels.addScaled(to, stride, up, KIND_F32, stride, rows, width, 0.3);
  });
  const bias = arena.place(random.activations(width));
  const scale = arena.place(random.activations(width));
  collect("layerNorm()", width, (to) => {
    kernels.layerNorm(input, stride, to, stride, scale, bias, rows, width, 1e-5);
  });
  collectInPlace("activation() GELU", width, (to) => kernels.activation(ACTIVATION_GELU, to, rows, width));
  collect("spreadColumns()", 2 * width, (to) => {
    kernels.spreadColumns(input, stride, to, 2 * stride, 2, rows, width);
    kernels.spreadColumns(up, stride, to + 4, 2 * stride, 2, rows, width);
  });
  collectInPlace("softmax()", 83, (to) => kernels.softmax(to, rows, 83));

  const frequencies = arena.floats(Array.from({ length: HALF }, (_, i) => 10000 ** (-i / HALF)));
  const table = arena.result(rows * 2 * HALF);
  kernels.ropeTable(frequencies, 1000 + begin, table.address, rows, HALF, 1.1);
  results.set("ropeTable()", rowsOf(table.read(), 2 * HALF));
  collectInPlace("rope()", width, (to) => {
    kernels.rope(to, stride, table.address, rows, HEADS, HEAD_SIZE, HALF);
  });

  const past = 50;
  const sequence = drawSequence(random, past + ROWS_MAX, {
    heads: HEADS,
    kvHeads: KV_HEADS,
    headSize: HEAD_SIZE,
    window: 40,
  });
  const cache = new Cache(bench, sequence);
  cache.append(0, past + begin);
  results.set("attention()", rowsOf(cache.append(past + begin, past + end), width));
  const common = new Cache(bench, sequence);
  common.append(0, past + ROWS_MAX);
  results.set("attention() of common keys", rowsOf(common.seeCommon(end, [32, 20]), width).slice(begin));
  results.set("attentionWeights()", [joinFloats(common.weightsOf(0, [32, 20]))].slice(begin));
  return results;
}

/** The packing kernels' outcomes, which threads share by panels or elements. */
export function runPacking({ arena, kernels }: Bench): Map<string, Uint8Array> {
  const random = new Random(3);
  const results = new Map<string, Uint8Array>();
  const outputs = 72, blocks = 5, panels = 9;
  const words = (count: number) =>
    arena.place(Uint32Array.from({ length: count }, () => random.below(2 ** 32)));
  const collect = (name: string, bytes: number, run: (address: number) => void) => {
    const address = arena.reserve(bytes);
    run(address);
    results.set(name, arena.bytes(address, bytes).slice());
  };
  const codes = words(blocks * 2 * outputs),
    order = arena.place(Int32Array.from(random.permutation(blocks * 8)));
  const floats = arena.place(random.activations(outputs * 45));
  collect("packInt4()", panels * blocks * 32, (to) => {
    kernels.packInt4(codes, to, outputs, blocks, 0, blocks);
  });
  collect("packInt4Gathered()", panels * blocks * 32, (to) => {
    kernels.packInt4Gathered(codes, order, to, outputs, blocks);
  });
  collect("packInt8Gathered()", panels * blocks * 64, (to) => {
    kernels.packInt8Gathered(codes, order, to, outputs, blocks);
  });
  collect("packScales()", panels * 6 * 32, (to) => {
    kernels.packScales(floats, KIND_F32, to, outputs, 6, 2);
  });
  collect("packZeros()", panels * 6 * 16, (to) => {
    kernels.packZeros(codes, 4, true, to, outputs, 6, 2);
  });
  collect("packDense()", panels * 45 * 32, (to) => {
    kernels.packDense(floats, KIND_F32, to, outputs, 45, 0);
  });
  for (const codeKind of [KIND_INT7, KIND_INT8]) {
    collect(`packDenseCodes() of kind ${codeKind}`, panels * 6 * 64, (to) => {
      const scales = arena.reserve(panels * 3 * 32);
      kernels.packDenseCodes(floats, KIND_F32, codeKind, to, scales, outputs, 45, 16, 0);
      results.set(
        `packDenseCodes() scales of kind ${codeKind}`,
        arena.bytes(scales, panels * 3 * 32).slice(),
      );
    });
  }
  const k = 80, n = 320, inputs = arena.place(Int32Array.from(random.permutation(k)));
  for (const bits of [4, 8]) {
    const matrix = words(k * n * bits / 32), bytes = k * n * bits / 8;
    for (const [name, place] of [["", 0], [", reordered", inputs]] as const) {
      const title = `of ${bits} bits${name}`;
      collect(`gptqToMarlin() ${title}`, bytes, (to) => kernels.gptqToMarlin(matrix, place, to, k, n, bits));
      collect(`marlinToGptq() ${title}`, bytes, (to) => kernels.marlinToGptq(matrix, place, to, k, n, bits));
      collect(`marlinToPanels() ${title}`, bytes, (to) => {
        kernels.marlinToPanels(matrix, place, to, k, n, bits);
      });
    }
    collect(`unpackCodes() of ${bits} bits`, k * n, (to) => kernels.unpackCodes(matrix, to, k, n, bits));
  }
  const scales = arena.place(f16Bits(random.activations(5 * n)));
  for (const isSingle of [false, true]) {
    collect(`marlinPermuteScales() ${isSingle}`, 5 * n * 2, (to) => {
      kernels.marlinPermuteScales(scales, to, 5 * n, isSingle);
    });
    collect(`packMarlinScales() ${isSingle}`, 10 * n * 4, (to) => {
      kernels.packMarlinScales(scales, KIND_F16, to, n, 10, 2, isSingle);
    });
  }
  collect("widen()", 77 * 4, (to) => kernels.widen(floats, KIND_F32, to, 77, 1));
  return results;
}
