/**
 * Truth: reference/attention.ts, which knows no blocks and no running softmax. The bound is derived there.
 */
import { AssertionError, ok, throws } from "node:assert/strict";
import type { KeyValueType } from "../../kernels/host/types.ts";
import { attentionOver, type AttentionProblem, attentionRow } from "../reference/attention.ts";
import { assertSameBits, assertWithin, joined, kernelTest, rowsOf } from "./harness.ts";
import { Cache, drawSequence } from "./key_value_cache.ts";

type Shape = Omit<AttentionProblem, "queries" | "keys" | "values" | "scale">;

function expectedOf(problem: AttentionProblem) {
  return joined(problem.queries.map((_, position) => attentionRow(problem, position)));
}

const SHAPES: Shape[] = [
  { heads: 1, kvHeads: 1, headSize: 16, window: 0 },
  { heads: 9, kvHeads: 3, headSize: 64, window: 0 },
  { heads: 4, kvHeads: 4, headSize: 80, window: 0 },
  { heads: 8, kvHeads: 1, headSize: 16, window: 0 },
  { heads: 4, kvHeads: 2, headSize: 12, window: 0 },
  { heads: 4, kvHeads: 2, headSize: 16, window: 1 },
  { heads: 4, kvHeads: 2, headSize: 16, window: 20 },
  { heads: 6, kvHeads: 2, headSize: 16, window: 33 },
  { heads: 4, kvHeads: 2, headSize: 16, window: 64 },
];

for (const shape of SHAPES) {
  const { heads, kvHeads, headSize, window } = shape;
  const title = `${heads} heads over ${kvHeads} of ${headSize}${window ? `, window ${window}` : ""}`;
  for (const tokens of [1, 2, 31, 32, 33, 64, 65]) {
    kernelTest(`attention() of ${tokens} tokens is within its bound: ${title}`, (bench) => {
      const problem = drawSequence(bench.random, tokens, shape);
      const actual = new Cache(bench, problem).appendAll([tokens]);
      assertWithin(actual, expectedOf(problem), title);
    });
  }

  kernelTest(`attention() gives the same bits for tokens appended in pieces: ${title}`, (bench) => {
    const problem = drawSequence(bench.random, 137, shape);
    const whole = new Cache(bench, problem).appendAll([137]);
    assertWithin(whole, expectedOf(problem), "whole");
    const pieces = [[31, 1, 1, 31, 1, 1, 70, 1], [5, 28, 33, 66, 5], Array(137).fill(1)];
    for (const lengths of pieces) {
      assertSameBits(new Cache(bench, problem).appendAll(lengths), whole, lengths.join());
    }
  });
}

/** As docs/numerics.md defines them: integers of 16 bits, no longer as a vector than 46,300. */
const withLength = (vector: Float32Array) => {
  const largest = Math.max(...vector.map(Math.abs));
  return Math.min(32767, 46300 * largest / Math.hypot(...vector));
};
const CODED: {
  name: string;
  keyValueType: KeyValueType;
  limits: NonNullable<AttentionProblem["limits"]>;
}[] = [
  {
    name: "two bytes",
    keyValueType: "int16",
    limits: { keys: withLength, values: () => 8180, queries: withLength },
  },
  {
    name: "one byte",
    keyValueType: "int8",
    limits: { keys: () => 127, values: () => 127, queries: withLength },
  },
];

