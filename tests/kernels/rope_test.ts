/**
 * Truth: Math.cos and Math.sin of the f32 angle, and reference/rotation.ts.
 */
import { AssertionError, equal, ok, throws } from "node:assert/strict";
import { angleOf, rotateHead } from "../reference/rotation.ts";
import { assertWithin, joined, kernelTest, rowsOf, strided, ulpsFrom } from "./harness.ts";

/** 1, θ^-1/half … of a model with θ = 10,000, and a stretched one. */
function frequenciesOf(half: number): Float32Array {
  return Float32Array.from({ length: half }, (_, i) => (i % 5 === 3 ? 1 / 8 : 1) * 10000 ** (-i / half));
}

for (const [half, factor] of [[32, 1], [5, 1.1902380228042603]]) {
  kernelTest(`ropeTable() is within an ulp up to position 131,071, half ${half}`, ({ arena, kernels }) => {
    const frequencies = frequenciesOf(half), rows = 67;
    const address = arena.place(frequencies);
    const table = arena.result(rows * 2 * half);
    let worst = 0;
    for (const start of [0, 1, 355, 4096, 32768, 65500, 103993, 131072 - rows]) {
      kernels.ropeTable({ frequencies: address, start, rows, half, factor, table: table.address });
      rowsOf(table.read(), 2 * half).forEach((row, m) =>
        frequencies.forEach((frequency, i) => {
          const angle = angleOf(frequency, start + m);
          const cosine = ulpsFrom(row[i], Math.cos(angle) * factor);
          const sine = angle === 0 ? row[half + i] : ulpsFrom(row[half + i], Math.sin(angle) * factor);
          worst = Math.max(worst, cosine, sine);
        })
      );
    }
    // NaN would make the worst NaN, which is not ≤ 1 either.
    ok(worst <= 1, `${worst} ulp`);
  });
}

kernelTest(
  "ropeTable() is right in the last bits where a cosine or sine is near zero",
  ({ arena, kernels }) => {
    // Positions near multiples of π/2: 11, 22, 33, 344, 355, 710, 51819, 103638 (continued fraction of π/2).
    for (const position of [11, 22, 33, 344, 355, 710, 51819, 103638, 103993]) {
      const table = arena.result(2);
      kernels.ropeTable({
        frequencies: arena.floats([1]),
        start: position,
        rows: 1,
        half: 1,
        factor: 1,
        table: table.address,
      });
      const [cosine, sine] = table.read();
      ok(ulpsFrom(cosine, Math.cos(position)) <= 1, `cos ${position} = ${cosine}`);
      ok(ulpsFrom(sine, Math.sin(position)) <= 1, `sin ${position} = ${sine}`);
    }
  },
);

for (const [headSize, half] of [[64, 32], [16, 8], [80, 40], [96, 36], [10, 5], [6, 1]]) {
  kernelTest(`rope() of heads of ${headSize}, ${2 * half} rotated, is within its bound`, (bench) => {
    const { arena, kernels, random } = bench;
    const rows = 5, heads = 3, width = heads * headSize + 4;
    const vectors = rowsOf(random.activations(rows * width), width);
    const table = rowsOf(random.activations(rows * 2 * half), 2 * half);
    const address = arena.floats(vectors.flatMap((row) => [...row]));
    const tableAddress = arena.floats(table.flatMap((row) => [...row]));
    kernels.rope({ table: tableAddress, rows, heads, headSize, half, vectors: strided(address, width) });
    rowsOf(kernels.memory.floatsAt(address, rows * width), width).forEach((row, m) => {
      const cosines = [...table[m].subarray(0, half)], sines = [...table[m].subarray(half)];
      const rotated = Array.from(
        { length: heads },
        (_, h) => rotateHead(vectors[m].subarray(h * headSize, (h + 1) * headSize), cosines, sines),
      );
      assertWithin(row.subarray(0, heads * headSize), joined(rotated), `row ${m}`);
      equal([...row.subarray(-4)].join(), [...vectors[m].subarray(-4)].join(), "the rest of the row");
    });
  });
}

kernelTest("rope(): the bound has teeth: the neighbour's angle", ({ arena, kernels, random }) => {
  const head = random.activations(16), table = random.activations(16);
  const address = arena.place(head);
  kernels.rope({
    table: arena.place(table),
    rows: 1,
    heads: 1,
    headSize: 16,
    half: 8,
    vectors: strided(address, 16),
  });
  const cosines = [...table.subarray(0, 8)], sines = [...table.subarray(8)];
  assertWithin(kernels.memory.floatsAt(address, 16), rotateHead(head, cosines, sines), "right");
  [sines[2], sines[3]] = [sines[3], sines[2]];
  throws(
    () => assertWithin(kernels.memory.floatsAt(address, 16), rotateHead(head, cosines, sines), "wrong"),
    AssertionError,
  );
});
