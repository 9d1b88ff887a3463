/**
 * Marlin's order against the specification's words and checksums (matrix T, second matrix, one-hot places, scale vectors) and the
 * golden arrays of a numpy implementation.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  type CodeBits,
  gptqToMarlin,
  marlinPermuteScales,
  marlinToGptq,
  unpackGptq,
} from "../../src/formats/marlin.ts";
import { assertRefused } from "../errors.ts";
import { readGolden } from "../goldens.ts";
import { hasShared, sharedPath } from "../shared.ts";

type CodeOf = (k: number, n: number) => number;

/** The specification's matrix T, modulo 16 or 256. */
function matrixT(modulus: number): CodeOf {
  return (k, n) => {
    let x = (Math.imul(k, 2654435761) + n * 40503 + 12345) >>> 0;
    x = (x ^ (x >>> 15)) >>> 0;
    return (x >>> 3) % modulus;
  };
}

/** GPTQ words: 32 / bits codes along the inputs, low bits first. */
function storedWords(code: CodeOf, k: number, n: number, bits: CodeBits = 4): Int32Array {
  const perWord = 32 / bits;
  const words = new Int32Array(k / perWord * n);
  for (let input = 0; input < k; input++) {
    for (let output = 0; output < n; output++) {
      words[Math.floor(input / perWord) * n + output] |= code(input, output) << (input % perWord * bits);
    }
  }
  return words;
}

function checksum(words: Int32Array): string {
  return crc32(new Uint8Array(words.buffer)).toString(16).toUpperCase().padStart(8, "0");
}

function hex(words: Int32Array): string {
  return Array.from(words, (word) => (word >>> 0).toString(16).toUpperCase().padStart(8, "0")).join(" ");
}

const CHECKS: {
  name: string;
  code: CodeOf;
  k: number;
  n: number;
  bits?: CodeBits;
  gptq?: string;
  marlin: string;
}[] = [
  { name: "T", code: matrixT(16), k: 16, n: 64, gptq: "2C7E94ED", marlin: "48DB95DC" },
  { name: "T", code: matrixT(16), k: 32, n: 128, gptq: "957AFE5F", marlin: "D9BB3FC3" },
  { name: "T", code: matrixT(16), k: 128, n: 256, gptq: "7E4C0E72", marlin: "6F9C0970" },
  {
    name: "7k + 3n",
    code: (k, n) => (7 * k + 3 * n) % 16,
    k: 16,
    n: 64,
    gptq: "4BA0BEDD",
    marlin: "583A8B4A",
  },
  { name: "7k + 3n", code: (k, n) => (7 * k + 3 * n) % 16, k: 32, n: 128, marlin: "43D8C384" },
  { name: "7k + 3n", code: (k, n) => (7 * k + 3 * n) % 16, k: 128, n: 256, marlin: "F6FCF9D2" },
  { name: "T, 8 bit", code: matrixT(256), k: 16, n: 64, bits: 8, marlin: "723CBE90" },
];

for (const { name, code, k, n, bits = 4, gptq, marlin } of CHECKS) {
  Deno.test(`Marlin words of ${name}, ${k} × ${n}, have the specification's checksum and lead back`, () => {
    const words = storedWords(code, k, n, bits);
    if (gptq) assert.equal(checksum(words), gptq);
    const repacked = gptqToMarlin(words, k, n, undefined, bits);
    assert.equal(checksum(repacked), marlin);
    assert.deepEqual(marlinToGptq(repacked, k, n, undefined, bits), words);
    const codes = unpackGptq(words, k, n, bits);
    assert.ok(codes.every((value, i) => value === code(Math.floor(i / n), i % n)));
  });
}

Deno.test("the first Marlin words of T are the specification's", () => {
  const words = gptqToMarlin(storedWords(matrixT(16), 16, 64), 16, 64);
  assert.equal(
    hex(words.subarray(0, 8)),
    "BB20FF67 333BFF77 24BBEC77 A8C2E046 8A2007E8 333B77FF 33BB77FF A84260CE",
  );
  assert.equal(hex(words.subarray(-1)), "D95551DD");
});

