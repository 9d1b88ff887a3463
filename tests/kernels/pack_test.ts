/**
 * Truth: the layouts as documented, decoded by stored_formats.ts, and known words: the check matrix, its words and CRC-32
 * values were computed with an independent packer (numpy); the zero-point words are those that GPTQModel writes.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { crc32 } from "node:zlib";
import type { ElementType } from "../../kernels/host/types.ts";
import { decodeBf16, decodeF16 } from "../reference/half_floats.ts";
import { quantiseBetween, quantiseWeights } from "../reference/quantise.ts";
import { assertSameBits, type Bench, kernelTest, rowsOf } from "./harness.ts";
import { drawWeights } from "./problems.ts";
import {
  bf16Bits,
  f16Bits,
  panelCode4,
  panelCode7,
  panelCode8,
  panelPlace,
  storeCodes,
  storeInterleaved,
  storeZeros,
} from "./stored_formats.ts";

/** A matrix of codes that anybody can compute. */
function checkCode(k: number, n: number): number {
  let x = (Math.imul(k, 2654435761) + n * 40503 + 12345) >>> 0;
  x = (x ^ (x >>> 15)) >>> 0;
  return (x >>> 3) % 16;
}

function checkMatrix(inputs: number, outputs: number): number[][] {
  return Array.from({ length: inputs }, (_, k) => Array.from({ length: outputs }, (_, n) => checkCode(k, n)));
}

const CHECK_WORDS = "38080807 919191AE EA6AED54 73F344FB C473F262 5AEA1919 91908080 08373F36";
const CHECK_SIZES = [
  { inputs: 16, outputs: 64, crc: 0x2c7e94ed },
  { inputs: 32, outputs: 128, crc: 0x957afe5f },
  { inputs: 128, outputs: 256, crc: 0x7e4c0e72 },
];

/** Codes of a 4-bit panel matrix as [K][N]. */
function readPanels4({ kernels }: Bench, address: number, inputs: number, outputs: number): number[][] {
  const blocks = inputs / 8;
  const panels = kernels.memory.wordsAt(address, Math.ceil(outputs / 8) * blocks * 8);
  return Array.from(
    { length: inputs },
    (_, k) => Array.from({ length: outputs }, (_, n) => panelCode4(panels, blocks, k, n)),
  );
}

/** Codes of an 8-bit or 7-bit panel matrix as [K][N]. */
function readPanels8(
  { kernels }: Bench,
  address: number,
  inputs: number,
  outputs: number,
  bits: 7 | 8 = 8,
): number[][] {
  const panelCode = bits === 8 ? panelCode8 : panelCode7;
  const blocks = Math.ceil(inputs / 8);
  const panels = kernels.memory.bytesAt(address, Math.ceil(outputs / 8) * blocks * 64);
  return Array.from(
    { length: inputs },
    (_, k) => Array.from({ length: outputs }, (_, n) => panelCode(panels, blocks, k, n)),
  );
}

for (const { inputs, outputs, crc } of CHECK_SIZES) {
  kernelTest(`packInt4() keeps the codes of the ${inputs} × ${outputs} check matrix`, (bench) => {
    const codes = checkMatrix(inputs, outputs);
    deepEqual(codes[0].slice(0, 8), [7, 14, 4, 11, 2, 9, 0, 6]);
    deepEqual(codes.slice(0, 8).map((row) => row[0]), [7, 0, 8, 0, 8, 0, 8, 3]);
    const stored = storeCodes({ inputs, outputs, codes, scales: [], zeros: [], groups: [] }, 4);
    deepEqual([...stored.subarray(0, 8)], CHECK_WORDS.split(" ").map((word) => parseInt(word, 16)));
    equal(crc32(new Uint8Array(stored.buffer)), crc);

    const weights = bench.arena.reserve(inputs * outputs / 2);
    const blocks = inputs / 8, source = bench.arena.place(stored);
    bench.kernels.packInt4({ source, outputs, blocks, blockBegin: 0, blockCount: blocks, weights });
    deepEqual(readPanels4(bench, weights, inputs, outputs), codes);
  });
}

