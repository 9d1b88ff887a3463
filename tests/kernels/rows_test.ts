/**
 * Truth: tests/reference, row by row. Bounds are derived there.
 */
import { AssertionError, equal, ok, throws } from "node:assert/strict";
import type { Strided } from "../../kernels/host/calls.ts";
import { erf, gelu, geluGate, siluGate } from "../reference/gated_activation.ts";
import { decodeBf16, decodeF16 } from "../reference/half_floats.ts";
import { weightOf } from "../reference/matrix_product.ts";
import { layerNormRow, rmsNormRow } from "../reference/normalisation.ts";
import { gamma } from "../reference/rounding.ts";
import { assertSameBits, assertWithin, joined, kernelTest, rowsOf, strided } from "./harness.ts";
import { drawWeights, packWeights } from "./problems.ts";
import { bf16Bits, f16Bits } from "./stored_formats.ts";

const NO_CODES = { scales: 0, scaleType: "f32", zeros: 0, zero: 0, offsets: 0, units: 0, group: 8 } as const;
/** Floats between two rows of a result. */
const GAP = 2;
const IDS = [0, 16, 7, 8, 16, 3];

for (const bits of [4, 8] as const) {
  for (const zeros of ["uniform", "own", "beyond", "offsets", "units"] as const) {
    kernelTest(`embed() takes rows of ${bits}-bit codes, zero points ${zeros}`, (bench) => {
      const { arena, kernels, random } = bench;
      const inputs = zeros === "units" ? 512 : bits === 4 ? 72 : 75;
      const shape = { inputs, outputs: 17, group: 32, bits, zeros };
      const table = drawWeights(random, shape);
      const width = shape.inputs + GAP;
      const output = arena.result(IDS.length * width);
      kernels.embed({
        ids: arena.place(Uint32Array.from(IDS)),
        weightType: bits === 4 ? "int4" : "int8",
        ...packWeights(bench, table, shape),
        rows: IDS.length,
        inputs: shape.inputs,
        factor: 1.25,
        output: strided(output.address, width),
      });
      const values = Float64Array.from(
        IDS.flatMap((id) => Array.from({ length: shape.inputs }, (_, k) => 1.25 * weightOf(table, k, id))),
      );
      // Code · scale, the factor, and the offset, next to which the weight may be small: at most 0.1 + 0.02 · 255 of each, with units
      // 2^-2 + 2^-4 · 255.
      const most = zeros === "units"
        ? 2 ** -2 + 2 ** (bits - 4)
        : zeros === "offsets"
        ? 0.1 + 0.02 * 2 ** bits
        : 0;
      const bounds = values.map((x) => most ? gamma(3) * 1.25 * most : gamma(2) * Math.abs(x));
      assertWithin(withoutGaps(output.read(), shape.inputs), { values, bounds }, "embedding");
    });
  }
}

for (
  const [type, store, decode] of [
    ["f32", (values: Float32Array) => values, (x: number) => x],
    ["f16", f16Bits, decodeF16],
    ["bf16", bf16Bits, decodeBf16],
  ] as const
) {
  kernelTest(`embed() takes rows of ${type}`, ({ arena, kernels, random }) => {
    const inputs = 21, outputs = 17;
    const stored = store(random.activations(outputs * inputs));
    const weights = arena.reserve(24 * inputs * stored.BYTES_PER_ELEMENT);
    kernels.packDense({
      source: arena.place(stored),
      sourceType: type,
      rowCount: outputs,
      inputs,
      panelBegin: 0,
      weights,
    });
    const output = arena.result(IDS.length * (inputs + GAP));
    kernels.embed({
      ids: arena.place(Uint32Array.from(IDS)),
      weights,
      weightType: type,
      ...NO_CODES,
      rows: IDS.length,
      inputs,
      factor: 3,
      output: strided(output.address, inputs + GAP),
    });
    const table = rowsOf(Float32Array.from(stored, decode), inputs);
    // One product in f32: the very bits.
    const expected = Float32Array.from(IDS.flatMap((id) => [...table[id]].map((x) => 3 * x)));
    assertSameBits(withoutGaps(output.read(), inputs), expected, type);
  });
}

/** The rows of a result, joined. Throws when a gap was written. */
function withoutGaps(values: Float32Array, width: number): Float32Array {
  return Float32Array.from(
    rowsOf(values, width + GAP).flatMap((row) => {
      ok(row.subarray(width).every(Number.isNaN), "the gap was written");
      return [...row.subarray(0, width)];
    }),
  );
}

