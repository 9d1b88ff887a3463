/**
 * Truth: tests/reference/matrix_product.ts on logical values. The kernels get the same values the way a checkpoint
 * brings them: stored words, packed by the packing kernels. Bounds are derived there.
 */
import { AssertionError, deepEqual, ok, throws } from "node:assert/strict";
import { type Addends, type CodedWeights, productOfIntegers } from "../reference/matrix_product.ts";
import { activationForm, type WeightType } from "../../kernels/host/types.ts";
import { integerMax, quantiseWeights } from "../reference/quantise.ts";
import {
  assertWithin,
  type Bench,
  describeSetup,
  type KernelSetup,
  kernelTest,
  rowsOf,
  strided,
} from "./harness.ts";
import {
  type CodeMatrix,
  consecutiveRuns,
  drawWeights,
  type MatrixShape,
  packWeights,
  quantiseRows,
  type ZeroPoints,
} from "./problems.ts";
import { intoGaps, multiplyCodes, type Product, PRODUCTS, runProduct } from "./products.ts";
import { storeCodes } from "./stored_formats.ts";

interface Case {
  rows: number;
  inputs: number;
  outputs: number;
  group: number;
  zeros: ZeroPoints;
  bias?: boolean;
  accumulate?: boolean;
}

const CASES: Case[] = [
  { rows: 1, inputs: 8, outputs: 1, group: 8, zeros: "uniform" },
  { rows: 5, inputs: 8, outputs: 8, group: 128, zeros: "own", bias: true },
  { rows: 3, inputs: 72, outputs: 7, group: 64, zeros: "own", bias: true },
  { rows: 4, inputs: 200, outputs: 9, group: 128, zeros: "beyond", accumulate: true },
  { rows: 2, inputs: 40, outputs: 17, group: 32, zeros: "beyond", bias: true, accumulate: true },
  { rows: 6, inputs: 128, outputs: 16, group: 32, zeros: "own" },
  { rows: 7, inputs: 320, outputs: 24, group: 8, zeros: "own", bias: true },
  { rows: 9, inputs: 64, outputs: 200, group: 32, zeros: "uniform", accumulate: true },
  { rows: 5, inputs: 4096, outputs: 24, group: 128, zeros: "own" },
  { rows: 1, inputs: 4104, outputs: 8, group: 128, zeros: "uniform", bias: true },
  // Every number of rows: whole tiles of rows and all remainders; with whole chunks of inputs, few rows have tiles of their own.
  ...[{ inputs: 88, outputs: 9 }, { inputs: 96, outputs: 25 }].flatMap((shape) =>
    Array.from({ length: 17 }, (_, i): Case => ({
      ...shape,
      rows: i + 1,
      group: 32,
      zeros: "beyond",
      bias: i % 2 === 0,
      accumulate: i % 3 === 0,
    }))
  ),
];

/** 8-bit codes also take any number of inputs. */
const ODD_CASES: Case[] = [
  { rows: 3, inputs: 1, outputs: 3, group: 8, zeros: "uniform" },
  { rows: 6, inputs: 13, outputs: 9, group: 8, zeros: "own", bias: true },
  { rows: 4, inputs: 131, outputs: 8, group: 64, zeros: "beyond", accumulate: true },
];

/** With offsets: every number of rows, and groups that have no wide tile, or none of few rows. */
const OFFSET_CASES: Case[] = [
  ...Array.from({ length: 17 }, (_, i): Case => ({
    rows: i + 1,
    inputs: 96,
    outputs: 41,
    group: 32,
    zeros: "offsets",
    bias: i % 2 === 0,
    accumulate: i % 3 === 0,
  })),
  { rows: 1, inputs: 88, outputs: 40, group: 32, zeros: "offsets" },
  { rows: 5, inputs: 256, outputs: 24, group: 64, zeros: "offsets", bias: true },
  { rows: 7, inputs: 64, outputs: 35, group: 16, zeros: "offsets", accumulate: true },
  ...Array.from({ length: 17 }, (_, i): Case => ({
    rows: i + 1,
    inputs: i % 2 ? 256 : 768,
    outputs: 41,
    group: 32,
    zeros: "units",
    bias: i % 2 === 0,
    accumulate: i % 3 === 0,
  })),
];

const SETUPS: KernelSetup[] = [
  { variant: "strict" },
  { variant: "relaxed" },
  { variant: "relaxed", dot32: true },
  { variant: "relaxed", isWide: true },
  { variant: "relaxed", dot32: true, isWide: true },
];

