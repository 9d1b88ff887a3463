/**
 * Truth: integers and activation scales as reference/quantise.ts defines them. The integers are read back through a product with unit
 * weights (code 1 where k = n, zero point 0, scale 1), whose single rounding is known, so no layout of codes is assumed.
 */
import { equal, ok } from "node:assert/strict";
import type { CodedWeights } from "../reference/matrix_product.ts";
import { integerMax, quantiseBytes, quantiseRow } from "../reference/quantise.ts";
import { activationForm } from "../../kernels/host/types.ts";
import { assertSameBits, type Bench, kernelTest, rowsOf, strided } from "./harness.ts";
import { consecutiveRuns, packWeights, quantiseRows, rowsOfTiles } from "./problems.ts";
import { multiplyCodes } from "./products.ts";

function unitWeights(inputs: number): CodedWeights {
  const row = () => Array<number>(inputs).fill(0);
  const codes = Array.from({ length: inputs }, (_, k) => row().fill(1, k, k + 1));
  return { inputs, outputs: inputs, codes, scales: [row().fill(1)], zeros: [row()], groups: row() };
}

interface Form {
  inputs: number;
  group: number;
  bytes: 1 | 2;
  bits: 4 | 8;
}

/** Quantises, returns integer · scale of every input, and checks sums and scales. */
function roundTrip(bench: Bench, rows: Float32Array[], { inputs, group, bytes, bits }: Form): Float32Array {
  const { arena, kernels } = bench;
  const weightType = bits === 4 ? "int4" : "int8";
  const coded = quantiseRows(
    bench,
    arena.floats(rows.flatMap((row) => [...row])),
    rows.length,
    inputs,
    group,
    activationForm(weightType, bytes),
  );
  const weights = packWeights(bench, unitWeights(inputs), { inputs, outputs: inputs, group, bits });
  const groups = Math.ceil(inputs / group);
  const result = arena.result(rows.length * inputs);
  const shape = { rows: rows.length, inputs, outputs: inputs };
  const target = { output: strided(result.address, inputs), bias: 0, accumulate: false };
  multiplyCodes(bench, coded, weightType, shape, { ...weights, zero: 0 }, target);
  const count = rows.length * groups,
    tiles = (values: ArrayLike<number>) => rowsOfTiles(values, rows.length, groups);
  const sums = tiles(new Int32Array(kernels.memory.wasm.buffer, coded.sums, count));
  const scales = bytes === 1
    ? rowsOf(kernels.memory.floatsAt(coded.activationScales, rows.length), 1)
    : tiles(kernels.memory.floatsAt(coded.activationScales, count));
  const runs = consecutiveRuns(inputs, group);
  rows.forEach((row, m) => {
    const { integers, scalesOfRow } = quantised(row, { inputs, group, bytes, bits });
    scalesOfRow.forEach((scale, g) => equal(scales[m][g], scale, `scale ${g} of row ${m}`));
    for (let g = 0; g < groups; g++) {
      if (Number.isNaN(scalesOfRow[bytes === 1 ? 0 : g])) continue;
      const own = integers.filter((_, k) => runs[k] === g);
      equal(sums[m][g], own.reduce((sum, x) => sum + x, 0), `sum ${g} of row ${m}`);
    }
  });
  return result.read();
}

/** The integers of a row, of bytes times their factors; its scales, and the scale of each input. */
function quantised(row: Float32Array, { inputs, group, bytes, bits }: Form) {
  const runs = consecutiveRuns(inputs, group);
  if (bytes === 1) {
    const { integers, factors, scale } = quantiseBytes(row, runs);
    return { integers: integers.map((x, k) => x * factors[k]), scalesOfRow: [scale], scaleOf: () => scale };
  }
  const { integers, scales } = quantiseRow(row, runs, Math.ceil(inputs / group), integerMax(bits, bytes));
  return { integers, scalesOfRow: [...scales], scaleOf: (k: number) => scales[runs[k]] };
}

/** What integer · scale must be, rounded once. */
function expectedOf(rows: Float32Array[], form: Form): Float32Array {
  return Float32Array.from(rows.flatMap((row) => {
    const { integers, scaleOf } = quantised(row, form);
    return Array.from(integers, (x, k) => x * scaleOf(k) + 0);
  }));
}