for (const width of [1, 3, 4, 7, 64, 100, 577]) {
  for (const segments of [1, 3]) {
    kernelTest(`rmsNorm() of ${segments} × ${width} is within its bound`, ({ arena, kernels, random }) => {
      const rows = 5, inputWidth = segments * width + 2, outputWidth = segments * width + 1;
      const input = rowsOf(random.activations(rows * inputWidth), inputWidth);
      const weight = random.activations(width);
      const output = arena.result(rows * outputWidth);
      kernels.rmsNorm({
        input: strided(arena.floats(input.flatMap((row) => [...row])), inputWidth),
        weight: arena.place(weight),
        rows,
        segments,
        width,
        epsilon: 1e-5,
        output: strided(output.address, outputWidth),
      });
      rowsOf(output.read(), outputWidth).forEach((row, m) => {
        const parts = Array.from(
          { length: segments },
          (_, s) => input[m].subarray(s * width, (s + 1) * width),
        );
        const expected = joined(parts.map((x) => rmsNormRow(x, weight, 1e-5)));
        assertWithin(row.subarray(0, segments * width), expected, `row ${m}`);
        ok(Number.isNaN(row[segments * width]), "the gap was written");
      });
    });
  }
}

kernelTest("rmsNorm() in place gives the same bits", ({ arena, kernels, random }) => {
  const rows = 3, segments = 4, width = 18, row = segments * width;
  const input = random.activations(rows * row);
  const weight = arena.place(random.activations(width));
  const apart = arena.result(rows * row);
  const norm = (input: Strided, output: Strided) =>
    kernels.rmsNorm({ input, weight, rows, segments, width, epsilon: 1e-6, output });
  norm(strided(arena.place(input), row), strided(apart.address, row));
  const inPlace = strided(arena.place(input), row);
  norm(inPlace, inPlace);
  assertSameBits(kernels.memory.floatsAt(inPlace.address, rows * row), apart.read(), "in place");
});

kernelTest("rmsNorm() of zeros is zero, of NaN is NaN", ({ arena, kernels, random }) => {
  const rows = [new Float32Array(9), random.activations(9), random.activations(9)];
  rows[1][8] = NaN;
  const output = arena.result(27);
  kernels.rmsNorm({
    input: strided(arena.floats(rows.flatMap((row) => [...row])), 9),
    weight: arena.floats(Array(9).fill(1)),
    rows: 3,
    segments: 1,
    width: 9,
    epsilon: 1e-6,
    output: strided(output.address, 9),
  });
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
  kernels.rmsNorm({
    input: strided(input, 64),
    weight: arena.place(wrong),
    rows: 1,
    segments: 1,
    width: 64,
    epsilon: 1e-5,
    output: strided(output.address, 64),
  });
  throws(() => assertWithin(output.read(), expected, "wrong"), AssertionError);
});

for (const width of [1, 3, 4, 7, 64, 1280]) {
  kernelTest(`layerNorm() of ${width} is within its bound`, ({ arena, kernels, random }) => {
    const rows = 5, outputWidth = width + 1;
    // A mean far from zero, as pictures have.
    const input = rowsOf(random.activations(rows * width).map((x) => x + 2), width);
    const weight = random.activations(width), bias = random.activations(width);
    const output = arena.result(rows * outputWidth);
    const places = { weight: arena.place(weight), bias: arena.place(bias) };
    const norm = (input: Strided, output: Strided) =>
      kernels.layerNorm({ input, ...places, rows, width, epsilon: 1e-5, output });
    const inPlace = strided(arena.floats(input.flatMap((row) => [...row])), width);
    norm(inPlace, strided(output.address, outputWidth));
    rowsOf(output.read(), outputWidth).forEach((row, m) => {
      assertWithin(row.subarray(0, width), layerNormRow(input[m], weight, bias, 1e-5), `row ${m}`);
      ok(Number.isNaN(row[width]), "the gap was written");
    });
    norm(inPlace, inPlace);
    const found = rowsOf(kernels.memory.floatsAt(inPlace.address, rows * width), width);
    rowsOf(output.read(), outputWidth).forEach((row, m) => {
      assertSameBits(found[m], row.subarray(0, width), "in place");
    });
  });
}

kernelTest("layerNorm(): the bound has teeth: one of the weights", ({ arena, kernels, random }) => {
  const row = random.activations(64), weight = random.activations(64), bias = new Float32Array(64);
  const output = arena.result(64);
  const wrong = weight.map((w, i) => i === 17 ? w * (1 + 1000 * 2 ** -24) : w);
  kernels.layerNorm({
    input: strided(arena.place(row), 64),
    weight: arena.place(wrong),
    bias: arena.place(bias),
    rows: 1,
    width: 64,
    epsilon: 1e-5,
    output: strided(output.address, 64),
  });
  throws(() => assertWithin(output.read(), layerNormRow(row, weight, bias, 1e-5), "wrong"), AssertionError);
});

