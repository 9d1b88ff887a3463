/**
 * Marlin's order against known words and checksums, computed with an independent packer (numpy): order tables, matrix T, a second
 * matrix, single codes, scale vectors; against the golden arrays of that packer; and against the tables' twin,
 * tests/reference/marlin.ts, for many sizes.
 */
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  type CodeBits,
  gptqToMarlin,
  marlinPermuteScales,
  marlinToGptq,
  marlinToPanels,
  unpackGptq,
} from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { readGolden } from "../goldens.ts";
import { Random } from "../kernels/random.ts";
import {
  type Codes,
  gptqWords,
  marlinWords,
  panelWords,
  permutedScales,
  reordered,
  scaleOrder,
  weightOrder,
} from "../reference/marlin.ts";
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

function codesOf(code: CodeOf, k: number, n: number, bits: CodeBits = 4): Codes {
  return { k, n, bits, values: Uint8Array.from({ length: k * n }, (_, i) => code(Math.floor(i / n), i % n)) };
}

/** GPTQ words: 32 / bits codes along the inputs, low bits first. */
function storedWords(code: CodeOf, k: number, n: number, bits: CodeBits = 4): Int32Array {
  return gptqWords(codesOf(code, k, n, bits));
}

function checksum(words: Int32Array): string {
  return crc32(new Uint8Array(words.buffer)).toString(16).toUpperCase().padStart(8, "0");
}

function hex(words: Int32Array): string {
  return Array.from(words, (word) => (word >>> 0).toString(16).toUpperCase().padStart(8, "0")).join(" ");
}

Deno.test("the order tables of the reference are Marlin's", () => {
  const four = weightOrder(4), eight = weightOrder(8);
  assert.deepEqual(four.slice(0, 16), [
    0,
    128,
    8,
    136,
    16,
    144,
    24,
    152,
    256,
    384,
    264,
    392,
    272,
    400,
    280,
    408,
  ]);
  assert.deepEqual(four.slice(32, 40), [32, 160, 40, 168, 48, 176, 56, 184]);
  assert.deepEqual(four.slice(-8), [871, 999, 879, 1007, 887, 1015, 895, 1023]);
  assert.deepEqual(
    Array.from({ length: 16 }, (_, place) => four.indexOf(place)),
    [0, 128, 256, 384, 512, 640, 768, 896, 2, 130, 258, 386, 514, 642, 770, 898],
  );
  assert.deepEqual(eight.slice(0, 8), [0, 128, 16, 144, 8, 136, 24, 152]);
  const weighted = (order: number[]) => order.reduce((sum, place, i) => sum + i * place, 0);
  assert.equal(checksum(Int32Array.from(four)), "927E5E5D");
  assert.equal(weighted(four), 272584960);
  assert.equal(checksum(Int32Array.from(eight)), "FC406FC1");
  assert.equal(weighted(eight), 272580864);
  assert.deepEqual(scaleOrder(false).slice(0, 10), [0, 8, 16, 24, 32, 40, 48, 56, 1, 9]);
  assert.equal(
    scaleOrder(true).join(" "),
    "0 1 8 9 16 17 24 25 2 3 10 11 18 19 26 27 4 5 12 13 20 21 28 29 6 7 14 15 22 23 30 31",
  );
});

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

Deno.test("first and last Marlin words of T are the specification's", () => {
  for (const [k, n, last] of [[16, 64, "D95551DD"], [32, 128, "FF77B333"], [128, 256, "204AE846"]] as const) {
    const words = gptqToMarlin(storedWords(matrixT(16), k, n), k, n);
    assert.equal(
      hex(words.subarray(0, 8)),
      "BB20FF67 333BFF77 24BBEC77 A8C2E046 8A2007E8 333B77FF 33BB77FF A84260CE",
    );
    assert.equal(hex(words.subarray(-1)), last);
  }
  const eight = gptqToMarlin(storedWords(matrixT(256), 16, 64, 8), 16, 64, undefined, 8);
  assert.equal(
    hex(eight.subarray(0, 8)),
    "12B0D607 DBFB9F3F A33B5777 93732FAF CB8BE7E7 02C4BE1C 3C127456 6A284E80",
  );
});