for (const outputs of [1, 7, 8, 9, 17]) {
  kernelTest(`packInt4() packs ${outputs} outputs in windows of stored rows`, (bench) => {
    const { arena, kernels, random } = bench;
    const inputs = 56, blocks = inputs / 8;
    const drawn = drawWeights(random, { inputs, outputs, group: 8 });
    const stored = storeCodes(drawn, 4);
    const weights = arena.reserve(Math.ceil(outputs / 8) * blocks * 32);
    for (const [begin, count] of [[0, 3], [3, 1], [4, 3]]) {
      const window = arena.place(stored.slice(begin * outputs, (begin + count) * outputs));
      kernels.packInt4({ source: window, outputs, blocks, blockBegin: begin, blockCount: count, weights });
    }
    deepEqual(readPanels4(bench, weights, inputs, outputs), drawn.codes);
  });

  for (const bits of [4, 8] as const) {
    kernelTest(`packInt${bits}Gathered() reorders the inputs of ${outputs} outputs and pads`, (bench) => {
      const { arena, kernels, random } = bench;
      const inputs = 40;
      const drawn = drawWeights(random, { inputs, outputs, group: 8, bits });
      const order = random.permutation(inputs).flatMap((k) => random.below(4) === 0 ? [-1, k] : [k]);
      while (order.length % 8 !== 0) order.push(-1);
      ok(order.includes(-1));
      const packed = order.length, blocks = packed / 8;
      const weights = arena.reserve(Math.ceil(outputs / 8) * blocks * 8 * bits);
      const source = arena.place(storeCodes(drawn, bits));
      const steps = { wordStep: outputs, outputStep: 1, panelBegin: 0 };
      const call = { source, order: arena.place(Int32Array.from(order)), ...steps, outputs, blocks, weights };
      if (bits === 4) kernels.packInt4Gathered(call);
      else kernels.packInt8Gathered({ ...call, isSigned: false });
      const read = bits === 4 ? readPanels4 : readPanels8;
      const expected = order.map((k) => k < 0 ? Array<number>(outputs).fill(0) : drawn.codes[k]);
      deepEqual(read(bench, weights, packed, outputs), expected);
    });
  }
}

kernelTest("packInt8Gathered() without an order keeps the codes", (bench) => {
  const { arena, kernels, random } = bench;
  const inputs = 24, outputs = 9;
  const drawn = drawWeights(random, { inputs, outputs, group: 8, bits: 8 });
  const weights = arena.reserve(2 * 3 * 64);
  const source = arena.place(storeCodes(drawn, 8));
  const steps = { wordStep: outputs, outputStep: 1, panelBegin: 0, isSigned: false };
  kernels.packInt8Gathered({ source, order: 0, ...steps, outputs, blocks: inputs / 8, weights });
  deepEqual(readPanels8(bench, weights, inputs, outputs), drawn.codes);
});

/** The 16 × 16 check matrix in AWQ's words, computed with an independent packer. */
const CHECK_INTERLEAVED = "69BE0247 C23458AF 31FA8650 4974D0DB F94102D8 412CE857";

kernelTest("packInt4Interleaved() keeps the codes of the check matrix", (bench) => {
  const codes = checkMatrix(16, 16), source = storeInterleaved(codes);
  deepEqual(
    [...source.subarray(0, 6)],
    CHECK_INTERLEAVED.split(" ").map((word) => parseInt(word, 16)),
  );
  const weights = bench.arena.reserve(16 * 16 / 2);
  const shape = { outputs: 16, blocks: 2, blockBegin: 0, blockCount: 2 };
  bench.kernels.packInt4Interleaved({ source: bench.arena.place(source), ...shape, weights });
  deepEqual(readPanels4(bench, weights, 16, 16), codes);
});

