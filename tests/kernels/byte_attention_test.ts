/**
 * Attention in bytes. Truth: reference/attention.ts, which knows no blocks, no codes and no running softmax, within what integers of
 * these sizes may cost; and reference/byte_attention.ts, which has the same codes and no vectors.
 */
import { AssertionError, ok, throws } from "node:assert/strict";
import { checkAttention } from "../../kernels/host/attention_check.ts";
import { attentionOver, type AttentionProblem } from "../reference/attention.ts";
import { byteAttentionRow } from "../reference/byte_attention.ts";
import { ByteBlocks } from "./byte_blocks.ts";
import {
  assertSameBits,
  assertWithin,
  describeSetup,
  joined,
  type KernelSetup,
  kernelTest,
  rowsOf,
  withBench,
} from "./harness.ts";
import { drawSequence } from "./key_value_cache.ts";

/** Codes of 7 bits around 64, signed bytes for queries and for weights. */
const limits = { keys: () => 63, values: () => 63, queries: () => 127, weights: 127 };
const COUNTS = [32, 32, 5, 17, 32, 1];
const TOKENS = COUNTS.length * 32;
const seen = COUNTS.flatMap((count, block) => Array.from({ length: count }, (_, i) => block * 32 + i));

const FORMS: KernelSetup[] = [
  { variant: "strict" },
  { variant: "relaxed" },
  { variant: "relaxed", dot32: true },
  { variant: "relaxed", isWide: true },
  { variant: "relaxed", dot32: true, isWide: true },
];

const shapeOf = (heads: number, headSize: number) => ({ heads, kvHeads: heads, headSize, window: 0, limits });
const expectedOf = (problem: AttentionProblem, rows: number) =>
  joined(problem.queries.slice(0, rows).map((_, row) => attentionOver(problem, row, seen)));

for (const setup of FORMS) {
  const form = describeSetup(setup);
  for (const [heads, headSize] of [[2, 80], [1, 64], [3, 12], [2, 32], [1, 144], [1, 256]]) {
    kernelTest(`attendBytes() is within its bound: ${heads} heads of ${headSize}, ${form}`, (bench) => {
      const problem = drawSequence(bench.random, TOKENS, shapeOf(heads, headSize));
      const blocks = new ByteBlocks(bench, problem);
      for (const rows of [1, 3, 4, 70]) {
        assertWithin(blocks.attend(0, rows, COUNTS), expectedOf(problem, rows), `${rows} rows`);
      }
    }, setup);
  }

  kernelTest(`attendBytes(): the largest sums overflow nowhere, ${form}`, (bench) => {
    // All elements alike: every product has the same sign, and sums of scores and values are as large as they can be.
    for (const headSize of [16, 64, 256]) {
      for (const sign of [1, -1]) {
        const rows = Array.from({ length: TOKENS }, () => new Float32Array(headSize).fill(1));
        const keys = rows.map((row) => row.map((x) => sign * x));
        const problem = { ...shapeOf(1, headSize), scale: 1 / headSize, queries: rows, keys, values: keys };
        assertWithin(
          new ByteBlocks(bench, problem).attend(0, 5, COUNTS),
          expectedOf(problem, 5),
          `${headSize}`,
        );
      }
    }
  }, setup);
}

for (const setup of [{ variant: "strict" }, { variant: "relaxed", threads: 2 }] as const) {
  kernelTest(`the check at the start passes, and refuses other bits: ${setup.variant}`, ({ kernels }) => {
    checkAttention(kernels, kernels.wideScratch);
    const attend = kernels.attendBytes.bind(kernels);
    let calls = 0;
    kernels.attendBytes = (call) => attend({ ...call, scale: call.scale + (++calls === 2 ? 0.01 : 0) });
    // The strict build has one form, which is compared with itself.
    throws(() => checkAttention(kernels, kernels.wideScratch), { code: "UNSUPPORTED" });
  }, setup);
}

kernelTest("attendBytes(): stored in pieces, and rows in pieces, the same bits", (bench) => {
  const problem = drawSequence(bench.random, TOKENS, shapeOf(2, 80));
  const whole = new ByteBlocks(bench, problem), expected = whole.attend(0, 70, COUNTS);
  assertSameBits(
    new ByteBlocks(bench, problem, [1, 30, 2, 100, TOKENS - 133]).attend(0, 70, COUNTS),
    expected,
    "stored",
  );
  for (const [begin, end] of [[0, 1], [3, 8], [63, 66], [69, 70]]) {
    assertSameBits(
      whole.attend(begin, end, COUNTS),
      expected.slice(begin * 160, end * 160),
      `${begin} to ${end}`,
    );
  }
});