Deno.test("first and last words of 7k + 3n are the specification's", () => {
  const gptq = storedWords((k, n) => (7 * k + 3 * n) % 16, 16, 64), marlin = gptqToMarlin(gptq, 16, 64);
  assert.equal(hex(gptq.subarray(0, 4)), "1A3C5E70 4D6F81A3 7092B4D6 A3C5E709");
  const four = (word: string) => Array(4).fill(word).join(" ");
  assert.equal(
    hex(marlin.subarray(0, 16)),
    [four("7FF70880"), four("5DD5E66E"), four("3BB3C44C"), four("1991A22A")].join(" "),
  );
  assert.equal(hex(marlin.subarray(-1)), "6EE6F77F");
});

for (const bits of [4, 8] as const) {
  for (const [k, n] of [[16, 64], [32, 64], [48, 192], [128, 320], [272, 128], [512, 576]]) {
    Deno.test(`random codes go to Marlin, to panels and back, ${k} × ${n}, ${bits} bits`, () => {
      const random = new Random(k * n + bits);
      const codes = codesOf(() => random.below(2 ** bits), k, n, bits), gptq = gptqWords(codes);
      const natural = Array.from({ length: k }, (_, i) => i);
      for (const order of [natural, natural.toReversed(), random.permutation(k), random.permutation(k)]) {
        const perm = order === natural ? undefined : Int32Array.from(order);
        const marlin = gptqToMarlin(gptq, k, n, perm, bits);
        assert.deepEqual(marlin, marlinWords(reordered(codes, order)));
        assert.deepEqual(marlinToGptq(marlin, k, n, perm, bits), gptq);
        assert.deepEqual(marlinToPanels(marlin, k, n, perm, bits), panelWords(codes));
        assert.deepEqual(marlinToPanels(marlin, k, n, undefined, bits), panelWords(reordered(codes, order)));
      }
      assert.deepEqual(unpackGptq(gptq, k, n, bits), codes.values);
    });
  }
}

