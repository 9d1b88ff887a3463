/**
 * Truth: the order by Marlin's tables (tests/reference/marlin.ts), whose checksums tests/formats/marlin_test.ts pins. Every
 * result lies between guards, and what a kernel does not write stays the guard's pattern.
 */
import { deepEqual, equal } from "node:assert/strict";
import { KIND_BF16, KIND_F16, KIND_F32 } from "../../kernels/shared/layout.ts";
import { decodeBf16, decodeF16 } from "../reference/half_floats.ts";
import {
  type Codes,
  gptqWords,
  marlinWords,
  panelWords,
  permutedScales,
  reordered,
  scaleOrder,
} from "../reference/marlin.ts";
import { type Bench, kernelTest } from "./harness.ts";
import { bf16Bits, f16Bits, panelPlace } from "./stored_formats.ts";

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
        deepEqual(fill(bench, gptq, (from, to) => kernels.gptqToMarlin(from, 0, to, k, n, bits)), marlin);
        deepEqual(fill(bench, marlin, (from, to) => kernels.marlinToGptq(from, 0, to, k, n, bits)), gptq);
        const panels = fill(bench, marlin, (from, to) => kernels.marlinToPanels(from, 0, to, k, n, bits));
        deepEqual(panels, panelWords(codes));
      }, { threads });

      kernelTest(`the same with the inputs in another order: ${title}`, (bench) => {
        const { arena, kernels, random } = bench;
        const codes = drawCodes(bench, k, n, bits);
        const sorted = random.permutation(k);
        const rowOf = sorted.map((_, input) => sorted.indexOf(input));
        const order = arena.place(Int32Array.from(sorted)), back = arena.place(Int32Array.from(rowOf));
        const gptq = gptqWords(codes), marlin = marlinWords(reordered(codes, sorted));
        deepEqual(fill(bench, gptq, (from, to) => kernels.gptqToMarlin(from, order, to, k, n, bits)), marlin);
        deepEqual(fill(bench, marlin, (from, to) => kernels.marlinToGptq(from, back, to, k, n, bits)), gptq);
        const panels = fill(bench, marlin, (from, to) => kernels.marlinToPanels(from, back, to, k, n, bits));
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
      if (bits === 4) kernels.packInt4(from, to, n, k / 8, 0, k / 8);
      else kernels.packInt8Gathered(from, 0, to, n, k / 8);
    });
    const panels = fill(bench, marlinWords(codes), (from, to) => {
      kernels.marlinToPanels(from, 0, to, k, n, bits);
    });
    deepEqual(panels, packed);
    arena.assertGuards();
  });

  for (const n of [1, 15, 16, 37, 64]) {
    kernelTest(`unpackCodes() gives the codes of ${n} outputs, ${bits} bits`, (bench) => {
      const { arena, kernels } = bench;
      const k = 40, codes = drawCodes(bench, k, n, bits);
      const target = arena.reserve(k * n);
      kernels.unpackCodes(arena.place(gptqWords(codes)), target, k, n, bits);
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
      const target = arena.reserve(scales.byteLength);
      kernels.marlinPermuteScales(arena.place(scales), target, scales.length, isSingle);
      const permuted = new Uint16Array(arena.bytes(target, scales.byteLength).slice().buffer);
      deepEqual(permuted, permutedScales(scales, isSingle));
    }, { threads });
  }

  for (
    const { name, kind, store, decode } of [
      { name: "f16", kind: KIND_F16, store: f16Bits, decode: decodeF16 },
      { name: "bf16", kind: KIND_BF16, store: bf16Bits, decode: decodeBf16 },
      {
        name: "f32",
        kind: KIND_F32,
        store: (values: number[]) => Float32Array.from(values),
        decode: (x: number) => x,
      },
    ]
  ) {
    kernelTest(`packMarlinScales() puts ${name} scales of ${title} in place and cuts groups`, (bench) => {
      const { arena, kernels, random } = bench;
      const outputs = 128, storedGroups = isSingle ? 1 : 3, split = 2, groups = storedGroups * split;
      const values = Array.from({ length: storedGroups * outputs }, () => random.between(-0.1, 0.1));
      const plain = store(values);
      // Where the table sends each: order[i] names the output whose scale comes i-th.
      const order = scaleOrder(isSingle), block = order.length;
      const stored = plain.map((_, i) => plain[i - i % block + order[i % block]]);
      const scales = arena.reserve(groups * outputs * 4);
      kernels.packMarlinScales(arena.place(stored), kind, scales, outputs, groups, split, isSingle);
      const panels = kernels.heap.floatsAt(scales, groups * outputs);
      for (let g = 0; g < groups; g++) {
        for (let n = 0; n < outputs; n++) {
          const expected = decode(plain[Math.floor(g / split) * outputs + n]);
          equal(panels[panelPlace(groups, g, n)], expected, `group ${g}, output ${n}`);
        }
      }
      equal(kernels.takeNonFiniteCount(), 0);
      const spoilt = store(values.map((value, i) => i % 50 === 7 ? Infinity : value));
      kernels.packMarlinScales(arena.place(spoilt), kind, scales, outputs, storedGroups, 1, isSingle);
      equal(kernels.takeNonFiniteCount(), values.filter((_, i) => i % 50 === 7).length);
    }, { threads: 2 });
  }
}