for (const threads of [1, 3]) {
  for (const outputs of [8, 16, 24, 32, 40, 256]) {
    kernelTest(`packInt4Interleaved() packs ${outputs} outputs in windows, ${threads} threads`, (bench) => {
      const { arena, kernels, random } = bench;
      const inputs = 56, blocks = inputs / 8;
      const { codes } = drawWeights(random, { inputs, outputs, group: 8 });
      const weights = arena.reserve(outputs * inputs / 2);
      for (const [blockBegin, blockCount] of [[0, 3], [3, 1], [4, 3]]) {
        const window = codes.slice(blockBegin * 8, (blockBegin + blockCount) * 8);
        const source = arena.place(storeInterleaved(window));
        kernels.packInt4Interleaved({ source, outputs, blocks, blockBegin, blockCount, weights });
      }
      deepEqual(readPanels4(bench, weights, inputs, outputs), codes);
      // The same codes in GPTQ's words lead to the same panels.
      const stored = storeCodes({ inputs, outputs, codes, scales: [], zeros: [], groups: [] }, 4);
      const packed = arena.reserve(outputs * inputs / 2);
      const whole = { outputs, blocks, blockBegin: 0, blockCount: blocks };
      kernels.packInt4({ source: arena.place(stored), ...whole, weights: packed });
      deepEqual(arena.bytes(weights, outputs * inputs / 2), arena.bytes(packed, outputs * inputs / 2));
    }, { threads });
  }
}

kernelTest("packZeros() reads interleaved zero points as they are, groups cut in two", (bench) => {
  const { arena, kernels, random } = bench;
  const outputs = 24, groups = 5;
  const { zeros } = drawWeights(random, { inputs: 24, outputs, group: 8, zeros: "own" });
  const packed = arena.reserve(3 * groups * 16);
  kernels.packZeros({
    source: arena.place(storeInterleaved(zeros)),
    bits: 4,
    addOne: false,
    isSigned: false,
    interleaved: true,
    alongGroups: false,
    groupStep: outputs / 2,
    outputStep: 4,
    outputs,
    groups,
    split: 2,
    zeros: packed,
  });
  const panels = new Int16Array(kernels.memory.wasm.buffer, packed);
  for (let g = 0; g < groups; g++) {
    const own = Array.from({ length: outputs }, (_, n) => panels[panelPlace(groups, g, n)]);
    deepEqual(own, zeros[Math.floor(g / 2)], `group ${g}`);
  }
});

/** The zero points of one row of outputs, as packZeros leaves them. */
function zerosOfWords({ arena, kernels }: Bench, words: number[], bits: 4 | 8, addOne: boolean): number[] {
  const outputs = words.length * 32 / bits;
  const zeros = arena.reserve(Math.ceil(outputs / 8) * 16);
  kernels.packZeros({
    source: arena.place(Uint32Array.from(words)),
    bits,
    addOne,
    isSigned: false,
    interleaved: false,
    alongGroups: false,
    groupStep: outputs * bits / 8,
    outputStep: 4,
    outputs,
    groups: 1,
    split: 1,
    zeros,
  });
  return Array.from(
    { length: outputs },
    (_, n) => new Int16Array(kernels.memory.wasm.buffer, zeros)[panelPlace(1, 0, n)],
  );
}

const ZERO_WORDS = [
  { zeros: [5, 3, 15, 8, 7, 1, 12, 9], v2: 0x9c178f35, v1: 0x8b067e24 },
  { zeros: [5, 3, 0, 8, 7, 1, 12, 9], v2: 0x9c178035, v1: 0x8b066f24 },
  { zeros: [8, 8, 8, 8, 8, 8, 8, 8], v2: 0x88888888, v1: 0x77777777 },
  { zeros: [0, 0, 0, 0, 0, 0, 0, 0], v2: 0x00000000, v1: 0xeeeeeeef },
];

for (const { zeros, v2, v1 } of ZERO_WORDS) {
  kernelTest(`packZeros() reads zero points ${zeros.join(" ")} from v2 and v1 words`, (bench) => {
    deepEqual(zerosOfWords(bench, [v2], 4, false), zeros);
    deepEqual(zerosOfWords(bench, [v1], 4, true), zeros);
  });
}

kernelTest("packZeros() undoes the borrows of 8-bit words", (bench) => {
  const zeros = [128, 0, 255, 1];
  const word = (128 | 0 << 8 | 255 << 16 | 1 << 24) >>> 0;
  deepEqual(zerosOfWords(bench, [word], 8, false), zeros);
  deepEqual(zerosOfWords(bench, [(word - 0x01010101) >>> 0], 8, true), zeros);
});

