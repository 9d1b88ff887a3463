/**
 * Truth: the definitions, computed here with a full sort, `Math.exp` and plain loops; nothing is shared with the
 * sampler. Distributions are compared by chi-square with fixed seeds, so a pass or failure repeats.
 */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { Sampler, type SamplingOptions } from "../../src/sampling/sampler.ts";
import { bestIndices, smallestPrefix } from "../../src/sampling/selection.ts";

/** Small linear congruential generator (Numerical Recipes) for test data. */
function testRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

function testLogits(size: number, seed: number, spread = 6): Float32Array {
  const random = testRandom(seed);
  return Float32Array.from({ length: size }, () => (random() - 0.5) * spread);
}

interface Reference {
  bias?: Record<number, number>;
  history?: number[];
  generatedFrom?: number;
}

/** The distribution that the options define, as a map from id to probability. */
function referenceDistribution(logits: Float32Array, options: SamplingOptions, more: Reference = {}) {
  const { history = [], generatedFrom = 0, bias = {} } = more;
  const adjusted = Array.from(logits);
  for (const [id, value] of Object.entries(bias)) adjusted[+id] += value;
  for (const id of new Set(history)) {
    const penalty = options.repeatPenalty ?? 1;
    adjusted[id] = adjusted[id] > 0 ? adjusted[id] / penalty : adjusted[id] * penalty;
  }
  const generated = history.slice(generatedFrom);
  for (const id of new Set(generated)) {
    const count = generated.filter((other) => other === id).length;
    adjusted[id] -= (options.presencePenalty ?? 0) + count * (options.frequencyPenalty ?? 0);
  }
  let entries = adjusted.map((x, id) => ({ id, x: x / (options.temperature ?? 1), p: 0 }));
  entries.sort((a, b) => b.x - a.x || a.id - b.id);
  if (options.topK) entries = entries.slice(0, options.topK);
  const normalise = () => {
    const highest = Math.max(...entries.map((e) => e.x));
    const sum = entries.reduce((s, e) => s + Math.exp(e.x - highest), 0);
    for (const e of entries) e.p = Math.exp(e.x - highest) / sum;
  };
  const cut = (mass: number) => {
    let sum = 0;
    const length = entries.findIndex((e) => (sum += e.p) >= mass) + 1;
    if (length > 0) entries = entries.slice(0, length);
    normalise();
  };
  normalise();
  if (options.topP !== undefined) cut(options.topP);
  if (options.minP !== undefined) {
    const threshold = options.minP * entries[0].p;
    entries = entries.filter((e) => e.p >= threshold);
    normalise();
  }
  if (options.typicalP !== undefined) {
    const entropy = -entries.reduce((s, e) => s + (e.p > 0 ? e.p * Math.log(e.p) : 0), 0);
    const distance = (e: { p: number }) => Math.abs(-Math.log(e.p) - entropy);
    entries.sort((a, b) => distance(a) - distance(b) || a.id - b.id);
    cut(options.typicalP);
  }
  return new Map(entries.map((e) => [e.id, e.p]));
}

/** 99.9 % point of the chi-square distribution (Wilson and Hilferty's approximation). */
function chiSquareLimit(freedom: number): number {
  return freedom * (1 - 2 / (9 * freedom) + 3.09 * Math.sqrt(2 / (9 * freedom))) ** 3;
}

/** Draws many tokens; every one must be possible, and their counts must fit the distribution. */
function assertDistribution(
  logits: Float32Array,
  options: SamplingOptions,
  expected: Map<number, number>,
  history: number[] = [],
  generatedFrom = 0,
): void {
  const draws = 20_000;
  const sampler = new Sampler({ ...options, seed: 11 }, logits.length);
  const counts = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const { id } = sampler.sample(logits, history, generatedFrom);
    assert.ok(expected.has(id), `token ${id} is excluded by ${JSON.stringify(options)}`);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  let chiSquare = 0, freedom = -1, restExpected = 0, restFound = 0;
  for (const [id, p] of expected) {
    const found = counts.get(id) ?? 0;
    if (p * draws < 10) { // too rare for a cell of its own
      restExpected += p * draws;
      restFound += found;
      continue;
    }
    chiSquare += (found - p * draws) ** 2 / (p * draws);
    freedom++;
  }
  if (restExpected >= 10) {
    chiSquare += (restFound - restExpected) ** 2 / restExpected;
    freedom++;
  }
  if (freedom > 0) assert.ok(chiSquare < chiSquareLimit(freedom), `${JSON.stringify(options)}: ${chiSquare}`);
}