Deno.test("every f16 pattern survives the permutation of scales, in the table's order", () => {
  const scales = Uint16Array.from({ length: 65536 }, (_, i) => i);
  for (const n of [64, 256, 4096]) {
    const groups = scales.length / n;
    assert.deepEqual(marlinPermuteScales(scales, groups * 128, n, 128), permutedScales(scales, false));
    assert.deepEqual(marlinPermuteScales(scales, groups * 128, n, -1), permutedScales(scales, true));
  }
  const narrow = scales.subarray(0, 96);
  assert.deepEqual(marlinPermuteScales(narrow, 128, 96, 128), permutedScales(narrow, true));
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

/** Shapes without elements: [0], [0, 0], [0, N], [K, 0], as the sizes K and N that a loader derives from them. */
const EMPTY_SIZES = [[0, 0], [0, 256], [256, 0], [0, 64], [16, 0], [16, 64], [7, 5], [-1, -1], [NaN, NaN]];

Deno.test("inputs without elements come back as they are, whatever the sizes say", () => {
  const words = new Int32Array(0), scales = new Uint16Array(0), perm = Int32Array.of(2, 0, 1);
  for (const [k, n] of EMPTY_SIZES) {
    for (const groupSize of [128, 32, -1, 0, NaN]) {
      assert.equal(marlinPermuteScales(scales, k, n, groupSize), scales);
    }
    for (const bits of [4, 8, 3 as CodeBits] as const) {
      for (const order of [undefined, new Int32Array(0), perm]) {
        assert.equal(gptqToMarlin(words, k, n, order, bits), words);
        assert.equal(marlinToGptq(words, k, n, order, bits), words);
        assert.equal(marlinToPanels(words, k, n, order, bits), words);
      }
      assert.equal(unpackGptq(words, k, n, bits).length, 0);
    }
  }
});

Deno.test("an empty permutation means none, beside words that are there", () => {
  const words = storedWords(matrixT(16), 16, 64), empty = new Int32Array(0);
  const marlin = gptqToMarlin(words, 16, 64);
  assert.deepEqual(gptqToMarlin(words, 16, 64, empty), marlin);
  assert.deepEqual(marlinToGptq(marlin, 16, 64, empty), words);
  assert.deepEqual(marlinToPanels(marlin, 16, 64, empty), marlinToPanels(marlin, 16, 64));
});

Deno.test("a real tensor is processed although one without elements came before", () => {
  const words = storedWords(matrixT(16), 32, 128);
  gptqToMarlin(new Int32Array(0), 0, 0);
  assert.equal(checksum(gptqToMarlin(words, 32, 128)), "D9BB3FC3");
});

Deno.test("arguments that do not fit are refused by name", async () => {
  const words = new Int32Array(128);
  await assertRefused(() => gptqToMarlin(words, 8, 128), "BAD_ARGUMENT", "sizes");
  await assertRefused(() => gptqToMarlin(words, 32, 32), "BAD_ARGUMENT", "sizes");
  await assertRefused(() => gptqToMarlin(words, 16, 128), "BAD_ARGUMENT", "words", "256", "128");
  await assertRefused(() => gptqToMarlin(words, 16, 64, new Int32Array(16)), "BAD_ARGUMENT", "perm");
  await assertRefused(() => gptqToMarlin(words, 16, 64, new Int32Array(3)), "BAD_ARGUMENT", "perm");
  const twice = Int32Array.from({ length: 16 }, (_, i) => i === 3 ? 4 : i);
  const beyond = Int32Array.from({ length: 16 }, (_, i) => i + 1);
  for (const run of [gptqToMarlin, marlinToGptq, marlinToPanels]) {
    for (const perm of [twice, beyond, Int32Array.of(0), beyond.map((i) => -i)]) {
      await assertRefused(() => run(words, 16, 64, perm), "BAD_ARGUMENT", "perm", "0 to 15");
    }
    await assertRefused(() => run(words, 0, 64), "BAD_ARGUMENT", "sizes");
    await assertRefused(() => run(words, 16.5, 64), "BAD_ARGUMENT", "sizes");
    await assertRefused(() => run(words, 2 ** 31, 64), "BAD_ARGUMENT", "sizes");
    await assertRefused(() => run(words, 16, 64, undefined, 8), "BAD_ARGUMENT", "words", "256", "128");
    await assertRefused(() => run(words, 16, 64, undefined, 3 as CodeBits), "BAD_ARGUMENT", "bits");
  }
  await assertRefused(() => unpackGptq(words, NaN, 64), "BAD_ARGUMENT", "sizes");
  await assertRefused(() => unpackGptq(new Int32Array(1), 4, 2), "BAD_ARGUMENT", "words");
  await assertRefused(() => marlinPermuteScales(new Uint16Array(64), 0, 64, -1), "BAD_ARGUMENT", "sizes");
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
      const codes = { k, n, bits, values: unpackGptq(stored, k, n, bits) };
      assert.deepEqual(marlinToPanels(expected, k, n, order, bits), panelWords(codes));
      const scalesOf = (tensor: string) => Uint16Array.from(golden.get(tensor)!.data);
      const scales = marlinPermuteScales(scalesOf("in.scales"), k, n, groupSize);
      assert.deepEqual(scales, scalesOf("out.marlin_scales"));
    },
  });
}

Deno.test({
  name: "kernel-marlin/empty: every transform gives its input back (needs ../shared)",
  ignore: !hasShared,
  fn() {
    const golden = readGolden(`${sharedPath("goldens", "kernel-marlin")}/empty/tensors.safetensors`);
    const numbers = [...golden.keys()].filter((name) => name.endsWith("in.qweight")).map(parseFloat);
    assert.deepEqual(numbers, [0, 1, 2, 3, 4]);
    for (const i of numbers) {
      const tensor = (name: string) => golden.get(`${i}.${name}`)!;
      const [groupSize] = tensor("group_size").data;
      const { shape } = tensor("in.qweight"), k = shape[0] * 8, n = shape.at(-1)!;
      const words = Int32Array.from(tensor("in.qweight").data),
        index = Int32Array.from(tensor("in.g_idx").data);
      const scales = Uint16Array.from(tensor("in.scales").data);
      assert.equal(gptqToMarlin(words, k, n, index), words);
      assert.equal(marlinToGptq(words, k, n, index), words);
      assert.equal(marlinToPanels(words, k, n, index), words);
      assert.equal(marlinPermuteScales(scales, k, n, groupSize), scales);
      assert.deepEqual(tensor("out.marlin_qweight"), tensor("in.qweight"));
      assert.deepEqual(tensor("out.marlin_scales"), tensor("in.scales"));
    }
  },
});
