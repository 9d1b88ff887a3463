/**
 * Truth: reference/matrix_product.ts on the values that the stored bits stand for.
 */
import { AssertionError, ok, throws } from "node:assert/strict";
import { checkFloats } from "../../kernels/host/float_check.ts";
import type { ElementType } from "../../kernels/host/types.ts";
import { decodeBf16, decodeF16 } from "../reference/half_floats.ts";
import { type Addends, productOfFloats } from "../reference/matrix_product.ts";
import { assertWithin, type Bench, kernelTest, rowsOf, strided } from "./harness.ts";
import { intoGaps } from "./products.ts";
import { bf16Bits, f16Bits } from "./stored_formats.ts";

interface Storage {
  type: ElementType;
  store(values: Float32Array): Float32Array | Uint16Array;
  decode(stored: number): number;
  /** A bit that is worth 2^-7 of a value. */
  flip: number;
}

const STORAGES: Storage[] = [
  { type: "f32", store: (values) => values, decode: (value) => value, flip: 1 << 16 },
  { type: "f16", store: f16Bits, decode: decodeF16, flip: 1 << 3 },
  { type: "bf16", store: bf16Bits, decode: decodeBf16, flip: 1 },
];

/** A stored matrix [N][K] and what it stands for. */
function drawMatrix({ random }: Bench, { store, decode }: Storage, outputs: number, inputs: number) {
  const stored = store(random.activations(outputs * inputs).map((x) => x / 8));
  return { stored, values: rowsOf(Float32Array.from(stored, decode), inputs) };
}

function runDense(
  bench: Bench,
  { type }: Storage,
  rows: Float32Array[],
  stored: Float32Array | Uint16Array,
  outputs: number,
  addends: Addends,
): Float32Array {
  const { arena, kernels } = bench;
  const inputs = rows[0].length;
  const weights = arena.reserve(Math.ceil(outputs / 8) * 8 * inputs * stored.BYTES_PER_ELEMENT);
  kernels.packDense({
    source: arena.place(stored),
    sourceType: type,
    rowCount: outputs,
    inputs,
    panelBegin: 0,
    weights,
  });
  const input = strided(arena.floats(rows.flatMap((row) => [...row])), inputs);
  const shape = { rows: rows.length, outputs, inputs };
  return intoGaps(bench, outputs, rows.length, addends, (target) => {
    const { wideScratch } = kernels.form;
    kernels.matmulDense({ wideScratch, input, weights, weightType: type, ...shape, ...target });
  });
}

const SHAPES: [number, number, number][] = [
  [1, 1, 1],
  [2, 7, 9],
  [4, 33, 8],
  [5, 100, 17],
  [3, 1000, 7],
  ...Array.from({ length: 17 }, (_, i): [number, number, number] => [i + 1, 21, 9]),
  // By the wide tile: rows and panels that are left, several pairs of panels, more rows than pass at a time.
  [8, 64, 8],
  [15, 192, 40],
  [9, 64, 300],
  [262, 128, 24],
];

for (const storage of STORAGES) {
  const { type } = storage;
  SHAPES.forEach(([count, inputs, outputs], i) => {
    const isWide = count >= 8 && inputs % 64 === 0;
    const title = `M = ${count}, K = ${inputs}, N = ${outputs}${isWide ? ", wide" : ""}`;
    kernelTest(`matmulDense() of ${type} is within its bound: ${title}`, (bench) => {
      const { stored, values } = drawMatrix(bench, storage, outputs, inputs);
      const rows = rowsOf(bench.random.activations(count * inputs), inputs);
      const addends = {
        ...(i % 2 === 0 && { bias: bench.random.activations(outputs) }),
        ...(i % 3 === 0 && { before: rowsOf(bench.random.activations(count * outputs), outputs) }),
      };
      const actual = runDense(bench, storage, rows, stored, outputs, addends);
      assertWithin(actual, productOfFloats(rows, values, addends), title);
    }, { isWide });
  });

  for (const inputs of [21, 64]) {
    const isWide = inputs === 64;
    const title = `a row with NaN gives NaN, the others stay finite${isWide ? ", wide" : ""}`;
    kernelTest(`matmulDense() of ${type}: ${title}`, (bench) => {
      const { stored } = drawMatrix(bench, storage, 9, inputs);
      const rows = rowsOf(bench.random.activations(10 * inputs), inputs);
      rows[4][20] = NaN;
      rowsOf(runDense(bench, storage, rows, stored, 9, {}), 9).forEach((row, m) => {
        ok(m === 4 ? row.every(Number.isNaN) : row.every(Number.isFinite), `row ${m}`);
      });
    }, { isWide });
  }

  kernelTest(`matmulDense() of ${type}: the bound has teeth: a hundredth of one weight`, (bench) => {
    const { stored, values } = drawMatrix(bench, storage, 9, 64);
    const rows = [bench.random.activations(64)];
    const expected = productOfFloats(rows, values);
    assertWithin(runDense(bench, storage, rows, stored, 9, {}), expected, "right");
    // The last bits of one weight drown in the roundings of the sum, as they should; the bit worth 2^-7 does not.
    const bits = type === "f32" ? new Uint32Array(stored.buffer) : stored;
    const terms = values[0].map((w, k) => Math.abs(w * rows[0][k]));
    const median = [...terms.keys()].sort((a, b) => terms[a] - terms[b])[32];
    bits[median] ^= storage.flip;
    const actual = runDense(bench, storage, rows, stored, 9, {});
    throws(() => assertWithin(actual, expected, "wrong"), AssertionError);
  });
}

kernelTest("the check at the start passes, and refuses other bits", ({ kernels }) => {
  checkFloats(kernels, kernels.wideScratch);
  const multiply = kernels.matmulDense.bind(kernels);
  // The plain form gets a row's bits from another row.
  kernels.matmulDense = (call) => {
    const { input } = call, { wideScratch } = call;
    multiply({ ...call, input: wideScratch ? input : { ...input, address: input.address + input.stride } });
  };
  throws(() => checkFloats(kernels, kernels.wideScratch), { code: "UNSUPPORTED" });
}, { variant: "relaxed", threads: 2 });

kernelTest("the check at the start reaches the wide tile however many threads there are", ({ kernels }) => {
  const { memory, wideScratch } = kernels, totals = memory.floatsAt(wideScratch, 64).fill(0);
  checkFloats(kernels, wideScratch);
  ok(totals.some((total) => total !== 0));
}, { variant: "relaxed", threads: 6 });