const FILTERS: SamplingOptions[] = [
  {},
  { temperature: 0.5 },
  { temperature: 1.7 },
  { topK: 5 },
  { topK: 1, temperature: 0.8 },
  { topP: 0.9 },
  { topP: 0.3 },
  { topP: 0.0001 },
  { topP: 0 },
  { minP: 0.1 },
  { minP: 1 },
  { typicalP: 0.5 },
  { typicalP: 0.95 },
  { temperature: 0.7, topK: 20, topP: 0.8, minP: 0.05 },
  { temperature: 1.3, topK: 40, topP: 0.95, minP: 0.02, typicalP: 0.9 },
];
for (const options of FILTERS) {
  Deno.test(`Sampler draws the defined distribution for ${JSON.stringify(options)}`, () => {
    for (const seed of [1, 2, 3]) {
      const logits = testLogits(60, seed);
      assertDistribution(logits, options, referenceDistribution(logits, options));
    }
  });
}

Deno.test("the distribution test has teeth: a wrong temperature is detected", () => {
  const logits = testLogits(60, 1);
  assert.throws(
    () => assertDistribution(logits, { temperature: 0.9 }, referenceDistribution(logits, {})),
    assert.AssertionError,
  );
});

Deno.test("penalties and bias change the distribution as defined", () => {
  const logits = testLogits(30, 4);
  const history = [3, 3, 3, 7, 8, 8, 9, 40]; // 40 is no row of the logits: an image token
  const inside = history.slice(0, -1);
  const generatedFrom = 4;
  for (
    const options of [
      { repeatPenalty: 1.5 },
      { repeatPenalty: 0.7 },
      { presencePenalty: 1.2 },
      { frequencyPenalty: 0.8 },
      { frequencyPenalty: -0.5, presencePenalty: 0.5, repeatPenalty: 1.1 },
    ]
  ) {
    const bias = { 0: 2.5, 3: -1, 8: 1 };
    const expected = referenceDistribution(logits, options, { bias, history: inside, generatedFrom });
    assertDistribution(logits, { ...options, logitBias: bias }, expected, history, generatedFrom);
    const asMap = new Map(Object.entries(bias).map(([id, value]) => [Number(id), value]));
    assertDistribution(logits, { ...options, logitBias: asMap }, expected, history, generatedFrom);
  }
});

Deno.test("a bias of -Infinity bans a token", () => {
  const logits = new Float32Array([0, 9, 1]);
  assert.equal(new Sampler({ temperature: 0, logitBias: { 1: -Infinity } }, 3).sample(logits, [], 0).id, 2);
});

Deno.test("temperature 0, and topK 1 alone, take the likeliest token, the lowest id of equals", () => {
  const logits = new Float32Array([1, 5, 5, -2]);
  for (const options of [{ temperature: 0 }, { topK: 1 }, { temperature: 0, topP: 0.5, topK: 3 }]) {
    const sampler = new Sampler(options, 4);
    for (let i = 0; i < 20; i++) assert.equal(sampler.sample(logits, [], 0).id, 1);
  }
});

Deno.test("topK keeps the lower ids of equal logits", () => {
  const logits = new Float32Array([0, 1, 1, 1, 1]);
  assertDistribution(logits, { topK: 2 }, new Map([[1, 0.5], [2, 0.5]]));
});

Deno.test("the same seed repeats the tokens, another seed does not; a missing seed can be read back", () => {
  const logits = testLogits(500, 5);
  const draw = (options: SamplingOptions) => {
    const sampler = new Sampler(options, 500);
    return { seed: sampler.seed, ids: Array.from({ length: 50 }, () => sampler.sample(logits, [], 0).id) };
  };
  assert.deepEqual(draw({ seed: 5 }), draw({ seed: 5 }));
  assert.notDeepEqual(draw({ seed: 5 }).ids, draw({ seed: 6 }).ids);
  const unseeded = draw({});
  assert.deepEqual(draw({ seed: unseeded.seed }), unseeded);
});

Deno.test("sample() does not modify the logits", () => {
  const logits = testLogits(50, 6);
  const before = logits.slice();
  new Sampler({ repeatPenalty: 1.3, logitBias: { 2: 5 }, topP: 0.9, temperature: 0.5, logprobs: 3 }, 50)
    .sample(logits, [1, 2, 3], 1);
  assert.deepEqual(logits, before);
});

Deno.test("logprobs are the log-softmax of the unmodified logits, likeliest first", () => {
  const logits = testLogits(200, 8);
  const sum = logits.reduce((s, x) => s + Math.exp(x), 0);
  const expected = Array.from(logits, (x, id) => ({ id, logprob: x - Math.log(sum) }))
    .sort((a, b) => b.logprob - a.logprob || a.id - b.id);
  const options = { temperature: 0.3, topK: 10, repeatPenalty: 2, logitBias: { 5: 4 }, seed: 1, logprobs: 7 };
  const { id, logprob, top } = new Sampler(options, 200).sample(logits, [1, 5, 9], 0);
  assert.equal(top!.length, 7);
  top!.forEach((entry, i) => {
    assert.equal(entry.id, expected[i].id);
    assert.ok(Math.abs(entry.logprob - expected[i].logprob) < 1e-12);
  });
  assert.ok(Math.abs(logprob! - expected.find((e) => e.id === id)!.logprob) < 1e-12);
});