for (const bits of [4, 8] as const) {
  for (const minusOne of [false, true]) {
    kernelTest(`packZeros() of ${bits} bits, groups cut in two, ${minusOne ? "v1" : "v2"}`, (bench) => {
      const { arena, kernels, random } = bench;
      const outputs = 24, groups = 5;
      const drawn = drawWeights(random, { inputs: 24, outputs, group: 8, bits, zeros: "own" });
      const packed = arena.reserve(3 * groups * 16);
      kernels.packZeros({
        source: arena.place(storeZeros(drawn, bits, minusOne)),
        bits,
        addOne: minusOne,
        isSigned: false,
        interleaved: false,
        alongGroups: false,
        groupStep: outputs * bits / 8,
        outputStep: 4,
        outputs,
        groups,
        split: 2,
        zeros: packed,
      });
      const panels = new Int16Array(kernels.memory.wasm.buffer, packed);
      for (let g = 0; g < groups; g++) {
        const own = Array.from({ length: outputs }, (_, n) => panels[panelPlace(groups, g, n)]);
        deepEqual(own, drawn.zeros[Math.floor(g / 2)], `group ${g}`);
      }
    });
  }
}

for (const bits of [4, 8] as const) {
  for (const outputs of [8, 19]) {
    kernelTest(
      `packInt${bits}Gathered() packs ${outputs} outputs that lie one after the other, in windows`,
      (bench) => {
        const { arena, kernels, random } = bench;
        const inputs = 40, blocks = inputs / 8, perWord = 32 / bits, isSigned = bits === 8;
        const { codes } = drawWeights(random, { inputs, outputs, group: 8, bits });
        // Each output's codes side by side, low bits first; signed ones are less by half their range.
        const stored = new Uint32Array(outputs * inputs / perWord);
        codes.forEach((row, k) =>
          row.forEach((code, n) => {
            const at = Math.floor((n * inputs + k) / perWord);
            const field = isSigned ? (code - 128) & 255 : code;
            stored[at] = (stored[at] | field << (k % perWord * bits)) >>> 0;
          })
        );
        const weights = arena.reserve(Math.ceil(outputs / 8) * blocks * 8 * bits);
        const wordsOfRow = inputs / perWord;
        for (const begin of [0, 8]) {
          if (begin >= outputs) continue;
          const count = begin === 0 ? 8 : outputs - 8;
          const source = arena.place(stored.slice(begin * wordsOfRow, (begin + count) * wordsOfRow));
          const steps = { wordStep: 1, outputStep: wordsOfRow, panelBegin: begin / 8 };
          const call = { source, order: 0, ...steps, outputs: count, blocks, weights };
          if (bits === 4) kernels.packInt4Gathered(call);
          else kernels.packInt8Gathered({ ...call, isSigned });
        }
        deepEqual((bits === 4 ? readPanels4 : readPanels8)(bench, weights, inputs, outputs), codes);
      },
    );
  }
}

for (const alongGroups of [false, true]) {
  const title = alongGroups ? "words along the groups" : "words along the outputs, a row of groups each";
  kernelTest(`packZeros() reads ${title}`, (bench) => {
    const { arena, kernels, random } = bench;
    const outputs = 24, groups = 11;
    const { zeros } = drawWeights(random, { inputs: groups * 8, outputs, group: 8, zeros: "own" });
    const words = alongGroups ? Math.ceil(groups / 8) : groups;
    const stored = new Uint32Array(alongGroups ? outputs * words : outputs / 8 * groups);
    zeros.forEach((own, g) =>
      own.forEach((zero, n) => {
        const [at, field] = alongGroups ? [n * words + (g >> 3), g & 7] : [(n >> 3) * groups + g, n & 7];
        stored[at] = (stored[at] | zero << (field * 4)) >>> 0;
      })
    );
    const packed = arena.reserve(3 * groups * 16);
    const steps = { alongGroups, groupStep: 4, outputStep: words * 4 };
    const encoding = { bits: 4, addOne: false, isSigned: false, interleaved: false, ...steps };
    kernels.packZeros({ source: arena.place(stored), ...encoding, outputs, groups, split: 1, zeros: packed });
    const panels = new Int16Array(kernels.memory.wasm.buffer, packed);
    zeros.forEach((own, g) => deepEqual(own.map((_, n) => panels[panelPlace(groups, g, n)]), own));
  });
}

