/**
 * The geometry of the attention picture: a picture whose every patch has a colour of its own is cut into tiles, and the colours that
 * are found there say which place each token of a tile is.
 */
import assert from "node:assert/strict";
import { patchMapOf } from "../../src/models/mllama/attention_map.ts";
import { DEFAULT_TILE_SETTINGS, tileImage } from "../../src/models/mllama/tiles.ts";

const PATCH = 4, PER_SIDE = 3, TILE = PATCH * PER_SIDE;
const settings = { ...DEFAULT_TILE_SETTINGS, tileSize: TILE, mean: [0, 0, 0], std: [1, 1, 1] } as const;

for (const [tileRows, tileColumns] of [[1, 1], [1, 2], [2, 1], [2, 2], [1, 4], [4, 1], [1, 3]]) {
  Deno.test(`${tileRows} × ${tileColumns} tiles: every token's weight lands on the patch that it saw`, () => {
    const rows = tileRows * PER_SIDE, columns = tileColumns * PER_SIDE;
    const width = columns * PATCH, height = rows * PATCH;
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        data[(y * width + x) * 3] = Math.floor(y / PATCH);
        data[(y * width + x) * 3 + 1] = Math.floor(x / PATCH);
      }
    }
    const tiles = tileImage({ width, height, data }, { ...settings, mean: [0, 0, 0], std: [1, 1, 1] });
    assert.deepEqual(
      [tiles.rows, tiles.columns],
      [tileRows, tileColumns],
      "the picture fills its tiles as it is",
    );

    // The weight of a token names the place whose colour it saw; class tokens weigh what no place does.
    const weights: number[] = [];
    for (let tile = 0; tile < tileRows * tileColumns; tile++) {
      weights.push(-1);
      for (let patch = 0; patch < PER_SIDE ** 2; patch++) {
        const y = Math.floor(patch / PER_SIDE) * PATCH, x = patch % PER_SIDE * PATCH;
        const colour = (channel: number) =>
          Math.round(tiles.pixelValues[((tile * 3 + channel) * TILE + y) * TILE + x] * 255);
        weights.push(colour(0) * columns + colour(1));
      }
    }
    const layout = { rows: tileRows, columns: tileColumns, width: 1, height: 1 };
    const map = patchMapOf(layout, PER_SIDE, weights);
    assert.deepEqual([map.rows, map.columns, map.width, map.height], [rows, columns, 1, 1]);
    assert.deepEqual(Array.from(map.weights), Array.from({ length: rows * columns }, (_, place) => place));
  });
}