for (const { name, keyValueType, limits } of CODED) {
  for (const shape of SHAPES) {
    const { heads, kvHeads, headSize, window } = shape;
    const title = `${heads} heads over ${kvHeads} of ${headSize}${window ? `, window ${window}` : ""}`;
    for (const isWide of [false, true]) {
      const test = `attention() over ${name} is within its bound, in pieces the same bits: ${title}${
        isWide ? ", wide" : ""
      }`;
      kernelTest(test, (bench) => {
        const problem = { ...drawSequence(bench.random, 137, shape), limits };
        const whole = new Cache(bench, problem, keyValueType).appendAll([137]);
        assertWithin(whole, expectedOf(problem), "whole");
        for (const lengths of [[31, 1, 1, 31, 1, 1, 70, 1], [5, 28, 33, 66, 5], Array(137).fill(1)]) {
          assertSameBits(new Cache(bench, problem, keyValueType).appendAll(lengths), whole, lengths.join());
        }
      }, { variant: "relaxed", isWide });
    }
  }

  for (const part of ["keys", "values"] as const) {
    kernelTest(`attention() over ${name}: the bound has teeth: one of the ${part} is wrong`, (bench) => {
      const shape = { heads: 4, kvHeads: 2, headSize: 16, window: 0 };
      const problem = { ...drawSequence(bench.random, 9, shape), limits };
      const expected = expectedOf(problem);
      const wrong = { ...problem, [part]: problem[part].map((row) => row.slice()) };
      wrong[part][4][3] += part === "keys" ? 8 : 3;
      const actual = new Cache(bench, wrong, keyValueType).appendAll([9]);
      throws(() => assertWithin(actual, expected, "wrong"), AssertionError);
    });

    kernelTest(
      `attention() over ${name}: NaN in ${part} reaches every later token and no earlier one`,
      (bench) => {
        const problem = drawSequence(bench.random, 70, { heads: 2, kvHeads: 1, headSize: 16, window: 0 });
        problem[part][37][5] = NaN;
        for (const pieces of [[70], Array(70).fill(1)]) {
          rowsOf(new Cache(bench, problem, keyValueType).appendAll(pieces), 32).forEach((row, token) => {
            ok(token >= 37 ? row.every(Number.isNaN) : row.every(Number.isFinite), `token ${token}`);
          });
        }
      },
    );
  }

  kernelTest(`attention() over ${name}: a query with NaN gives NaN to its head only`, (bench) => {
    const problem = drawSequence(bench.random, 40, { heads: 4, kvHeads: 2, headSize: 16, window: 0 });
    problem.queries[35][16 * 2 + 3] = NaN;
    rowsOf(new Cache(bench, problem, keyValueType).appendAll([40]), 16).forEach((head, i) => {
      ok(i === 35 * 4 + 2 ? head.every(Number.isNaN) : head.every(Number.isFinite), `head ${i}`);
    });
  });

  kernelTest(`attention() over ${name}: rows that all see the same are within their bound`, (bench) => {
    const counts = [32, 5, 32, 1], shape = { heads: 6, kvHeads: 2, headSize: 12, window: 0 };
    const problem = { ...drawSequence(bench.random, counts.length * 32, shape), limits };
    const cache = new Cache(bench, problem, keyValueType);
    cache.append(0, counts.length * 32);
    const seen = counts.flatMap((count, block) => Array.from({ length: count }, (_, i) => block * 32 + i));
    for (const rows of [1, 3, 4, 9, 40]) {
      const expected = joined(
        problem.queries.slice(0, rows).map((_, row) => attentionOver(problem, row, seen)),
      );
      assertWithin(cache.seeCommon(rows, counts), expected, `${rows} rows`);
    }
    const sums = cache.weightsOf(2, counts).map((weights) =>
      weights.reduce((sum, weight) => sum + weight, 0)
    );
    for (const sum of sums) ok(Math.abs(sum - 1) < 1e-5, `weights sum to ${sum}`);
    assertWithin(weighted(problem, cache.weightsOf(2, counts)), attentionOver(problem, 2, seen), "weights");
  });

  kernelTest(`attention() over ${name}: the largest sums overflow nowhere`, (bench) => {
    // All elements alike: every product has the same sign, and scores and values are as large as they can be.
    for (const headSize of [8, 64, 256]) {
      const rows = Array.from({ length: 40 }, () => new Float32Array(headSize).fill(1));
      const shape = { heads: 1, kvHeads: 1, headSize, window: 0, scale: 1 / headSize, limits };
      const problem = { ...shape, queries: rows, keys: rows, values: rows };
      assertWithin(
        new Cache(bench, problem, keyValueType).appendAll([40]),
        expectedOf(problem),
        `${headSize}`,
      );
    }
  });

  kernelTest(`attention() over ${name} takes zeros, and heads of a single scale`, (bench) => {
    const shape = { heads: 2, kvHeads: 1, headSize: 8, window: 0 };
    const drawn = drawSequence(bench.random, 5, shape);
    const zero = drawn.keys.map((key) => new Float32Array(key.length));
    const nothing = new Cache(bench, { ...drawn, keys: zero, values: zero }, keyValueType).appendAll([5]);
    ok(nothing.every((value) => value === 0), `${nothing}`);
    const huge = drawn.keys.map((key) => new Float32Array(key.length).fill(1e30));
    const same = new Cache(bench, { ...drawn, keys: zero, values: huge }, keyValueType).appendAll([5]);
    ok(same.every((value) => Math.abs(value / 1e30 - 1) < 1e-3), `${same}`);
  });
}

