/**
 * Truth: the order by Marlin's tables (tests/reference/marlin.ts), whose checksums tests/formats/marlin_test.ts pins. Every
 * result lies between guards, and what a kernel does not write stays the guard's pattern.
 */
import { deepEqual } from "node:assert/strict";
import {
  type Codes,
  gptqWords,
  marlinWords,
  panelWords,
  permutedScales,
  reordered,
} from "../reference/marlin.ts";
import { type Bench, kernelTest } from "./harness.ts";

const SHAPES = [[16, 64], [16, 192], [48, 64], [80, 320], [256, 128]];

function drawCodes({ random }: Bench, k: number, n: number, bits: 4 | 8): Codes {
  return { k, n, bits, values: Uint8Array.from({ length: k * n }, () => random.below(2 ** bits)) };
}

/** Runs a kernel that fills as many bytes as `words` has; returns them as words. */
function fill(
  { arena }: Bench,
  words: Int32Array,
  run: (source: number, target: number) => void,
): Int32Array {
  const target = arena.reserve(words.byteLength);
  run(arena.place(words), target);
  return new Int32Array(arena.bytes(target, words.byteLength).slice().buffer);
}

for (const threads of [1, 2, 3]) {
  for (const bits of [4, 8] as const) {
    for (const [k, n] of SHAPES) {
      const title = `${k} × ${n}, ${bits} bits, ${threads} threads`;
      kernelTest(`Marlin's words, GPTQ's and panels lead to each other: ${title}`, (bench) => {
        const { kernels } = bench;
        const codes = drawCodes(bench, k, n, bits);
        const gptq = gptqWords(codes), marlin = marlinWords(codes);
        deepEqual(
          fill(
            bench,
            gptq,
            (from, to) =>
              kernels.gptqToMarlin({ source: from, order: 0, inputs: k, outputs: n, bits, target: to }),
          ),
          marlin,
        );
        deepEqual(
          fill(
            bench,
            marlin,
            (from, to) =>
              kernels.marlinToGptq({ source: from, order: 0, inputs: k, outputs: n, bits, target: to }),
          ),
          gptq,
        );
        const panels = fill(
          bench,
          marlin,
          (from, to) =>
            kernels.marlinToPanels({ source: from, order: 0, inputs: k, outputs: n, bits, target: to }),
        );
        deepEqual(panels, panelWords(codes));
      }, { threads });

      kernelTest(`the same with the inputs in another order: ${title}`, (bench) => {
        const { arena, kernels, random } = bench;
        const codes = drawCodes(bench, k, n, bits);
        const sorted = random.permutation(k);
        const rowOf = sorted.map((_, input) => sorted.indexOf(input));
        const order = arena.place(Int32Array.from(sorted)), back = arena.place(Int32Array.from(rowOf));
        const gptq = gptqWords(codes), marlin = marlinWords(reordered(codes, sorted));
        deepEqual(
          fill(
            bench,
            gptq,
            (from, to) =>
              kernels.gptqToMarlin({ source: from, order, inputs: k, outputs: n, bits, target: to }),
          ),
          marlin,
        );
        deepEqual(
          fill(
            bench,
            marlin,
            (from, to) =>
              kernels.marlinToGptq({ source: from, order: back, inputs: k, outputs: n, bits, target: to }),
          ),
          gptq,
        );
        const panels = fill(
          bench,
          marlin,
          (from, to) =>
            kernels.marlinToPanels({ source: from, order: back, inputs: k, outputs: n, bits, target: to }),
        );
        deepEqual(panels, panelWords(codes));
      }, { threads });
    }
  }
}

for (const bits of [4, 8] as const) {
  kernelTest(`marlinToPanels() gives what packing GPTQ's words gives, ${bits} bits`, (bench) => {
    const { arena, kernels } = bench;
    const k = 96, n = 256, codes = drawCodes(bench, k, n, bits);
    const packed = fill(bench, gptqWords(codes), (from, to) => {
      const call = { source: from, outputs: n, blocks: k / 8, weights: to };
      if (bits === 4) kernels.packInt4({ ...call, blockBegin: 0, blockCount: k / 8 });
      else {kernels.packInt8Gathered({
          ...call,
          order: 0,
          wordStep: n,
          outputStep: 1,
          isSigned: false,
          panelBegin: 0,
        });}
    });
    const panels = fill(bench, marlinWords(codes), (from, to) => {
      kernels.marlinToPanels({ source: from, order: 0, inputs: k, outputs: n, bits, target: to });
    });
    deepEqual(panels, packed);
    arena.assertGuards();
  });

  for (const n of [1, 15, 16, 37, 64]) {
    kernelTest(`unpackCodes() gives the codes of ${n} outputs, ${bits} bits`, (bench) => {
      const { arena, kernels } = bench;
      const k = 40, codes = drawCodes(bench, k, n, bits);
      const target = arena.reserve(k * n);
      kernels.unpackCodes({
        source: arena.place(gptqWords(codes)),
        inputs: k,
        outputs: n,
        bits,
        codes: target,
      });
      deepEqual(arena.bytes(target, k * n).slice(), codes.values);
    }, { threads: 3 });
  }
}

for (const isSingle of [false, true]) {
  const title = isSingle ? "one group" : "several groups";
  for (const threads of [1, 2, 3]) {
    kernelTest(`marlinPermuteScales() is the table's order, ${title}, ${threads} threads`, (bench) => {
      const { arena, kernels, random } = bench;
      const scales = Uint16Array.from({ length: 7 * 192 }, () => random.below(2 ** 16));
      const source = arena.place(scales), elsewhere = arena.reserve(scales.byteLength);
      for (const target of [elsewhere, source]) {
        kernels.marlinPermuteScales({ source, count: scales.length, isSingle, target });
        const permuted = new Uint16Array(arena.bytes(target, scales.byteLength).slice().buffer);
        deepEqual(permuted, permutedScales(scales, isSingle));
      }
    }, { threads });
  }
}