kernelTest("packZeros() reads signed bytes, the groups of an output side by side", (bench) => {
  const { arena, kernels, random } = bench;
  const outputs = 9, groups = 5;
  const { zeros } = drawWeights(random, { inputs: 40, outputs, group: 8, bits: 8, zeros: "own" });
  const stored = new Int8Array(outputs * groups + 4);
  zeros.forEach((own, g) => own.forEach((zero, n) => stored[n * groups + g] = zero - 128));
  const packed = arena.reserve(2 * groups * 16);
  const steps = { alongGroups: true, groupStep: 4, outputStep: groups };
  const encoding = { bits: 8, addOne: false, isSigned: true, interleaved: false, ...steps };
  kernels.packZeros({
    source: arena.place(new Uint8Array(stored.buffer)),
    ...encoding,
    outputs,
    groups,
    split: 1,
    zeros: packed,
  });
  const panels = new Int16Array(kernels.memory.wasm.buffer, packed);
  zeros.forEach((own, g) => deepEqual(own.map((_, n) => panels[panelPlace(groups, g, n)]), own));
});

kernelTest("packScales() reads the groups of an output side by side, and one scale for all", (bench) => {
  const { arena, kernels, random } = bench;
  const outputs = 11, groups = 5;
  const values = Float32Array.from({ length: outputs * groups }, () => random.between(-1, 1));
  const scales = arena.reserve(2 * groups * 32), source = arena.place(values);
  const panels = () => kernels.memory.floatsAt(scales, 2 * groups * 8);
  const call = { source, sourceType: "f32", outputs, groups, split: 1, scaleType: "f32", scales } as const;
  kernels.packScales({ ...call, groupStep: 1, outputStep: groups });
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < outputs; n++) equal(panels()[panelPlace(groups, g, n)], values[n * groups + g]);
  }
  kernels.packScales({ ...call, groupStep: 0, outputStep: 0 });
  for (let n = 0; n < outputs; n++) equal(panels()[panelPlace(groups, 4, n)], values[0]);
});

/** The storages of floats: how to write values so that nothing is lost, and how to read the bits. */
const FLOATS: { type: ElementType; store(values: number[]): Float32Array | Uint16Array }[] = [
  { type: "f32", store: (values) => Float32Array.from(values) },
  { type: "f16", store: f16Bits },
  { type: "bf16", store: bf16Bits },
];

/** What a stored value is worth. */
function valuesOf(stored: Float32Array | Uint16Array, type: ElementType): number[] {
  if (stored instanceof Float32Array) return [...stored];
  return Array.from(stored, type === "f16" ? decodeF16 : decodeBf16);
}

/** Scales in panels. */
function readScales({ kernels }: Bench, address: number, count: number, type: "f16" | "f32"): number[] {
  const bits = type === "f16"
    ? kernels.memory.halvesAt(address, count)
    : kernels.memory.floatsAt(address, count);
  return type === "f16" ? Array.from(bits, decodeF16) : [...bits];
}

/** How far the nearest f16 may be: half of its last digit. */
function halfStep(value: number): number {
  return 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 11);
}