/**
 * Rows of 256 whose largest magnitude is 32,639 in each run, so that a value is its own integer (of two bytes): all bytes
 * 127, all −127, all low bytes −128, all high bytes −127 with low bytes 127 …
 */
const EXTREME_ROWS = [32639, -32639, 32128, -32640 + 128, -32385]
  .map((value) =>
    Float32Array.from({ length: 256 }, (_, k) => k % 128 === 77 ? Math.sign(value) * 32639 : value)
  );
/** For the ladder of 12 bits: neighbours of the same and of opposite signs, at its largest. */
const EXTREME_LADDERS = [() => 1, () => -1, (k: number) => k % 2 * 2 - 1, (k: number) => (k >> 1) % 2 * 2 - 1]
  .map((sign) => Float32Array.from({ length: 256 }, (_, k) => 1927 * sign(k)));

function drawAddends({ random }: Bench, { rows, outputs, bias, accumulate }: Case): Addends {
  return {
    ...(bias && { bias: random.activations(outputs) }),
    ...(accumulate && { before: rowsOf(random.activations(rows * outputs), outputs) }),
  };
}

function formOf({ bits, scaleType }: Product): Pick<MatrixShape, "bits" | "scaleType"> {
  return { bits, scaleType };
}

function testCase(product: Product, shape: Case, setup?: KernelSetup): void {
  const { rows: count, inputs, outputs, group, zeros, bias, accumulate } = shape;
  const title = `M = ${count}, K = ${inputs}, N = ${outputs}, group ${group}, zero points ${zeros}` +
    `${bias ? ", bias" : ""}${accumulate ? ", accumulate" : ""}${setup ? `, ${describeSetup(setup)}` : ""}`;
  kernelTest(`${product.name} is within its bound: ${title}`, (bench) => {
    const matrixShape = { ...shape, ...formOf(product) };
    const weights = drawWeights(bench.random, matrixShape);
    const rows = rowsOf(bench.random.activations(count * inputs), inputs);
    const addends = drawAddends(bench, shape);
    const matrix = packWeights(bench, weights, matrixShape);
    const actual = runProduct(bench, product, rows, matrix, outputs, addends);
    assertWithin(actual, product.reference(rows, weights, consecutiveRuns(inputs, group), addends), title);
  }, setup);
}