const FORMS: Form[] = [
  { inputs: 8, group: 8, bytes: 2, bits: 4 },
  { inputs: 72, group: 64, bytes: 2, bits: 4 },
  { inputs: 72, group: 64, bytes: 1, bits: 4 },
  { inputs: 200, group: 128, bytes: 2, bits: 4 },
  { inputs: 200, group: 128, bytes: 1, bits: 4 },
  { inputs: 13, group: 8, bytes: 2, bits: 8 },
  { inputs: 1, group: 8, bytes: 2, bits: 8 },
  { inputs: 71, group: 32, bytes: 2, bits: 8 },
];

for (const form of FORMS) {
  const { inputs, group, bytes, bits } = form;
  const title = `K = ${inputs}, group ${group}, ${bytes} bytes, for ${bits}-bit codes`;

  kernelTest(`quantize() is the documented rounding for 1 to 9 rows, ${title}`, (bench) => {
    for (let count = 1; count <= 9; count++) {
      const rows = rowsOf(bench.random.activations(count * inputs), inputs);
      assertSameBits(roundTrip(bench, rows, form), expectedOf(rows, form), `${count} rows`);
    }
  });

  kernelTest(`quantize() is within half a scale, ${title}`, (bench) => {
    const rows = rowsOf(bench.random.activations(5 * inputs), inputs);
    const values = rowsOf(roundTrip(bench, rows, form), inputs);
    const most = integerMax(bits, bytes);
    // The quotient, the product and the scale are rounded: 3 · 2^-24 of up to 32,639 scales is below a hundredth.
    rows.forEach((row, m) =>
      row.forEach((x, k) => {
        const begin = k - k % group;
        const scale = Math.max(...row.slice(begin, begin + group).map(Math.abs)) / most;
        ok(Math.abs(values[m][k] - x) <= 0.51 * scale, `row ${m}, input ${k}: ${values[m][k]} for ${x}`);
      })
    );
  });

  kernelTest(`quantize() takes zeros, subnormals and huge values, ${title}`, (bench) => {
    const { random } = bench;
    const scales = [0, 1e-45, 1e-38, 1e-31, 1.1e-30, 1e-20, 1e30, 3e38];
    const rows = scales.map((scale) =>
      Float32Array.from({ length: inputs }, (_, k) => k === 0 ? -scale : scale * random.between(-1, 1))
    );
    const values = roundTrip(bench, rows, form);
    assertSameBits(values, expectedOf(rows, form), "extremes");
    ok(values.every(Number.isFinite));
  });

  for (const poison of [NaN, Infinity, -Infinity]) {
    kernelTest(`quantize() turns a row with ${poison} into NaN and spares the others, ${title}`, (bench) => {
      const rows = rowsOf(bench.random.activations(6 * inputs), inputs);
      const clean = rowsOf(roundTrip(bench, rows, form), inputs);
      rows[2][inputs - 1] = poison;
      rowsOf(roundTrip(bench, rows, form), inputs).forEach((row, m) => {
        if (m === 2) ok(row.every(Number.isNaN));
        else assertSameBits(row, clean[m], `row ${m}`);
      });
    });
  }
}

kernelTest("quantize() rounds ties to even", (bench) => {
  // The largest is 127, so a scale is 1 and the halves are exact ties.
  const row = Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 3.5);
  const values = roundTrip(bench, [row], { inputs: 8, group: 8, bytes: 1, bits: 4 });
  assertSameBits(values, Float32Array.of(127, 0, 2, 2, 0, -2, -2, 4), "ties");
});

for (const bytes of [1, 2] as const) {
  // Seven inputs are all tail, eight are all vector; both must split every integer into its bytes and back.
  for (const inputs of bytes === 1 ? [8] : [7, 8]) {
    kernelTest(`quantize() keeps every integer of ${bytes} bytes, K = ${inputs}`, (bench) => {
      const bits = inputs === 8 ? 4 : 8, most = integerMax(bits, bytes);
      const rows: Float32Array[] = [];
      // The largest comes first in each row, so a scale is 1.
      for (let first = -most; first <= most; first += inputs - 1) {
        const rest = Array.from({ length: inputs - 1 }, (_, i) => Math.min(first + i, most));
        rows.push(Float32Array.of(most, ...rest));
      }
      const values = roundTrip(bench, rows, { inputs, group: 8, bytes, bits });
      assertSameBits(values, Float32Array.from(rows.flatMap((row) => [...row])), "integers");
    });
  }
}
