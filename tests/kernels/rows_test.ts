/**
 * Truth: tests/reference, row by row. Bounds are derived there.
 */
import { AssertionError, equal, ok, throws } from "node:assert/strict";
import {
  ACTIVATION_GELU,
  ACTIVATION_GELU_TANH,
  ACTIVATION_SILU,
  KIND_BF16,
  KIND_F16,
  KIND_F32,
  KIND_INT4,
  KIND_INT8,
} from "../../kernels/shared/layout.ts";
import { erf, gelu, geluGate, siluGate } from "../reference/gated_activation.ts";
import { decodeBf16, decodeF16 } from "../reference/half_floats.ts";
import { weightOf } from "../reference/matrix_product.ts";
import { layerNormRow, rmsNormRow, softmaxRow } from "../reference/normalisation.ts";
import { gamma } from "../reference/rounding.ts";
import { assertSameBits, assertWithin, joined, kernelTest, rowsOf, ulpsFrom } from "./harness.ts";
import { drawWeights, packWeights } from "./problems.ts";
import { bf16Bits, f16Bits } from "./stored_formats.ts";

const NO_CODES = { scales: 0, zeros: 0, zero: 0, group: 8 };
const IDS = [0, 16, 7, 8, 16, 3];

for (const bits of [4, 8] as const) {
  for (const zeros of ["uniform", "own", "beyond"] as const) {
    kernelTest(`embed() takes rows of ${bits}-bit codes, zero points ${zeros}`, (bench) => {
      const { arena, kernels, random } = bench;
      const shape = { inputs: bits === 4 ? 72 : 75, outputs: 17, group: 32, bits, zeros };
      const table = drawWeights(random, shape);
      const output = arena.result(IDS.length * shape.inputs);
      const ids = arena.place(Uint32Array.from(IDS));
      const kind = bits === 4 ? KIND_INT4 : KIND_INT8;
      kernels.embed(
        ids,
        kind,
        packWeights(bench, table, shape),
        output.address,
        IDS.length,
        shape.inputs,
        1.25,
      );
      const values = Float64Array.from(
        IDS.flatMap((id) => Array.from({ length: shape.inputs }, (_, k) => 1.25 * weightOf(table, k, id))),
      );
      // Code · scale and the factor: two roundings.
      assertWithin(output.read(), { values, bounds: values.map((x) => gamma(2) * Math.abs(x)) }, "embedding");
    });
  }
}

for (
  const [name, kind, store, decode] of [
    ["f32", KIND_F32, (values: Float32Array) => values, (x: number) => x],
    ["f16", KIND_F16, f16Bits, decodeF16],
    ["bf16", KIND_BF16, bf16Bits, decodeBf16],
  ] as const
) {
  kernelTest(`embed() takes rows of ${name}`, ({ arena, kernels, random }) => {
    const inputs = 21, outputs = 17;
    const stored = store(random.activations(outputs * inputs));
    const weights = arena.reserve(24 * inputs * stored.BYTES_PER_ELEMENT);
    kernels.packDense(arena.place(stored), kind, weights, outputs, inputs, 0);
    const output = arena.result(IDS.length * inputs);
    const ids = arena.place(Uint32Array.from(IDS));
    kernels.embed(ids, kind, { weights, ...NO_CODES }, output.address, IDS.length, inputs, 3);
    const table = rowsOf(Float32Array.from(stored, decode), inputs);
    // One product in f32: the very bits.
    assertSameBits(
      output.read(),
      Float32Array.from(IDS.flatMap((id) => [...table[id]].map((x) => 3 * x))),
      name,
    );
  });
}

for (const width of [1, 3, 4, 7, 64, 100, 577]) {
  for (const heads of [1, 3]) {
    kernelTest(`rmsNorm() of ${heads} × ${width} is within its bound`, ({ arena, kernels, random }) => {
      const rows = 5, inputWidth = heads * width + 2, outputWidth = heads * width + 1;
      const input = rowsOf(random.activations(rows * inputWidth), inputWidth);
      const weight = random.activations(width);
      const output = arena.result(rows * outputWidth);
      kernels.rmsNorm(
        arena.floats(input.flatMap((row) => [...row])),
        inputWidth * 4,
        output.address,
        outputWidth * 4,
        arena.place(weight),
        rows,
        heads,
        width,
        1e-5,
      );
      rowsOf(output.read(), outputWidth).forEach((row, m) => {
        const segments = Array.from(
          { length: heads },
          (_, h) => input[m].subarray(h * width, (h + 1) * width),
        );
        const expected = joined(segments.map((x) => rmsNormRow(x, weight, 1e-5)));
        assertWithin(row.subarray(0, heads * width), expected, `row ${m}`);
        ok(Number.isNaN(row[heads * width]), "the gap was written");
      });
    });
  }
}