for (const product of PRODUCTS) {
  for (const shape of product.bits === 8 ? [...CASES, ...ODD_CASES] : CASES) {
    testCase(product, shape);
  }
  for (const shape of product.scaleType === "f16" ? OFFSET_CASES : []) {
    for (const setup of SETUPS) testCase(product, shape, setup);
  }

  for (const [storedGroup, inputs] of [[256, 576], [384, 512], [1000, 640]]) {
    kernelTest(`${product.name}: stored groups of ${storedGroup} are cut, K = ${inputs}`, (bench) => {
      const stored: MatrixShape = {
        inputs,
        outputs: 8,
        group: storedGroup,
        ...formOf(product),
        zeros: "own",
      };
      const weights = drawWeights(bench.random, stored);
      const rows = rowsOf(bench.random.activations(3 * inputs), inputs);
      const matrix = packWeights(bench, weights, { ...stored, group: 128 });
      const actual = runProduct(bench, product, rows, matrix, stored.outputs);
      assertWithin(actual, product.reference(rows, weights, consecutiveRuns(inputs, 128)), "cut");
    });
  }

  kernelTest(`${product.name}: inputs in act-order, groups of unequal length`, (bench) => {
    const { arena, kernels, random } = bench;
    const inputs = 56, outputs = 8, groupCount = 4;
    const drawn = drawWeights(random, { inputs, outputs, group: 16, ...formOf(product) });
    const groups = Array.from({ length: inputs }, () => random.below(groupCount));
    const weights: CodedWeights = { ...drawn, groups };
    // Group by group, each padded with −1 to the length of the longest.
    const members = Array.from(
      { length: groupCount },
      (_, g) => [...groups.keys()].filter((k) => groups[k] === g),
    );
    const group = Math.ceil(Math.max(...members.map((own) => own.length)) / 8) * 8;
    const order = members.flatMap((own) => [...own, ...Array<number>(group - own.length).fill(-1)]);
    const packed = order.length, blocks = packed / 8;

    const orderAddress = arena.place(Int32Array.from(order));
    const codes = arena.reserve(blocks * 8 * product.bits);
    const source = arena.place(storeCodes(weights, product.bits));
    const steps = { wordStep: outputs, outputStep: 1, panelBegin: 0 };
    const call = { source, order: orderAddress, ...steps, outputs, blocks, weights: codes };
    if (product.bits === 4) kernels.packInt4Gathered(call);
    else kernels.packInt8Gathered({ ...call, isSigned: false });
    const scales = arena.reserve(groupCount * 32);
    kernels.packScales({
      source: arena.floats(weights.scales.flat()),
      sourceType: "f32",
      groupStep: outputs,
      outputStep: 1,
      outputs,
      groups: groupCount,
      split: 1,
      scaleType: product.scaleType,
      scales,
    });

    const rows = rowsOf(random.activations(5 * inputs), inputs);
    const gathered = arena.result(5 * packed);
    kernels.gatherColumns({
      input: strided(arena.floats(rows.flatMap((row) => [...row])), inputs),
      order: orderAddress,
      rows: 5,
      count: packed,
      output: strided(gathered.address, packed),
    });
    const { scaleType } = product, zero = 2 ** (product.bits - 1);
    const matrix = { weights: codes, scales, scaleType, zeros: 0, zero, offsets: 0, units: 0, group };
    const actual = runProduct(bench, product, rowsOf(gathered.read(), packed), matrix, outputs);
    assertWithin(actual, product.reference(rows, weights, groups), "act-order");
  });

  kernelTest(`${product.name}: a row with NaN gives NaN, the others stay finite`, (bench) => {
    const shape: MatrixShape = { inputs: 72, outputs: 9, group: 32, ...formOf(product), zeros: "own" };
    const weights = drawWeights(bench.random, shape);
    const rows = rowsOf(bench.random.activations(6 * shape.inputs), shape.inputs);
    rows[1][40] = NaN;
    rows[5][0] = NaN;
    const actual = runProduct(bench, product, rows, packWeights(bench, weights, shape), shape.outputs);
    rowsOf(actual, shape.outputs).forEach((row, m) => {
      ok(m === 1 || m === 5 ? row.every(Number.isNaN) : row.every(Number.isFinite), `row ${m}: ${row}`);
    });
  });

  kernelTest(`${product.name}: huge and tiny activations are within the bound`, (bench) => {
    const shape: MatrixShape = { inputs: 72, outputs: 9, group: 32, ...formOf(product), zeros: "own" };
    const weights = drawWeights(bench.random, shape);
    const rows = rowsOf(bench.random.activations(4 * shape.inputs), shape.inputs);
    const factors = [1e30, 1e-20, 0, 1];
    const scaled = rows.map((row, m) => row.map((x) => x * factors[m]));
    const actual = runProduct(bench, product, scaled, packWeights(bench, weights, shape), shape.outputs);
    assertWithin(actual, product.reference(scaled, weights, consecutiveRuns(72, 32)), "extremes");
  });

  for (const setup of SETUPS) {
    const title = describeSetup(setup);
    kernelTest(`${product.name}: the largest integers overflow nowhere: ${title}`, (bench) => {
      const shape: MatrixShape = {
        inputs: 256,
        outputs: 16,
        group: 128,
        ...formOf(product),
        zeros: "beyond",
      };
      const weights = extremeWeights(drawWeights(bench.random, shape), 2 ** product.bits);
      const extremes = product.bits === 4 ? [...EXTREME_ROWS, ...EXTREME_LADDERS] : EXTREME_ROWS;
      const actual = runProduct(
        bench,
        product,
        extremes,
        packWeights(bench, weights, shape),
        shape.outputs,
      );
      assertWithin(actual, product.reference(extremes, weights, consecutiveRuns(256, 128)), title);
    }, setup);
  }

  teethOf(product);
}