for (const { type, store } of FLOATS) {
  for (const scaleType of ["f16", "f32"] as const) {
    kernelTest(
      `packScales() takes ${type} as ${scaleType}, cuts groups and counts what is not finite`,
      (bench) => {
        const { arena, kernels, random } = bench;
        const outputs = 11, storedGroups = 3, groups = 5;
        // Numbers of all sizes, down to those of which f16 has few digits or none.
        const stored = store(
          Array.from({ length: storedGroups * outputs }, (_, i) => random.between(-0.1, 0.1) * 2 ** (-i)),
        );
        const scales = arena.reserve(2 * groups * 32);
        const rows = { sourceType: type, groupStep: outputs, outputStep: 1, outputs, scaleType };
        kernels.packScales({ source: arena.place(stored), ...rows, groups, split: 2, scales });
        const values = valuesOf(stored, type), panels = readScales(bench, scales, 2 * groups * 8, scaleType);
        for (let g = 0; g < groups; g++) {
          for (let n = 0; n < outputs; n++) {
            const found = panels[panelPlace(groups, g, n)],
              expected = values[Math.floor(g / 2) * outputs + n];
            if (scaleType === "f32") equal(found, expected);
            else ok(Math.abs(found - expected) <= halfStep(expected), `${found} for ${expected}`);
          }
        }
        equal(kernels.takeNonFiniteCount(), 0);

        const spoilt = store([...values.slice(0, -3), NaN, Infinity, -Infinity]);
        const source = arena.place(spoilt);
        kernels.packScales({ source, ...rows, groups: storedGroups, split: 1, scales });
        equal(kernels.takeNonFiniteCount(), 3);
        equal(kernels.takeNonFiniteCount(), 0, "the count was taken");

        // 65,519 is nearer to f16's largest number than to what would come next; both signs.
        if (type !== "f32") return;
        const large = arena.floats([65504, -65519, 65520, -70000, 1, 1, 1, 1, 1, 1, 1]);
        kernels.packScales({ source: large, ...rows, groups: 1, split: 1, scales });
        equal(kernels.takeNonFiniteCount(), scaleType === "f16" ? 2 : 0);
        deepEqual(readScales(bench, scales, 2, scaleType), [65504, scaleType === "f16" ? -65504 : -65519]);
      },
    );
  }

  kernelTest(`packDense() lays ${type} rows in panels from any panel on`, (bench) => {
    const { arena, kernels, random } = bench;
    const outputs = 19, inputs = 13;
    const stored = store(Array.from({ length: outputs * inputs }, () => random.between(-2, 2)));
    const bytes = stored.BYTES_PER_ELEMENT;
    const weights = arena.reserve(24 * inputs * bytes);
    const pack = (source: number, rowCount: number, inputs: number, panelBegin: number, weights: number) =>
      kernels.packDense({ source, sourceType: type, rowCount, inputs, panelBegin, weights });
    pack(arena.place(stored.slice(0, 8 * inputs)), 8, inputs, 0, weights);
    pack(arena.place(stored.slice(8 * inputs)), outputs - 8, inputs, 1, weights);
    const panels = stored instanceof Float32Array
      ? new Float32Array(kernels.memory.wasm.buffer, weights, 24 * inputs)
      : new Uint16Array(kernels.memory.wasm.buffer, weights, 24 * inputs);
    for (let n = 0; n < 24; n++) {
      for (let k = 0; k < inputs; k++) {
        equal(panels[panelPlace(inputs, k, n)], n < outputs ? stored[n * inputs + k] : 0);
      }
    }
    equal(kernels.takeNonFiniteCount(), 0);
    const spoilt = arena.place(store([1, NaN, -Infinity, 2]));
    pack(spoilt, 2, 2, 0, arena.reserve(8 * 2 * bytes));
    equal(kernels.takeNonFiniteCount(), 2);
    // In whole blocks of eight rows and inputs too, and after them.
    const block = Array.from({ length: 8 * 20 }, (_, i) => i === 13 ? NaN : i === 79 ? Infinity : i);
    pack(arena.place(store(block)), 8, 20, 0, arena.reserve(8 * 20 * bytes));
    equal(kernels.takeNonFiniteCount(), 2);
  });

  for (
    const { inputs, group, bits, scaleType } of [
      { inputs: 64, group: 32, bits: 8, scaleType: "f16" },
      { inputs: 45, group: 16, bits: 8, scaleType: "f32" },
      { inputs: 64, group: 32, bits: 7, scaleType: "f32" },
      { inputs: 45, group: 16, bits: 7, scaleType: "f16" },
      { inputs: 72, group: 32, bits: 4, scaleType: "f16" },
      { inputs: 72, group: 32, bits: 4, scaleType: "f32" },
    ] as const
  ) {
    const codeType = bits === 8 ? "int8" : bits === 7 ? "int7" : "int4";
    kernelTest(
      `packDenseCodes() of ${type} to ${bits} bits with scales of ${scaleType}, K = ${inputs}, group ${group}, is the documented rounding`,
      (bench) => {
        const { arena, kernels, random } = bench;
        const outputs = 11, groups = Math.ceil(inputs / group), blocks = Math.ceil(inputs / 8);
        const stored = store(Array.from(
          { length: outputs * inputs },
          (_, i) => Math.floor(i / inputs) === 4 ? 0 : random.between(-0.5, 0.5),
        ));
        const weights = arena.reserve(3 * blocks * 64), scales = arena.reserve(3 * groups * 32);
        const zeros = bits === 4 ? arena.reserve(2 * groups * 16) : 0;
        const call = {
          sourceType: type,
          codeType,
          inputs,
          group,
          scaleType,
          weights,
          scales,
          zeros,
        } as const;
        const source = arena.place(stored.slice(0, 8 * inputs)), rest = arena.place(stored.slice(8 * inputs));
        kernels.packDenseCodes({ ...call, source, rowCount: 8, panelBegin: 0 });
        kernels.packDenseCodes({ ...call, source: rest, rowCount: outputs - 8, panelBegin: 1 });
        equal(kernels.takeNonFiniteCount(), 0);
        const codes = bits === 4
          ? readPanels4(bench, weights, inputs, 16)
          : readPanels8(bench, weights, inputs, 16, bits);
        const panelScales = readScales(bench, scales, 16 * groups, scaleType);
        const zeroPoints = () => new Int16Array(kernels.memory.wasm.buffer, zeros, 16 * groups);
        rowsOf(Float32Array.from(valuesOf(stored, type)), inputs).forEach((row, n) => {
          for (let g = 0; g < groups; g++) {
            const run = row.slice(g * group, (g + 1) * group);
            const expected = bits === 4
              ? quantiseBetween(run, scaleType)
              : quantiseWeights(run, bits, scaleType);
            const found = Array.from(run, (_, i) => codes[g * group + i][n]);
            deepEqual(found, expected.codes, `row ${n}, group ${g}`);
            equal(panelScales[panelPlace(groups, g, n)], expected.scale);
            if ("zero" in expected) equal(zeroPoints()[panelPlace(groups, g, n)], expected.zero);
          }
        });
        for (let n = outputs; n < 16; n++) {
          for (let g = 0; g < groups; g++) {
            equal(panelScales[panelPlace(groups, g, n)], 0, "beyond the last row");
          }
        }
        // Of 4 bits, whole blocks.
        const spoiltInputs = bits === 4 ? 16 : 10;
        const spoilt = arena.place(
          store([1, NaN, 2, Infinity, ...Array.from({ length: spoiltInputs - 4 }, (_, k) => 3 + k)]),
        );
        kernels.packDenseCodes({
          ...call,
          source: spoilt,
          rowCount: 1,
          inputs: spoiltInputs,
          group: 8,
          panelBegin: 0,
          weights: arena.reserve(128),
          scales: arena.reserve(64),
          zeros: bits === 4 ? arena.reserve(32) : 0,
        });
        equal(kernels.takeNonFiniteCount(), 2);
        if (type === "f16") return;
        // Weights so large that f16 has no scale for them.
        const large = arena.place(store(Array.from({ length: inputs }, (_, k) => k === 1 ? 1e9 : 1)));
        kernels.packDenseCodes({ ...call, source: large, rowCount: 1, panelBegin: 0 });
        equal(kernels.takeNonFiniteCount(), scaleType === "f16" ? 1 : 0);
      },
    );
  }
}

