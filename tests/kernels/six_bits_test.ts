/**
 * Codes of 6 bits by bytes, from blocks of Q6_K that the test writes, against tests/reference/matrix_product.ts.
 */
import { AssertionError, throws } from "node:assert/strict";
import { type Addends, productOfIntegers } from "../reference/matrix_product.ts";
import { assertWithin, type Bench, describeSetup, type KernelSetup, kernelTest, rowsOf } from "./harness.ts";
import { consecutiveRuns, quantiseRows } from "./problems.ts";
import { intoGaps, multiplyCodes } from "./products.ts";
import { drawSixBits, packSixBits, type SixBits } from "./six_bits.ts";

const SETUPS: KernelSetup[] = [
  { variant: "strict" },
  { variant: "relaxed" },
  { variant: "relaxed", dot32: true },
  { variant: "relaxed", isWide: true },
  { variant: "relaxed", dot32: true, isWide: true },
  { variant: "relaxed", dot32: true, isWide: true, threads: 3 },
];
const OUTPUTS = 41;

function multiply(bench: Bench, matrix: SixBits, rows: Float32Array[], addends: Addends): Float32Array {
  const { inputs, outputs } = matrix.weights, packed = packSixBits(bench, matrix);
  const input = bench.arena.floats(rows.flatMap((row) => [...row]));
  const coded = quantiseRows(bench, input, rows.length, inputs, packed.group, "byte");
  return intoGaps(bench, outputs, rows.length, addends, (target) => {
    multiplyCodes(bench, coded, "int6", { rows: rows.length, inputs, outputs }, packed, target);
  });
}

for (const setup of SETUPS) {
  for (let count = 1; count <= 17; count++) {
    const inputs = count % 2 ? 256 : 768, title = `${count} rows, K = ${inputs}, ${describeSetup(setup)}`;
    kernelTest(`codes of 6 bits by bytes are within the bound: ${title}`, (bench) => {
      const { random } = bench, matrix = drawSixBits(random, inputs, OUTPUTS);
      const rows = rowsOf(random.activations(count * inputs), inputs);
      const addends = {
        bias: random.activations(OUTPUTS),
        ...(count % 3 && { before: rowsOf(random.activations(count * OUTPUTS), OUTPUTS) }),
      };
      const expected = productOfIntegers(rows, matrix.weights, consecutiveRuns(inputs, 16), 127, addends);
      assertWithin(multiply(bench, matrix, rows, addends), expected, title);
      // Teeth: a code that is off by one must be noticed.
      const code = matrix.weights.codes[inputs - 3][OUTPUTS - 2];
      matrix.weights.codes[inputs - 3][OUTPUTS - 2] = code ^ 1;
      const wrong = productOfIntegers(rows, matrix.weights, consecutiveRuns(inputs, 16), 127, addends);
      throws(() => assertWithin(multiply(bench, matrix, rows, addends), wrong, "wrong"), AssertionError);
    }, setup);
  }

  kernelTest(`the largest integers against 6 bits overflow nowhere: ${describeSetup(setup)}`, (bench) => {
    const matrix = drawSixBits(bench.random, 256, 16, true);
    // All bytes ±127 with the largest factor, and with the smallest beside it.
    const rows = [1, -1, 1, -1, 1].map((sign, m) =>
      Float32Array.from({ length: 256 }, (_, k) => m === 4 && k >= 128 ? sign / 2047 : sign)
    );
    const expected = productOfIntegers(rows, matrix.weights, consecutiveRuns(256, 16), 127);
    assertWithin(multiply(bench, matrix, rows, {}), expected, "largest");
  }, setup);
}