kernelTest("rmsNorm() in place gives the same bits", ({ arena, kernels, random }) => {
  const rows = 3, heads = 4, width = 18, row = heads * width;
  const input = random.activations(rows * row);
  const weight = arena.place(random.activations(width));
  const apart = arena.result(rows * row);
  kernels.rmsNorm(arena.place(input), row * 4, apart.address, row * 4, weight, rows, heads, width, 1e-6);
  const inPlace = arena.place(input);
  kernels.rmsNorm(inPlace, row * 4, inPlace, row * 4, weight, rows, heads, width, 1e-6);
  assertSameBits(kernels.heap.floatsAt(inPlace, rows * row), apart.read(), "in place");
});

kernelTest("rmsNorm() of zeros is zero, of NaN is NaN", ({ arena, kernels, random }) => {
  const rows = [new Float32Array(9), random.activations(9), random.activations(9)];
  rows[1][8] = NaN;
  const output = arena.result(27);
  const input = arena.floats(rows.flatMap((row) => [...row]));
  kernels.rmsNorm(input, 36, output.address, 36, arena.floats(Array(9).fill(1)), 3, 1, 9, 1e-6);
  const [zero, nan, finite] = rowsOf(output.read(), 9);
  ok(zero.every((x) => x === 0));
  ok(nan.every(Number.isNaN));
  ok(finite.every(Number.isFinite));
});

kernelTest("rmsNorm(): the bound has teeth: ten units of one weight", ({ arena, kernels, random }) => {
  const row = random.activations(64), weight = random.activations(64);
  const output = arena.result(64);
  const input = arena.place(row);
  const expected = rmsNormRow(row, weight, 1e-5);
  const wrong = weight.map((w, i) => i === 17 ? w * (1 + 40 * 2 ** -24) : w);
  kernels.rmsNorm(input, 256, output.address, 256, arena.place(wrong), 1, 1, 64, 1e-5);
  throws(() => assertWithin(output.read(), expected, "wrong"), AssertionError);
});

for (const width of [1, 3, 4, 7, 64, 1280]) {
  kernelTest(`layerNorm() of ${width} is within its bound`, ({ arena, kernels, random }) => {
    const rows = 5, outputWidth = width + 1;
    // A mean far from zero, as pictures have.
    const input = rowsOf(random.activations(rows * width).map((x) => x + 2), width);
    const weight = random.activations(width), bias = random.activations(width);
    const output = arena.result(rows * outputWidth);
    const address = arena.floats(input.flatMap((row) => [...row]));
    const places = [arena.place(weight), arena.place(bias)] as const;
    kernels.layerNorm(address, width * 4, output.address, outputWidth * 4, ...places, rows, width, 1e-5);
    rowsOf(output.read(), outputWidth).forEach((row, m) => {
      assertWithin(row.subarray(0, width), layerNormRow(input[m], weight, bias, 1e-5), `row ${m}`);
      ok(Number.isNaN(row[width]), "the gap was written");
    });
    kernels.layerNorm(address, width * 4, address, width * 4, ...places, rows, width, 1e-5);
    const inPlace = rowsOf(kernels.heap.floatsAt(address, rows * width), width);
    rowsOf(output.read(), outputWidth).forEach((row, m) => {
      assertSameBits(inPlace[m], row.subarray(0, width), "in place");
    });
  });
}

kernelTest("layerNorm(): the bound has teeth: one of the weights", ({ arena, kernels, random }) => {
  const row = random.activations(64), weight = random.activations(64), bias = new Float32Array(64);
  const output = arena.result(64);
  const wrong = weight.map((w, i) => i === 17 ? w * (1 + 1000 * 2 ** -24) : w);
  const places = [arena.place(wrong), arena.place(bias)] as const;
  kernels.layerNorm(arena.place(row), 256, output.address, 256, ...places, 1, 64, 1e-5);
  throws(() => assertWithin(output.read(), layerNormRow(row, weight, bias, 1e-5), "wrong"), AssertionError);
});

kernelTest("activation() GELU is within its bound from −12 to 12, and at its edges", ({ arena, kernels }) => {
  const count = 20001;
  const x = Float32Array.from({ length: count }, (_, i) => -12 + 24 * i / (count - 1));
  x.set([0, -0, 1e-38, -1e-38, 1e30, -1e30]);
  const address = arena.place(x);
  kernels.activation(ACTIVATION_GELU, address, 1, count);
  const values = kernels.heap.floatsAt(address, count).slice();
  assertWithin(values, gelu(x), "GELU");
  values[15_000] *= 1 + 1e-5;
  throws(() => assertWithin(values, gelu(x), "wrong"), AssertionError);
  const nan = arena.floats([NaN, 1]);
  kernels.activation(ACTIVATION_GELU, nan, 1, 2);
  ok(Number.isNaN(kernels.heap.floatsAt(nan, 2)[0]));
});

