/**
 * Resizing against a direct convolution in f64, written from the definition: each result pixel is the mean of the
 * source under a triangle around its centre, both directions at once.
 *
 * Tolerance: 1 level. The two roundings to bytes are off by at most half a level each, the fixed-point weights by less
 * than a hundredth. Equality with Pillow itself is what goldens_test.ts asserts.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { resizeBilinear } from "../../src/image/resize.ts";
import { randomIntegers } from "./random.ts";

const SIZES: [number, number, number, number][] = [
  [17, 11, 5, 3],
  [17, 11, 40, 29],
  [17, 11, 40, 3],
  [17, 11, 5, 29],
  [9, 200, 7, 13], // columns first
  [200, 9, 13, 7],
  [1, 1, 6, 4],
  [1, 300, 1, 7],
  [300, 1, 7, 1],
  [3000, 2, 1, 2],
  [64, 64, 1, 1],
  [10, 20, 10, 9],
  [20, 10, 9, 10],
  [31, 31, 30, 32],
];

for (const [inWidth, inHeight, width, height] of SIZES) {
  Deno.test(`${inWidth} x ${inHeight} becomes ${width} x ${height} as the f64 reference has it`, () => {
    const data = Uint8Array.from(randomIntegers(inWidth * inHeight * 3, 256, inWidth * 31 + width));
    const resized = resizeBilinear({ width: inWidth, height: inHeight, data }, width, height);
    strictEqual(resized.data.length, width * height * 3);
    deepStrictEqual([resized.width, resized.height], [width, height]);
    const across = triangle(inWidth, width), down = triangle(inHeight, height);
    for (let i = 0; i < resized.data.length; i++) {
      const channel = i % 3, x = Math.floor(i / 3) % width, y = Math.floor(i / 3 / width);
      let sum = 0;
      for (let row = 0; row < inHeight; row++) {
        if (down[y][row] === 0) continue;
        for (let column = 0; column < inWidth; column++) {
          sum += down[y][row] * across[x][column] * data[(row * inWidth + column) * 3 + channel];
        }
      }
      ok(Math.abs(resized.data[i] - sum) <= 1.01, `${resized.data[i]} for ${sum} at ${x}, ${y}`);
    }
  });
}

/** f64 [outSize][inSize]: weights that sum to 1. */
function triangle(inSize: number, outSize: number): number[][] {
  const reach = Math.max(inSize / outSize, 1);
  return Array.from({ length: outSize }, (_, out) => {
    const centre = (out + 0.5) * inSize / outSize;
    const row = Array.from({ length: inSize }, (_, i) => Math.max(0, 1 - Math.abs(i + 0.5 - centre) / reach));
    const sum = row.reduce((a, b) => a + b);
    return row.map((weight) => weight / sum);
  });
}

Deno.test("one colour stays that colour at every size", () => {
  for (const value of [0, 1, 127, 254, 255]) {
    const picture = { width: 37, height: 23, data: new Uint8Array(37 * 23 * 3).fill(value) };
    for (const [width, height] of [[1, 1], [36, 24], [38, 2], [111, 69]]) {
      ok(resizeBilinear(picture, width, height).data.every((sample) => sample === value));
    }
  }
});

Deno.test("the size a picture has already costs nothing", () => {
  const picture = { width: 2, height: 1, data: new Uint8Array([1, 2, 3, 4, 5, 6]) };
  strictEqual(resizeBilinear(picture, 2, 1), picture);
});