kernelTest("attention() with scores far apart is within its bound", (bench) => {
  const shape = { heads: 2, kvHeads: 1, headSize: 16, window: 0 };
  const problem = { ...drawSequence(bench.random, 100, shape), scale: 6 };
  assertWithin(new Cache(bench, problem).appendAll([100]), expectedOf(problem), "sharp");
});

kernelTest("attention(): a query with NaN gives NaN to its head only", (bench) => {
  const problem = drawSequence(bench.random, 40, { heads: 4, kvHeads: 2, headSize: 16, window: 0 });
  problem.queries[35][16 * 2 + 3] = NaN;
  rowsOf(new Cache(bench, problem).appendAll([40]), 16).forEach((head, i) => {
    ok(i === 35 * 4 + 2 ? head.every(Number.isNaN) : head.every(Number.isFinite), `head ${i}`);
  });
});

kernelTest("attention(): a key with NaN gives NaN to every later token and to no earlier one", (bench) => {
  const problem = drawSequence(bench.random, 70, { heads: 2, kvHeads: 1, headSize: 16, window: 0 });
  problem.keys[37][5] = NaN;
  rowsOf(new Cache(bench, problem).appendAll(Array(70).fill(1)), 32).forEach((row, token) => {
    ok(token >= 37 ? row.every(Number.isNaN) : row.every(Number.isFinite), `token ${token}`);
  });
});

for (const part of ["keys", "values"] as const) {
  kernelTest(`attention(): the bound has teeth: one of the ${part} is wrong`, (bench) => {
    const problem = drawSequence(bench.random, 65, { heads: 4, kvHeads: 2, headSize: 16, window: 0 });
    const expected = expectedOf(problem);
    const wrong = structuredClone(problem);
    wrong[part][40][3] *= part === "keys" ? 2 : 1.1;
    const actual = new Cache(bench, wrong).appendAll([65]);
    throws(() => assertWithin(actual, expected, "wrong"), AssertionError);
  });
}

kernelTest("attention(): the bound has teeth: a window one token longer", (bench) => {
  const problem = drawSequence(bench.random, 65, { heads: 4, kvHeads: 2, headSize: 16, window: 20 });
  const actual = new Cache(bench, { ...problem, window: 21 }).appendAll([65]);
  throws(() => assertWithin(actual, expectedOf(problem), "wrong"), AssertionError);
});

/** Σ weight · value in f64: within the bound of attention if the weights are. */
function weighted({ values, heads, kvHeads, headSize }: AttentionProblem, weights: Float32Array[]) {
  return Float32Array.from({ length: heads * headSize }, (_, i) => {
    const head = Math.floor(i / headSize), kvHead = Math.floor(head / (heads / kvHeads));
    return weights[head].reduce(
      (sum, weight, token) => sum + weight * values[token][kvHead * headSize + i % headSize],
      0,
    );
  });
}

for (
  const { counts, ...shape } of [
    { heads: 4, kvHeads: 4, headSize: 80, counts: [32, 32, 6] },
    { heads: 8, kvHeads: 2, headSize: 16, counts: [1] },
    { heads: 6, kvHeads: 2, headSize: 12, counts: [32, 5, 32, 1] },
  ]
) {
  const title = `${shape.heads} heads over ${shape.kvHeads} of ${shape.headSize}, blocks of ${counts.join()}`;
  kernelTest(`attention() of rows that all see the same is within its bound: ${title}`, (bench) => {
    const tokens = counts.length * 32;
    const problem = drawSequence(bench.random, tokens, { ...shape, window: 0 });
    const cache = new Cache(bench, problem);
    cache.append(0, tokens);
    const seen = counts.flatMap((count, block) => Array.from({ length: count }, (_, i) => block * 32 + i));
    for (const rows of [1, 3, 4, 9]) {
      const expected = joined(
        problem.queries.slice(0, rows).map((_, row) => attentionOver(problem, row, seen)),
      );
      assertWithin(cache.seeCommon(rows, counts), expected, `${rows} rows`);
      for (let row = 0; row < rows; row++) {
        assertWithin(
          weighted(problem, cache.weightsOf(row, counts)),
          attentionOver(problem, row, seen),
          "weights",
        );
      }
      const more = counts.with(-1, counts.at(-1)! - 1 || 2);
      throws(
        () => assertWithin(cache.seeCommon(rows, more), expected, "a token more or less"),
        AssertionError,
      );
    }
  });
}