Deno.test("the reference's erf has the values of Abramowitz and Stegun, table 7.1", () => {
  for (
    const [x, value] of [[0.5, 0.5204998778], [1, 0.8427007929], [2, 0.995322265], [-1.5, -0.9661051465]]
  ) {
    ok(Math.abs(erf(x) - value) < 1e-10, `${x}`);
  }
});

kernelTest("spreadColumns() interleaves matrices", ({ arena, kernels, random }) => {
  const rows = 5, width = 7, parts = 3;
  const inputs = Array.from({ length: parts }, () => rowsOf(random.activations(rows * width), width));
  const output = arena.result(rows * (width * parts + 1));
  const stride = (width * parts + 1) * 4;
  inputs.forEach((input, part) => {
    const address = arena.floats(input.flatMap((row) => [...row]));
    kernels.spreadColumns(address, width * 4, output.address + part * 4, stride, parts, rows, width);
  });
  rowsOf(output.read(), width * parts + 1).forEach((row, m) => {
    for (let k = 0; k < width * parts; k++) equal(row[k], inputs[k % parts][m][Math.floor(k / parts)]);
    ok(Number.isNaN(row[width * parts]), "the gap was written");
  });
});

for (
  const [name, kind, store, decode] of [
    ["f32", KIND_F32, (values: Float32Array) => values, (x: number) => x],
    ["f16", KIND_F16, f16Bits, decodeF16],
    ["bf16", KIND_BF16, bf16Bits, decodeBf16],
  ] as const
) {
  kernelTest(`addScaled() widens ${name} and rounds twice, row by row or one row for all`, (bench) => {
    const { arena, kernels, random } = bench;
    const rows = 3, width = 9, stride = (width + 2) * 4, factor = Math.fround(0.3);
    const stored = store(random.activations(rows * width));
    const source = arena.place(stored), values = Float32Array.from(stored, decode);
    for (const isShared of [false, true]) {
      const target = rowsOf(random.activations(rows * (width + 2)), width + 2);
      const address = arena.floats(target.flatMap((row) => [...row]));
      const sourceStride = isShared ? 0 : width * stored.BYTES_PER_ELEMENT;
      kernels.addScaled(address, stride, source, kind, sourceStride, rows, width, factor);
      const expected = target.map((row, m) =>
        row.map((x, k) => k < width ? x + Math.fround(factor * values[isShared ? k : m * width + k]) : x)
      );
      assertSameBits(
        kernels.heap.floatsAt(address, rows * (width + 2)),
        Float32Array.from(expected.flatMap((row) => [...row])),
        name,
      );
    }
  });
}

kernelTest("gatherColumns() takes columns in order and zeros for −1", ({ arena, kernels, random }) => {
  const rows = 4, width = 9;
  const input = rowsOf(random.activations(rows * width), width);
  const order = [8, -1, 0, 3, 3, -1, 7];
  const output = arena.result(rows * order.length);
  kernels.gatherColumns(
    arena.floats(input.flatMap((row) => [...row])),
    width * 4,
    arena.place(Int32Array.from(order)),
    output.address,
    rows,
    order.length,
  );
  const expected = input.flatMap((row) => order.map((k) => k < 0 ? 0 : row[k]));
  assertSameBits(output.read(), Float32Array.from(expected), "gathered");
});

const GATES = [
  { name: "SiLU", kind: ACTIVATION_SILU, reference: siluGate },
  { name: "GELU", kind: ACTIVATION_GELU_TANH, reference: geluGate },
];
/** From where exp leaves f32 on both sides to where a gate is the identity. */
const GATE_EDGES = [
  0,
  -0,
  1e-30,
  -1e-30,
  20,
  -20,
  80,
  -80,
  87.4,
  -87.4,
  88.5,
  -88.5,
  90,
  -90,
  1e4,
  -1e4,
  1e30,
  -1e30,
];