for (const bits of [8, 7, 4] as const) {
  kernelTest(`packDenseCodes() to ${bits} bits takes weights for 0 whose scale has no inverse`, (bench) => {
    const { arena, kernels } = bench;
    // Of 8 and 7 bits, a last block that is not full.
    const inputs = bits === 4 ? 16 : 13;
    const row = Array.from({ length: inputs }, (_, k) => k % 3 === 0 ? 0 : (-1) ** k * k * 1e-42);
    const weights = arena.reserve(128), scales = arena.reserve(32);
    const zeros = bits === 4 ? arena.reserve(16) : 0;
    kernels.packDenseCodes({
      source: arena.floats(row),
      sourceType: "f32",
      codeType: `int${bits}`,
      rowCount: 1,
      inputs,
      group: 16,
      panelBegin: 0,
      scaleType: "f32",
      weights,
      scales,
      zeros,
    });
    equal(kernels.takeNonFiniteCount(), 0);
    const codes = bits === 4 ? readPanels4(bench, weights, 16, 8) : readPanels8(bench, weights, 16, 8, bits);
    const expected = bits === 4 ? 0 : 2 ** (bits - 1);
    if (zeros) equal(new Int16Array(kernels.memory.wasm.buffer, zeros)[0], expected);
    deepEqual(codes.map(([code]) => code), Array<number>(16).fill(expected));
  });
}