Deno.test("single codes lie in the specification's words and nibbles", () => {
  const places = [
    [0, 0, 0, 0],
    [1, 0, 0, 4],
    [8, 0, 0, 1],
    [9, 0, 0, 5],
    [0, 8, 0, 2],
    [9, 8, 0, 7],
    [2, 0, 4, 0],
    [0, 1, 16, 0],
    [0, 16, 1, 0],
    [5, 37, 90, 4],
    [15, 63, 127, 7],
  ];
  for (const [input, output, word, nibble] of places) {
    const repacked = gptqToMarlin(
      storedWords((k, n) => k === input && n === output ? 15 : 0, 16, 64),
      16,
      64,
    );
    const expected = new Int32Array(128);
    expected[word] = 15 << (4 * nibble);
    assert.deepEqual(repacked, expected, `${input}, ${output}`);
  }
});

Deno.test("scales are permuted by 64 in groups, by 32 with one group, and twice gives the original", () => {
  const scales = Uint16Array.from({ length: 128 }, (_, i) => i);
  const grouped = marlinPermuteScales(scales, 256, 128, 128);
  assert.deepEqual([...grouped.subarray(0, 8)], [0, 8, 16, 24, 32, 40, 48, 56]);
  assert.deepEqual([...grouped.subarray(64, 68)], [64, 72, 80, 88]);
  const single = [0, 1, 8, 9, 16, 17, 24, 25, 2, 3, 10, 11];
  for (const groupSize of [-1, 256, 512]) {
    assert.deepEqual([...marlinPermuteScales(scales, 256, 128, groupSize).subarray(0, 12)], single);
  }
  for (const groupSize of [128, -1]) {
    const twice = marlinPermuteScales(marlinPermuteScales(scales, 256, 128, groupSize), 256, 128, groupSize);
    assert.deepEqual(twice, scales);
  }
});

Deno.test("inputs without elements come back as they are, whatever the sizes say", () => {
  const words = new Int32Array(0), scales = new Uint16Array(0);
  for (const [k, n] of [[0, 0], [0, 256], [256, 0], [16, 64], [7, 5]]) {
    for (const groupSize of [128, -1, 0]) assert.equal(marlinPermuteScales(scales, k, n, groupSize), scales);
    assert.equal(gptqToMarlin(words, k, n), words);
    assert.equal(gptqToMarlin(words, k, n, new Int32Array(0)), words);
    assert.equal(marlinToGptq(words, k, n), words);
    assert.equal(unpackGptq(words, k, n).length, 0);
  }
});

Deno.test("arguments that do not fit are refused by name", async () => {
  const words = new Int32Array(128);
  await assertRefused(() => gptqToMarlin(words, 8, 128), "BAD_ARGUMENT", "sizes");
  await assertRefused(() => gptqToMarlin(words, 32, 32), "BAD_ARGUMENT", "sizes");
  await assertRefused(() => gptqToMarlin(words, 16, 128), "BAD_ARGUMENT", "words", "256", "128");
  await assertRefused(() => gptqToMarlin(words, 16, 64, new Int32Array(16)), "BAD_ARGUMENT", "perm");
  await assertRefused(() => gptqToMarlin(words, 16, 64, new Int32Array(3)), "BAD_ARGUMENT", "perm");
  await assertRefused(() => unpackGptq(words, NaN, 64), "BAD_ARGUMENT", "sizes");
  await assertRefused(() => marlinPermuteScales(new Uint16Array(48), 256, 48, 128), "BAD_ARGUMENT", "scales");
});

for (const name of ["g128", "g32", "g128-act-order", "channelwise", "one-group", "8bit-g128"]) {
  Deno.test({
    name: `kernel-marlin/${name}: words and scales equal the golden ones (needs ../shared)`,
    ignore: !hasShared,
    fn() {
      const folder = sharedPath("goldens", "kernel-marlin");
      const { cases } = JSON.parse(Deno.readTextFileSync(`${folder}/expected.json`));
      const { K: k, N: n, bits, group_size: groupSize } = cases[name];
      const golden = readGolden(`${folder}/${name}/tensors.safetensors`);
      const wordsOf = (tensor: string) => Int32Array.from(golden.get(tensor)!.data);
      const stored = wordsOf("in.qweight"), order = wordsOf("out.sort_indices");
      const expected = wordsOf("out.marlin_qweight");
      assert.deepEqual(gptqToMarlin(stored, k, n, order, bits), expected);
      assert.deepEqual(marlinToGptq(expected, k, n, order, bits), stored);
      const scalesOf = (tensor: string) => Uint16Array.from(golden.get(tensor)!.data);
      const scales = marlinPermuteScales(scalesOf("in.scales"), k, n, groupSize);
      assert.deepEqual(scales, scalesOf("out.marlin_scales"));
    },
  });
}
