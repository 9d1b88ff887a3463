/**
 * Slices and the kept memory of kernels/host/alone.ts, seen through Marlin's repacking.
 */
import { deepEqual, throws } from "node:assert/strict";
import { type OutputMatrix, runAlone, type Slice } from "../../kernels/host/alone.ts";
import type { Kernels } from "../../kernels/host/kernels.ts";
import {
  type Codes,
  gptqWords,
  marlinWords,
  panelWords,
  permutedScales,
  reordered,
} from "../reference/marlin.ts";
import { Random } from "./random.ts";

function drawCodes(k: number, n: number, bits: 4 | 8): Codes {
  const random = new Random(k + n);
  return { k, n, bits, values: Uint8Array.from({ length: k * n }, () => random.below(2 ** bits)) };
}

/** Rows of GPTQ's words, of Marlin's and of panels, which have one "row" of all that belongs to an output. */
function rowsOf({ k, bits }: Codes) {
  return { gptq: k * bits / 32, marlin: k / 16, panels: 1 };
}

/** Runs a kernel over all outputs and returns what it wrote. */
function run<Values extends OutputMatrix["values"]>(
  { n }: Codes,
  source: OutputMatrix,
  target: { values: Values; rows: number },
  call: (kernels: Kernels, slice: Slice) => void,
  order?: Int32Array,
): Values {
  runAlone(n, source, target, order, call);
  return target.values;
}

function toMarlin(codes: Codes, gptq: Int32Array, order?: Int32Array): Int32Array {
  const { gptq: sourceRows, marlin: rows } = rowsOf(codes), { k: inputs, bits } = codes;
  const target = { values: new Int32Array(gptq.length), rows };
  return run(codes, { values: gptq, rows: sourceRows }, target, (kernels, slice) => {
    kernels.gptqToMarlin({ ...slice, inputs, bits });
  }, order);
}

function toGptq(codes: Codes, marlin: Int32Array): Int32Array {
  const { gptq: rows, marlin: sourceRows } = rowsOf(codes), { k: inputs, bits } = codes;
  const target = { values: new Int32Array(marlin.length), rows };
  return run(codes, { values: marlin, rows: sourceRows }, target, (kernels, slice) => {
    kernels.marlinToGptq({ ...slice, inputs, bits });
  });
}

function toPanels(codes: Codes, marlin: Int32Array): Int32Array {
  const { marlin: sourceRows, panels: rows } = rowsOf(codes), { k: inputs, bits } = codes;
  const target = { values: new Int32Array(marlin.length), rows };
  return run(codes, { values: marlin, rows: sourceRows }, target, (kernels, slice) => {
    kernels.marlinToPanels({ ...slice, inputs, bits });
  });
}

function toCodes(codes: Codes, gptq: Int32Array): Uint8Array {
  const { k: inputs, n, bits } = codes;
  const target = { values: new Uint8Array(inputs * n), rows: inputs };
  return run(codes, { values: gptq, rows: rowsOf(codes).gptq }, target, (kernels, slice) => {
    kernels.unpackCodes({ source: slice.source, outputs: slice.outputs, inputs, bits, codes: slice.target });
  });
}

for (
  const [title, k, n, bits] of [
    ["several slices, the last one shorter", 1024, 8256, 4],
    ["several slices, 8 bits", 512, 8384, 8],
    ["a slice larger than what is kept", 65600, 64, 8],
  ] as const
) {
  Deno.test(`a matrix in ${title} is repacked whole`, () => {
    const codes = drawCodes(k, n, bits), gptq = gptqWords(codes), marlin = marlinWords(codes);
    deepEqual(toMarlin(codes, gptq), marlin);
    deepEqual(toGptq(codes, marlin), gptq);
    deepEqual(toPanels(codes, marlin), panelWords(codes));
    deepEqual(toCodes(codes, gptq), codes.values);
  });
}

Deno.test("an order goes to every slice whole", () => {
  const codes = drawCodes(1024, 8256, 4), order = new Random(1).permutation(codes.k);
  deepEqual(toMarlin(codes, gptqWords(codes), Int32Array.from(order)), marlinWords(reordered(codes, order)));
});

Deno.test("scales in several slices are permuted whole", () => {
  const groups = 128, n = 32832;
  const scales = Uint16Array.from({ length: groups * n }, (_, i) => i * 31 & 0xffff);
  const permuted = new Uint16Array(scales.length);
  runAlone(
    n,
    { values: scales, rows: groups },
    { values: permuted, rows: groups },
    undefined,
    (kernels, slice) => {
      const { source, target, outputs } = slice;
      kernels.marlinPermuteScales({ source, count: groups * outputs, isSingle: false, target });
    },
  );
  deepEqual(permuted, permutedScales(scales, false));
});

Deno.test("a view into a larger buffer is read at its place, and stays as it was", () => {
  const codes = drawCodes(32, 64, 4), gptq = gptqWords(codes);
  const buffer = new Int32Array(gptq.length + 6).fill(-1);
  buffer.set(gptq, 3);
  const view = buffer.subarray(3, 3 + gptq.length);
  deepEqual(toMarlin(codes, view), marlinWords(codes));
  deepEqual(view, gptq);
});

Deno.test("results own their memory: a later call does not change them", () => {
  const codes = drawCodes(32, 64, 4), expected = marlinWords(codes);
  const first = toMarlin(codes, gptqWords(codes));
  toMarlin(codes, new Int32Array(4 * 64));
  deepEqual(first, expected);
});

Deno.test("a call that fails leaves the next one whole", () => {
  const codes = drawCodes(16, 64, 4), gptq = gptqWords(codes);
  const matrix = { values: gptq, rows: 2 };
  throws(() =>
    runAlone(64, matrix, { values: new Int32Array(128), rows: 1 }, undefined, () => {
      throw new Error("halfway");
    }), /halfway/);
  deepEqual(toMarlin(codes, gptq), marlinWords(codes));
});