/** Bit patterns of binary16 whose values everybody agrees on. */
const F16_VALUES: [number, number][] = [
  [0x3c00, 1],
  [0x2e66, 0.0999755859375],
  [0x0001, 5.960464477539063e-8],
  [0x03ff, 6.097555160522461e-5],
  [0x0400, 6.103515625e-5],
  [0x7bff, 65504],
  [0x8000, -0],
  [0xc000, -2],
];

kernelTest("widen() decodes the known f16 values", ({ arena, kernels }) => {
  const source = arena.place(Uint16Array.from(F16_VALUES, ([bits]) => bits));
  const target = arena.result(F16_VALUES.length);
  const count = F16_VALUES.length;
  kernels.widen({ source, sourceType: "f16", count, offset: 0, target: target.address });
  // Adding the offset 0 turns −0 into +0; both are zero to a norm.
  deepEqual(Array.from(target.read(), (x) => x + 0), F16_VALUES.map(([, value]) => value + 0));
});

for (const [type, decode] of [["f16", decodeF16], ["bf16", decodeBf16]] as const) {
  kernelTest(`widen() decodes every finite ${type} pattern and counts the others`, ({ arena, kernels }) => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const target = arena.result(patterns.length);
    const source = arena.place(patterns), count = patterns.length;
    kernels.widen({ source, sourceType: type, count, offset: 0, target: target.address });
    const values = target.read();
    let nonFinite = 0;
    for (const bits of patterns) {
      const expected = decode(bits);
      if (Number.isFinite(expected)) ok(values[bits] === expected, `${bits}: ${values[bits]} ≠ ${expected}`);
      else nonFinite++;
    }
    equal(kernels.takeNonFiniteCount(), nonFinite);
  });
}

for (const [type, decode] of [["f16", decodeF16], ["bf16", decodeBf16]] as const) {
  kernelTest(
    `copyFloats() takes every ${type} pattern as it is and counts those of no number`,
    ({ arena, kernels }) => {
      // An odd number, so that the last share ends within a vector.
      const patterns = Uint16Array.from({ length: 65535 }, (_, i) => i * 40503 & 0xffff),
        count = patterns.length;
      const source = arena.place(patterns), target = arena.reserve(count * 2);
      kernels.copyFloats({ source, sourceType: type, count, target });
      deepEqual(new Uint16Array(arena.bytes(target, count * 2).slice().buffer), patterns);
      equal(
        kernels.takeNonFiniteCount(),
        patterns.reduce((sum, x) => sum + Number(!Number.isFinite(decode(x))), 0),
      );
    },
    { threads: 3 },
  );
}

kernelTest("copyFloats() takes f32 as they are and counts infinities and NaN", ({ arena, kernels }) => {
  for (const [values, bad] of [[[0, -1, 3.4e38, 1e-45], 0], [[1, NaN, -Infinity, 2, Infinity], 3]] as const) {
    const source = arena.place(Float32Array.from(values)), target = arena.result(values.length);
    kernels.copyFloats({ source, sourceType: "f32", count: values.length, target: target.address });
    assertSameBits(target.read(), Float32Array.from(values), "the copy");
    equal(kernels.takeNonFiniteCount(), bad);
  }
});

for (const count of [1, 2, 7, 33]) {
  kernelTest(`widen() adds the offset to ${count} values`, ({ arena, kernels, random }) => {
    const values = random.activations(count);
    const target = arena.result(count);
    const source = arena.place(values);
    kernels.widen({ source, sourceType: "f32", count, offset: 1, target: target.address });
    assertSameBits(target.read(), values.map((x) => x + 1), "w + 1");
  }, { threads: 3 });
}

kernelTest("non-finite values are counted over all threads", ({ arena, kernels }) => {
  const values = Float32Array.from({ length: 100 }, (_, i) => i % 3 === 0 ? NaN : i);
  const source = arena.place(values), target = arena.result(100).address;
  kernels.widen({ source, sourceType: "f32", count: 100, offset: 0, target });
  equal(kernels.takeNonFiniteCount(), 34);
}, { threads: 3 });
