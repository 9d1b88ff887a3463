/**
 * Canvas, size and tiles against the reference processor's own functions (transformers 4.52.4,
 * `image_processing_mllama.py`), run once for these sizes.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { DEFAULT_TILE_SETTINGS, tileImage } from "../../src/models/mllama/tiles.ts";
import { randomIntegers } from "../image/random.ts";

/** Height and width; rows and columns of the canvas; aspect ratio id; height and width on the canvas. */
const CHECKS: [[number, number], [number, number], number, [number, number]][] = [
  [[560, 560], [1, 1], 1, [560, 560]],
  [[300, 400], [1, 1], 1, [420, 560]],
  [[561, 560], [2, 1], 5, [561, 560]],
  [[560, 561], [1, 2], 2, [560, 561]],
  [[480, 640], [1, 2], 2, [480, 640]],
  [[1121, 1121], [2, 2], 6, [1120, 1120]],
  [[1080, 1920], [2, 2], 6, [630, 1120]],
  [[1920, 1080], [2, 2], 6, [1120, 630]],
  [[3000, 500], [4, 1], 8, [2240, 373]],
  [[1500, 400], [3, 1], 7, [1500, 400]],
  [[100, 2240], [1, 4], 4, [100, 2240]],
  [[1, 5000], [1, 4], 4, [1, 2240]],
  [[123, 456], [1, 1], 1, [151, 560]],
  [[700, 1400], [1, 2], 2, [560, 1120]],
  [[5000, 4999], [2, 2], 6, [1120, 1119]],
  [[559, 2241], [1, 4], 4, [558, 2240]],
  [[1, 20000], [1, 4], 4, [1, 2240]],
  [[20000, 1], [4, 1], 8, [2240, 1]],
  [[1, 1], [1, 1], 1, [560, 560]],
];

for (const [[height, width], [rows, columns], id, resized] of CHECKS) {
  Deno.test(`${width} x ${height} lies on a canvas of ${columns} x ${rows} tiles`, () => {
    const pixels = { width, height, data: new Uint8Array(width * height * 3).fill(255) };
    const tiled = tileImage(pixels, DEFAULT_TILE_SETTINGS);
    deepStrictEqual([tiled.rows, tiled.columns, tiled.aspectRatioId], [rows, columns, id]);
    deepStrictEqual([tiled.height, tiled.width], resized);
    strictEqual(tiled.tileCount, rows * columns);
    strictEqual(tiled.pixelValues.length, rows * columns * 3 * 560 * 560);
  });
}

Deno.test("tiles go row by row, padding is normalised black", () => {
  const width = 5, height = 7, tileSize = 4;
  const data = Uint8Array.from(randomIntegers(width * height * 3, 256, 3));
  const settings = { ...DEFAULT_TILE_SETTINGS, tileSize };
  const tiled = tileImage({ width, height, data }, settings);
  deepStrictEqual([tiled.rows, tiled.columns, tiled.width, tiled.height], [2, 2, width, height]);
  for (let i = 0; i < tiled.pixelValues.length; i++) {
    const [tile, channel, y, x] = [i / 48, i / 16 % 3, i / 4 % 4, i % 4].map(Math.floor);
    const row = Math.floor(tile / 2) * tileSize + y, column = tile % 2 * tileSize + x;
    const byte = row < height && column < width ? data[(row * width + column) * 3 + channel] : 0;
    const value = (byte / 255 - settings.mean[channel]) / settings.std[channel];
    ok(Math.abs(tiled.pixelValues[i] - value) <= 1e-6, `${tiled.pixelValues[i]} for ${value}`);
  }
});

Deno.test("black and white have the values that the numbers of CLIP give them", () => {
  const ends = (byte: number) => {
    const { pixelValues } = tileImage(
      { width: 1, height: 1, data: new Uint8Array(3).fill(byte) },
      { ...DEFAULT_TILE_SETTINGS, tileSize: 1 },
    );
    return [...pixelValues];
  };
  const close = (values: number[], expected: number[]) =>
    values.forEach((value, i) => ok(Math.abs(value - expected[i]) <= 1e-6, `${value} for ${expected[i]}`));
  close(ends(0), [-1.79226253, -1.75209713, -1.48021977]);
  close(ends(255), [1.93033625, 2.07488384, 2.14589697]);
});
