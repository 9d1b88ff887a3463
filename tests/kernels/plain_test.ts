/**
 * Slices and the kept memory of kernels/host/plain.ts, seen through the functions that use it.
 */
import { deepEqual, throws } from "node:assert/strict";
import { runPlain } from "../../kernels/host/plain.ts";
import {
  gptqToMarlin,
  marlinPermuteScales,
  marlinToGptq,
  marlinToPanels,
  unpackGptq,
} from "../../src/formats/marlin.ts";
import { type Codes, gptqWords, marlinWords, panelWords, permutedScales } from "../reference/marlin.ts";
import { Random } from "./random.ts";

function drawCodes(k: number, n: number, bits: 4 | 8): Codes {
  const random = new Random(k + n);
  return { k, n, bits, values: Uint8Array.from({ length: k * n }, () => random.below(2 ** bits)) };
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
    deepEqual(gptqToMarlin(gptq, k, n, undefined, bits), marlin);
    deepEqual(marlinToGptq(marlin, k, n, undefined, bits), gptq);
    deepEqual(marlinToPanels(marlin, k, n, undefined, bits), panelWords(codes));
    deepEqual(unpackGptq(gptq, k, n, bits), codes.values);
  });
}

Deno.test("scales in several slices are permuted whole", () => {
  const groups = 128, n = 32832;
  const scales = Uint16Array.from({ length: groups * n }, (_, i) => i * 31 & 0xffff);
  deepEqual(marlinPermuteScales(scales, groups * 128, n, 128), permutedScales(scales, false));
});

Deno.test("a view into a larger buffer is read at its place, and stays as it was", () => {
  const codes = drawCodes(32, 64, 4), gptq = gptqWords(codes);
  const buffer = new Int32Array(gptq.length + 6).fill(-1);
  buffer.set(gptq, 3);
  const view = buffer.subarray(3, 3 + gptq.length);
  deepEqual(gptqToMarlin(view, 32, 64), marlinWords(codes));
  deepEqual(view, gptq);
});

Deno.test("results own their memory: a later call does not change them", () => {
  const codes = drawCodes(32, 64, 4), expected = marlinWords(codes);
  const first = gptqToMarlin(gptqWords(codes), 32, 64);
  gptqToMarlin(new Int32Array(4 * 64), 32, 64);
  deepEqual(first, expected);
});

Deno.test("a call that fails leaves the next one whole", () => {
  const codes = drawCodes(16, 64, 4), gptq = gptqWords(codes);
  const matrix = { values: gptq, rows: 2 };
  throws(() =>
    runPlain(64, matrix, { values: new Int32Array(128), rows: 1 }, undefined, () => {
      throw new Error("halfway");
    }), /halfway/);
  deepEqual(gptqToMarlin(gptq, 16, 64), marlinWords(codes));
});