/** Dense matrices as codes: 8 bits against activations of two bytes, 7 bits against one. */
for (const [bits, weightType, bytes] of [[8, "int8", 2], [7, "int7", 1]] as const) {
  for (const setup of SETUPS) {
    for (const inputs of [13, 75, 128, 520]) {
      for (const count of [1, 2, 5]) {
        const title = `K = ${inputs}, M = ${count}, ${describeSetup(setup)}`;
        kernelTest(
          `matmulCodes() of dense weights made ${bits}-bit is within its bound: ${title}`,
          (bench) => {
            const { random } = bench;
            const outputs = 19, group = 32;
            const dense = rowsOf(random.activations(outputs * inputs), inputs);
            const rows = rowsOf(random.activations(count * inputs), inputs);
            const bias = random.activations(outputs);
            const expected = productOfIntegers(
              rows,
              codesOf(dense, group, bits),
              consecutiveRuns(inputs, group),
              integerMax(bits, bytes),
              { bias },
            );
            assertWithin(denseProduct(bench, dense, rows, group, weightType, bias), expected, title);
            // Teeth: one weight that is off by a tenth of the largest must be noticed.
            dense[3][inputs >> 1] += 0.1 * Math.max(...dense[3].map(Math.abs));
            const wrong = denseProduct(bench, dense, rows, group, weightType, bias);
            throws(() => assertWithin(wrong, expected, "wrong"), AssertionError);
          },
          setup,
        );
      }
    }
    kernelTest(
      `the largest integers of ${bits}-bit dense weights overflow nowhere: ${setup.variant}`,
      (bench) => {
        const dense = [1, -1].map((sign) => new Float32Array(256).fill(sign));
        const rows = [1, -1].map((sign) => new Float32Array(256).fill(sign));
        const expected = productOfIntegers(
          rows,
          codesOf(dense, 128, bits),
          consecutiveRuns(256, 128),
          integerMax(bits, bytes),
        );
        assertWithin(denseProduct(bench, dense, rows, 128, weightType), expected, "largest");
      },
      setup,
    );
  }
}

/** rows · denseᵀ, packed and multiplied by the kernels. */
function denseProduct(
  bench: Bench,
  dense: Float32Array[],
  rows: Float32Array[],
  group: number,
  weightType: WeightType,
  bias?: Float32Array,
): Float32Array {
  const { arena, kernels } = bench;
  const inputs = dense[0].length, outputs = dense.length;
  const groups = Math.ceil(inputs / group), panels = Math.ceil(outputs / 8);
  const weights = arena.reserve(panels * Math.ceil(inputs / 8) * 64);
  const scales = arena.reserve(panels * groups * 16);
  const stored = arena.floats(dense.flatMap((row) => [...row]));
  kernels.packDenseCodes({
    source: stored,
    sourceType: "f32",
    codeType: weightType,
    rowCount: outputs,
    inputs,
    group,
    panelBegin: 0,
    scaleType: "f16",
    weights,
    scales,
    zeros: 0,
  });
  const form = activationForm(weightType, 1);
  const input = arena.floats(rows.flatMap((row) => [...row]));
  const coded = quantiseRows(bench, input, rows.length, inputs, group, form);
  const zero = weightType === "int8" ? 128 : 64;
  const matrix: CodeMatrix = {
    weights,
    scales,
    scaleType: "f16",
    zeros: 0,
    zero,
    offsets: 0,
    units: 0,
    group,
  };
  return intoGaps(bench, outputs, rows.length, { bias }, (target) => {
    multiplyCodes(bench, coded, weightType, { rows: rows.length, inputs, outputs }, matrix, target);
  });
}

/** Dense rows [N][K] as the codes that stand for them. */
function codesOf(dense: Float32Array[], group: number, bits: 7 | 8): CodedWeights {
  const inputs = dense[0].length, runs = consecutiveRuns(inputs, group);
  const groups = Array.from(
    { length: runs[inputs - 1] + 1 },
    (_, g) => dense.map((row) => quantiseWeights(row.filter((_, k) => runs[k] === g), bits, "f16")),
  );
  return {
    inputs,
    outputs: dense.length,
    codes: runs.map((g, k) => groups[g].map(({ codes }) => codes[k - g * group])),
    scales: groups.map((row) => row.map(({ scale }) => scale)),
    zeros: groups.map((row) => row.map(() => 2 ** (bits - 1))),
    groups: runs,
  };
}

/** The largest code with zero point 0, the smallest with the largest zero point, in turn. */
function extremeWeights(weights: CodedWeights, levels: number): CodedWeights {
  const codes = weights.codes.map((row) => row.map((_, n) => n % 2 ? 0 : levels - 1));
  return { ...weights, codes, zeros: weights.zeros.map((row) => row.map((_, n) => n % 2 ? levels : 0)) };
}