Deno.test("logprobs 0 reports the chosen token only; absent reports nothing", () => {
  const logits = testLogits(20, 9);
  assert.deepEqual(new Sampler({ temperature: 0, logprobs: 0 }, 20).sample(logits, [], 0).top, []);
  assert.deepEqual(Object.keys(new Sampler({ temperature: 0 }, 20).sample(logits, [], 0)), ["id"]);
});

Deno.test("bad options are refused by name", () => {
  const cases: [string, SamplingOptions][] = [
    ["temperature", { temperature: -1 }],
    ["temperature", { temperature: NaN }],
    ["temperature", { temperature: Infinity }],
    ["topK", { topK: 1.5 }],
    ["topK", { topK: -1 }],
    ["topP", { topP: -0.01 }],
    ["topP", { topP: 1.01 }],
    ["minP", { minP: NaN }],
    ["typicalP", { typicalP: 2 }],
    ["repeatPenalty", { repeatPenalty: 0 }],
    ["presencePenalty", { presencePenalty: 3 }],
    ["frequencyPenalty", { frequencyPenalty: -2.1 }],
    ["seed", { seed: 0.5 }],
    ["logprobs", { logprobs: 11 }],
    ["logitBias", { logitBias: { 10: 1 } }],
    ["logitBias", { logitBias: { 1: NaN } }],
    ["logitBias", { logitBias: { 1: Infinity } }],
    ["topP", { topP: "0.5" as unknown as number }],
  ];
  for (const [name, options] of cases) {
    assert.throws(() => new Sampler(options, 10), (error) => {
      assert.ok(error instanceof RemoraError);
      assert.equal(error.code, "BAD_ARGUMENT");
      assert.match(error.message, new RegExp(`\\b${name}\\b.*expected .*found `));
      return true;
    });
  }
});

Deno.test("logits that are NaN, infinite, all excluded or of another length are refused", () => {
  for (const options of [{ temperature: 0 }, { temperature: 1 }, { topK: 2 }]) {
    const sampler = new Sampler(options, 4);
    for (
      const bad of [
        [1, NaN, 2, 3],
        [NaN, 1, 2, 3],
        [1, 2, 3, NaN],
        [1, Infinity, 2, 3],
        Array(4).fill(-Infinity),
      ]
    ) {
      assert.throws(
        () => sampler.sample(new Float32Array(bad), [], 0),
        (error) => error instanceof RemoraError && error.code === "BAD_TENSOR" && error.tensor === "logits",
      );
    }
    for (const [logits, from] of [[new Float32Array(3), 0], [new Float32Array(4), 1]] as const) {
      assert.throws(
        () => sampler.sample(logits, [], from),
        (error) => error instanceof RemoraError && error.code === "BAD_ARGUMENT",
      );
    }
  }
});

Deno.test("excluded tokens (-Infinity) are never drawn", () => {
  const logits = new Float32Array([-Infinity, 0, -Infinity, 0]);
  for (const options of [{}, { topK: 3 }, { topP: 0.99 }, { minP: 0.5 }, { typicalP: 0.9 }]) {
    assertDistribution(logits, options, new Map([[1, 0.5], [3, 0.5]]));
  }
});

Deno.test("bestIndices() equals a full stable sort, with many equal scores", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = testRandom(seed);
    const scores = Float32Array.from(
      { length: 1 + Math.floor(random() * 300) },
      () => Math.floor(random() * 20),
    );
    const count = Math.floor(random() * (scores.length + 10));
    const sorted = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
    assert.deepEqual(Array.from(bestIndices(scores, count)), sorted, `seed ${seed}`);
  }
});

Deno.test("smallestPrefix() equals a walk along a full sort, beyond its first guesses", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = testRandom(seed);
    const weights = Float64Array.from(
      { length: 1 + Math.floor(random() * 3000) },
      () => Math.ceil(random() * 50),
    );
    const mass = 0.01 + 0.98 * random();
    const sorted = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b);
    const target = mass * weights.reduce((a, b) => a + b); // integer weights: sums are exact
    let sum = 0;
    const length = sorted.findIndex((i) => (sum += weights[i]) >= target) + 1;
    assert.deepEqual(
      Array.from(smallestPrefix(weights, weights, mass)),
      sorted.slice(0, length),
      `seed ${seed}`,
    );
  }
});