/** A hundred-thousandth of the largest: a weight that is rounded the other way is off by far more. */
function assertNear(actual: Float32Array, expected: Float64Array, what: string): void {
  const bound = 1e-5 * expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  assertWithin(actual, { values: expected, bounds: expected.map(() => bound) }, what);
}

kernelTest("attendBytes() is what the codes give, to the rounding of f32", (bench) => {
  for (const [heads, headSize] of [[2, 80], [3, 12]]) {
    const problem = drawSequence(bench.random, TOKENS, shapeOf(heads, headSize));
    const rows = rowsOf(new ByteBlocks(bench, problem).attend(0, 5, COUNTS), heads * headSize);
    rows.forEach((row, m) => assertNear(row, byteAttentionRow(problem, m, COUNTS), `row ${m}`));
  }
});

for (const part of ["keys", "values"] as const) {
  kernelTest(`attendBytes(): the bound has teeth: ${part} are off by a hundredth`, (bench) => {
    const problem = drawSequence(bench.random, TOKENS, shapeOf(1, 16));
    // Attention of drawn heads is sharp: of four rows one at least looks at an odd token.
    const wrong = {
      ...problem,
      [part]: problem[part].map((row, t) => t % 2 ? row.map((x) => 1.01 * x) : row),
    };
    const rows = rowsOf(new ByteBlocks(bench, wrong).attend(0, 4, COUNTS), 16);
    throws(
      () => rows.forEach((row, m) => assertNear(row, byteAttentionRow(problem, m, COUNTS), "wrong")),
      AssertionError,
    );
  });

  kernelTest(`attendBytes(): NaN in ${part} that are seen reaches every row, others none`, (bench) => {
    for (const [token, isSeen] of [[66, true], [70, false]] as const) {
      const problem = drawSequence(bench.random, TOKENS, shapeOf(2, 16));
      problem[part][token][3] = NaN;
      for (const row of rowsOf(new ByteBlocks(bench, problem).attend(0, 6, COUNTS), 32)) {
        // The head whose key or value it is.
        ok(row.subarray(0, 16).every(isSeen ? Number.isNaN : Number.isFinite), `token ${token}`);
        ok(row.subarray(16).every(Number.isFinite), `token ${token}`);
      }
    }
  });
}

Deno.test("attendBytes() gives the same bits in all forms, tokens hidden in any block, NaN or infinity in any part", async () => {
  const expected = new Map<string, Float32Array>();
  for (const setup of [...FORMS, { ...FORMS.at(-1), threads: 3 }]) {
    await withBench((bench) => {
      for (const headSize of [16, 72]) {
        for (const part of ["keys", "values", "queries", "none"] as const) {
          const problem = drawSequence(bench.random, TOKENS, shapeOf(2, headSize));
          // A token in a block that is whole, one in another, and hidden ones.
          if (part !== "none") {
            [3, 70, 69, 40].forEach((t, i) => problem[part][t][1] = i % 2 ? Infinity : NaN);
          }
          const title = `${part}, heads of ${headSize}`;
          const found = new ByteBlocks(bench, problem).attend(0, 33, COUNTS).map((x) =>
            Number.isNaN(x) ? NaN : x
          );
          assertSameBits(found, expected.get(title) ?? found, `${title}, ${describeSetup(setup)}`);
          expected.set(title, found);
        }
      }
    }, setup);
  }
});

kernelTest("attendBytes(): a query with NaN gives NaN to its head only", (bench) => {
  const problem = drawSequence(bench.random, TOKENS, shapeOf(4, 16));
  problem.queries[5][16 * 2 + 3] = NaN;
  rowsOf(new ByteBlocks(bench, problem).attend(0, 9, COUNTS), 16).forEach((head, i) => {
    ok(i === 5 * 4 + 2 ? head.every(Number.isNaN) : head.every(Number.isFinite), `head ${i}`);
  });
});

kernelTest("attendBytes() takes zeros, and scores far apart", (bench) => {
  const drawn = drawSequence(bench.random, TOKENS, shapeOf(1, 16));
  const zero = drawn.keys.map((key) => new Float32Array(key.length));
  const nothing = new ByteBlocks(bench, { ...drawn, keys: zero, values: zero }).attend(0, 5, COUNTS);
  ok(nothing.every((value) => value === 0), `${nothing}`);
  const huge = drawn.keys.map((key) => new Float32Array(key.length).fill(1e30));
  const same = new ByteBlocks(bench, { ...drawn, keys: zero, values: huge }).attend(0, 5, COUNTS);
  ok(same.every((value) => Math.abs(value / 1e30 - 1) < 1e-3), `${same}`);
  const sharp = { ...drawn, scale: 6 };
  assertWithin(new ByteBlocks(bench, sharp).attend(0, 5, COUNTS), expectedOf(sharp, 5), "sharp");
});