kernelTest("activation() GELU is within its bound from −12 to 12, and at its edges", ({ arena, kernels }) => {
  const count = 20001;
  const x = Float32Array.from({ length: count }, (_, i) => -12 + 24 * i / (count - 1));
  x.set([0, -0, 1e-38, -1e-38, 1e30, -1e30]);
  const address = arena.place(x);
  kernels.activation({ function: "gelu", rows: 1, width: count, values: strided(address, count) });
  const values = kernels.memory.floatsAt(address, count).slice();
  assertWithin(values, gelu(x), "GELU");
  values[15_000] *= 1 + 1e-5;
  throws(() => assertWithin(values, gelu(x), "wrong"), AssertionError);
  const nan = arena.floats([NaN, 1]);
  kernels.activation({ function: "gelu", rows: 1, width: 2, values: strided(nan, 2) });
  ok(Number.isNaN(kernels.memory.floatsAt(nan, 2)[0]));
});

for (const width of [1, 3, 4, 7, 33]) {
  kernelTest(`activation() of rows of ${width} with gaps takes each value alone`, (bench) => {
    const { arena, kernels, random } = bench;
    const rows = 5, stride = width + GAP;
    for (const name of ["silu", "geluTanh", "gelu"] as const) {
      const drawn = random.activations(rows * stride);
      const address = arena.place(drawn);
      kernels.activation({ function: name, rows, width, values: strided(address, stride) });
      const found = rowsOf(kernels.memory.floatsAt(address, rows * stride).slice(), stride);
      rowsOf(drawn, stride).forEach((row, m) => {
        const alone = row.slice(0, width).map((x) => {
          const one = arena.floats([x]);
          kernels.activation({ function: name, rows: 1, width: 1, values: strided(one, 1) });
          return kernels.memory.floatsAt(one, 1)[0];
        });
        assertSameBits(found[m].subarray(0, width), alone, `${name}, row ${m}`);
        assertSameBits(found[m].subarray(width), row.subarray(width), "the gap");
      });
    }
  });
}

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
    kernels.spreadColumns({
      input: strided(arena.floats(input.flatMap((row) => [...row])), width),
      step: parts,
      rows,
      width,
      output: { address: output.address + part * 4, stride },
    });
  });
  rowsOf(output.read(), width * parts + 1).forEach((row, m) => {
    for (let k = 0; k < width * parts; k++) equal(row[k], inputs[k % parts][m][Math.floor(k / parts)]);
    ok(Number.isNaN(row[width * parts]), "the gap was written");
  });
});

for (
  const [type, store, decode] of [
    ["f32", (values: Float32Array) => values, (x: number) => x],
    ["f16", f16Bits, decodeF16],
    ["bf16", bf16Bits, decodeBf16],
  ] as const
) {
  kernelTest(`addScaled() widens ${type} and rounds twice, row by row or one row for all`, (bench) => {
    const { arena, kernels, random } = bench;
    const rows = 3, width = 9, stride = (width + 2) * 4, factor = Math.fround(0.3);
    const stored = store(random.activations(rows * width));
    const source = arena.place(stored), values = Float32Array.from(stored, decode);
    for (const isShared of [false, true]) {
      const target = rowsOf(random.activations(rows * (width + 2)), width + 2);
      const address = arena.floats(target.flatMap((row) => [...row]));
      const sourceStride = isShared ? 0 : width * stored.BYTES_PER_ELEMENT;
      kernels.addScaled({
        source: { address: source, stride: sourceStride },
        sourceType: type,
        rows,
        width,
        factor,
        target: { address, stride },
      });
      const expected = target.map((row, m) =>
        row.map((x, k) => k < width ? x + Math.fround(factor * values[isShared ? k : m * width + k]) : x)
      );
      assertSameBits(
        kernels.memory.floatsAt(address, rows * (width + 2)),
        Float32Array.from(expected.flatMap((row) => [...row])),
        type,
      );
    }
  });
}

kernelTest("gatherColumns() takes columns in order and zeros for −1", ({ arena, kernels, random }) => {
  const rows = 4, width = 9;
  const input = rowsOf(random.activations(rows * width), width);
  const order = [8, -1, 0, 3, 3, -1, 7];
  const output = arena.result(rows * (order.length + GAP));
  kernels.gatherColumns({
    input: strided(arena.floats(input.flatMap((row) => [...row])), width),
    order: arena.place(Int32Array.from(order)),
    rows,
    count: order.length,
    output: strided(output.address, order.length + GAP),
  });
  const expected = input.flatMap((row) => order.map((k) => k < 0 ? 0 : row[k]));
  assertSameBits(withoutGaps(output.read(), order.length), Float32Array.from(expected), "gathered");
});