/** A wrong matrix must be refused where the right one passes. */
function teethOf(product: Product): void {
  const shape: MatrixShape = { inputs: 328, outputs: 16, group: 32, ...formOf(product), zeros: "own" };
  const runs = consecutiveRuns(shape.inputs, shape.group);
  const spoilings: { name: string; spoil: (weights: CodedWeights, row: Float32Array) => CodedWeights }[] = [
    { name: "one code is off by one", spoil: flipMedianCode },
    { name: "the zero points of two outputs are swapped", spoil: swapZeros },
    { name: "two codes of a word are swapped", spoil: swapCodes },
    { name: "two groups' scales are swapped", spoil: swapScales },
  ];
  for (const { name, spoil } of spoilings) {
    kernelTest(`${product.name}: the bound has teeth: ${name}`, (bench) => {
      const weights = drawWeights(bench.random, shape);
      const rows = [bench.random.activations(shape.inputs)];
      const expected = product.reference(rows, weights, runs);
      const right = packWeights(bench, weights, shape);
      assertWithin(runProduct(bench, product, rows, right, shape.outputs), expected, "right");
      const wrong = packWeights(bench, spoil(weights, rows[0]), shape);
      const actual = runProduct(bench, product, rows, wrong, shape.outputs);
      throws(() => assertWithin(actual, expected, "wrong"), AssertionError);
    });
  }
}

/** Changes a code where the activation is of middling size, by the least there is. */
function flipMedianCode(weights: CodedWeights, row: Float32Array): CodedWeights {
  const bySize = [...row.keys()].sort((a, b) => Math.abs(row[a]) - Math.abs(row[b]));
  const spoilt = structuredClone(weights);
  spoilt.codes[bySize[row.length >> 1]][5] ^= 1;
  return spoilt;
}

function swapZeros(weights: CodedWeights): CodedWeights {
  const spoilt = structuredClone(weights);
  const own = spoilt.zeros[3];
  const n = own.findIndex((zero, i) => zero !== own[i + 1]);
  [own[n], own[n + 1]] = [own[n + 1], own[n]];
  return spoilt;
}

function swapCodes(weights: CodedWeights): CodedWeights {
  const spoilt = structuredClone(weights);
  const { codes } = spoilt;
  const k = codes.findIndex((row, i) => i % 8 < 7 && row[9] !== codes[i + 1][9]);
  [codes[k][9], codes[k + 1][9]] = [codes[k + 1][9], codes[k][9]];
  return spoilt;
}

function swapScales(weights: CodedWeights): CodedWeights {
  const spoilt = structuredClone(weights);
  [spoilt.scales[1], spoilt.scales[2]] = [spoilt.scales[2], spoilt.scales[1]];
  return spoilt;
}

for (const setup of SETUPS) {
  for (const [bits, bytes, rows] of [[4, 1, 1], [4, 2, 1], [4, 2, 6], [8, 2, 3]] as const) {
    const title = describeSetup(setup);
    kernelTest(
      `matmulCodes() of three products at once has the bits of each alone: ${bits} bits, ${bytes} bytes, ${rows} rows, ${title}`,
      (bench) => {
        const { arena, kernels, random } = bench;
        const inputs = 160, group = 64, weightType = bits === 4 ? "int4" : "int8";
        const input = arena.floats(random.activations(rows * inputs));
        const coded = quantiseRows(
          bench,
          input,
          rows,
          inputs,
          group,
          activationForm(weightType, bytes),
        );
        const products = ([[72, "own", true], [9, "uniform", false], [200, "own", false]] as const).map(
          ([outputs, zeros, accumulate]) => {
            const shape = { inputs, outputs, group, bits, zeros };
            const matrix = packWeights(bench, drawWeights(random, shape), shape);
            const before = random.activations(rows * outputs),
              bias = arena.floats(random.activations(outputs));
            const targetOf = () => {
              const result = arena.result(rows * outputs);
              if (accumulate) kernels.memory.floatsAt(result.address, rows * outputs).set(before);
              return {
                result,
                target: { output: strided(result.address, outputs), bias, accumulate },
              };
            };
            return { matrix, outputs, together: targetOf(), alone: targetOf() };
          },
        );
        kernels.matmulCodes({
          ...coded,
          weightType,
          rows,
          inputs,
          group,
          ...kernels.form,
          products: products.map(({ matrix, outputs, together }) => ({
            ...matrix,
            outputs,
            ...together.target,
          })),
        });
        for (const { matrix, outputs, together, alone } of products) {
          multiplyCodes(bench, coded, weightType, { rows, inputs, outputs }, matrix, alone.target);
          deepEqual(together.result.read(), alone.result.read());
        }
      },
      { ...setup, threads: 2 },
    );
  }
}