for (const { name, kind, reference } of GATES) {
  for (const width of [1, 3, 4, 7, 250]) {
    kernelTest(`gatedActivation() ${name} of ${width} is within its bound`, ({ arena, kernels, random }) => {
      const rows = 3;
      const gate = random.activations(rows * width).map((x) => 3 * x), up = random.activations(rows * width);
      // Gate and up side by side in one row, as the fused projection leaves them.
      const gates = rowsOf(gate, width), ups = rowsOf(up, width);
      const fused = arena.floats(gates.flatMap((row, m) => [...row, ...ups[m]]));
      const output = arena.result(rows * (width + 1));
      const stride = 2 * width * 4;
      kernels.gatedActivation(
        kind,
        fused,
        stride,
        fused + width * 4,
        stride,
        output.address,
        (width + 1) * 4,
        rows,
        width,
      );
      rowsOf(output.read(), width + 1).forEach((row, m) => {
        assertWithin(row.subarray(0, width), reference(gates[m], ups[m]), `row ${m}`);
        ok(Number.isNaN(row[width]), "the gap was written");
      });
    });
  }

  kernelTest(`gatedActivation() ${name} is within its bound at the edges`, ({ arena, kernels }) => {
    const gate = Float32Array.from(GATE_EDGES), up = gate.map((_, i) => i % 2 ? -1.5 : 0.75);
    const output = arena.result(gate.length), bytes = gate.byteLength;
    kernels.gatedActivation(
      kind,
      arena.place(gate),
      bytes,
      arena.place(up),
      bytes,
      output.address,
      bytes,
      1,
      gate.length,
    );
    assertWithin(output.read(), reference(gate, up), "edges");
  });

  kernelTest(`gatedActivation() ${name} keeps NaN to its element`, ({ arena, kernels }) => {
    const gate = arena.floats([1, NaN, 2, 3, NaN]), up = arena.floats([1, 1, NaN, 1, 1]);
    const output = arena.result(5);
    kernels.gatedActivation(kind, gate, 20, up, 20, output.address, 20, 1, 5);
    equal([...output.read()].map(Number.isNaN).join(), "false,true,true,false,true");
  });

  kernelTest(`gatedActivation() ${name}: the bound has teeth`, ({ arena, kernels, random }) => {
    const gate = random.activations(64).map(Math.abs), up = random.activations(64);
    const output = arena.result(64);
    const place = (values: Float32Array) => arena.place(values);
    kernels.gatedActivation(
      kind,
      place(gate.map((x) => x * (1 + 2 ** -18))),
      256,
      place(up),
      256,
      output.address,
      256,
      1,
      64,
    );
    throws(() => assertWithin(output.read(), reference(gate, up), "wrong"), AssertionError);
  });
}

for (const [rows, width] of [[1, 1], [3, 7], [5, 64], [2, 33]]) {
  kernelTest(`addScaled() of ${rows} × ${width} by one rounds once`, ({ arena, kernels, random }) => {
    const target = random.activations(rows * width), source = random.activations(rows * width);
    const address = arena.place(target);
    kernels.addScaled(address, width * 4, arena.place(source), KIND_F32, width * 4, rows, width, 1);
    assertSameBits(kernels.heap.floatsAt(address, rows * width), target.map((x, i) => x + source[i]), "sum");
  });
}

for (const width of [1, 2, 5, 64, 1000]) {
  kernelTest(`softmax() of ${width} is within its bound`, ({ arena, kernels, random }) => {
    const rows = rowsOf(random.activations(4 * width).map((x) => 10 * x), width);
    const address = arena.floats(rows.flatMap((row) => [...row]));
    kernels.softmax(address, 4, width);
    assertWithin(kernels.heap.floatsAt(address, 4 * width), joined(rows.map(softmaxRow)), "softmax");
  });
}

kernelTest("exp, seen through softmax(), is within 2 ulp", ({ arena, kernels }) => {
  // Below e^−17 a neighbour 0 makes the sum exactly 1, and the result is exp itself.
  const count = 20000, low = -87.3, high = -17;
  const x = Float32Array.from({ length: count }, (_, i) => low + (high - low) * i / count);
  const address = arena.floats([...x].flatMap((value) => [value, 0]));
  kernels.softmax(address, count, 2);
  const values = kernels.heap.floatsAt(address, 2 * count);
  let worst = 0;
  x.forEach((value, i) => worst = Math.max(worst, ulpsFrom(values[2 * i], Math.exp(value))));
  ok(worst <= 2, `${worst} ulp`);
});

kernelTest("softmax() with −∞, of equals, of NaN", ({ arena, kernels }) => {
  const address = arena.floats([1, -Infinity, 1, -200, 3, 3, 3, 3, 0, NaN, 0, 0]);
  kernels.softmax(address, 3, 4);
  const [masked, equals, nan] = rowsOf(kernels.heap.floatsAt(address, 12), 4);
  equal([...masked].join(), "0.5,0,0.5,0");
  equal([...equals].join(), "0.25,0.25,0.25,0.25");
  ok(nan.every(Number.isNaN));
});

kernelTest(
  "softmax(): the bound has teeth: a hundred-thousandth of one score",
  ({ arena, kernels, random }) => {
    const row = random.activations(64);
    const address = arena.floats(row.map((x, i) => i === 9 ? x + 2e-5 : x));
    kernels.softmax(address, 1, 64);
    throws(
      () => assertWithin(kernels.heap.floatsAt(address, 64), softmaxRow(row), "wrong"),
      AssertionError,
    );
  },
);