kernelTest("transpose() makes columns of rows", ({ arena, kernels, random }) => {
  const rows = 12, columns = 44;
  const values = random.activations(rows * columns);
  const input = strided(arena.floats([...values]), columns);
  const output = arena.result(columns * (rows + GAP));
  kernels.transpose({ input, rows, columns, output: strided(output.address, rows + GAP) });
  const expected = Array.from(
    { length: rows * columns },
    (_, i) => values[i % rows * columns + Math.floor(i / rows)],
  );
  assertSameBits(withoutGaps(output.read(), rows), Float32Array.from(expected), "transposed");
});

const GATES = [
  { name: "SiLU", gateFunction: "silu", reference: siluGate },
  { name: "GELU", gateFunction: "geluTanh", reference: geluGate },
] as const;
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

for (const { name, gateFunction, reference } of GATES) {
  for (const width of [1, 3, 4, 7, 250]) {
    kernelTest(`gatedActivation() ${name} of ${width} is within its bound`, ({ arena, kernels, random }) => {
      const rows = 3;
      const gate = random.activations(rows * width).map((x) => 3 * x), up = random.activations(rows * width);
      // Gate and up in one row, as the fused projection leaves them.
      const gates = rowsOf(gate, width), ups = rowsOf(up, width);
      const fused = arena.floats(gates.flatMap((row, m) => [...row, ...ups[m]]));
      const output = arena.result(rows * (width + 1));
      kernels.gatedActivation({
        gate: strided(fused, 2 * width),
        up: strided(fused + width * 4, 2 * width),
        function: gateFunction,
        rows,
        width,
        output: strided(output.address, width + 1),
      });
      rowsOf(output.read(), width + 1).forEach((row, m) => {
        assertWithin(row.subarray(0, width), reference(gates[m], ups[m]), `row ${m}`);
        ok(Number.isNaN(row[width]), "the gap was written");
      });
    });
  }

  kernelTest(`gatedActivation() ${name} is within its bound at the edges`, ({ arena, kernels }) => {
    const gate = Float32Array.from(GATE_EDGES), up = gate.map((_, i) => i % 2 ? -1.5 : 0.75);
    const output = arena.result(gate.length), width = gate.length;
    kernels.gatedActivation({
      gate: strided(arena.place(gate), width),
      up: strided(arena.place(up), width),
      function: gateFunction,
      rows: 1,
      width,
      output: strided(output.address, width),
    });
    assertWithin(output.read(), reference(gate, up), "edges");
  });

  kernelTest(`gatedActivation() ${name} keeps NaN to its element`, ({ arena, kernels }) => {
    const output = arena.result(5);
    kernels.gatedActivation({
      gate: strided(arena.floats([1, NaN, 2, 3, NaN]), 5),
      up: strided(arena.floats([1, 1, NaN, 1, 1]), 5),
      function: gateFunction,
      rows: 1,
      width: 5,
      output: strided(output.address, 5),
    });
    equal([...output.read()].map(Number.isNaN).join(), "false,true,true,false,true");
  });

  kernelTest(`gatedActivation() ${name}: the bound has teeth`, ({ arena, kernels, random }) => {
    const gate = random.activations(64).map(Math.abs), up = random.activations(64);
    const output = arena.result(64);
    kernels.gatedActivation({
      gate: strided(arena.place(gate.map((x) => x * (1 + 2 ** -18))), 64),
      up: strided(arena.place(up), 64),
      function: gateFunction,
      rows: 1,
      width: 64,
      output: strided(output.address, 64),
    });
    throws(() => assertWithin(output.read(), reference(gate, up), "wrong"), AssertionError);
  });
}

for (const [rows, width] of [[1, 1], [3, 7], [5, 64], [2, 33]]) {
  kernelTest(`addScaled() of ${rows} × ${width} by one rounds once`, ({ arena, kernels, random }) => {
    const target = random.activations(rows * width), source = random.activations(rows * width);
    const address = arena.place(target);
    kernels.addScaled({
      source: strided(arena.place(source), width),
      sourceType: "f32",
      rows,
      width,
      factor: 1,
      target: strided(address, width),
    });
    const sums = target.map((x, i) => x + source[i]);
    assertSameBits(kernels.memory.floatsAt(address, rows * width), sums, "sum");
  });
}
