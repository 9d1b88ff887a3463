/**
 * Where in a picture the tokens of its tiles lie.
 *
 * @module
 */
import type { PatchMap } from "../../vision/vision_model.ts";
import type { TileLayout } from "./tiles.ts";

/**
 * Weights of a picture's tokens as a map of its patches. The tokens come tile by tile; the first of each tile is its class token,
 * which is no place, then come its patches row by row.
 *
 * @param patchesPerSide Patches on a side of a tile.
 */
export function patchMapOf(
  { rows: tileRows, columns: tileColumns, width, height }: TileLayout,
  patchesPerSide: number,
  weights: ArrayLike<number>,
): PatchMap {
  const perTile = patchesPerSide ** 2;
  const rows = tileRows * patchesPerSide, columns = tileColumns * patchesPerSide;
  const map = new Float32Array(rows * columns);
  for (let tile = 0; tile < tileRows * tileColumns; tile++) {
    const top = Math.floor(tile / tileColumns) * patchesPerSide;
    const left = tile % tileColumns * patchesPerSide;
    for (let patch = 0; patch < perTile; patch++) {
      const row = top + Math.floor(patch / patchesPerSide), column = left + patch % patchesPerSide;
      map[row * columns + column] = weights[tile * (perTile + 1) + 1 + patch];
    }
  }
  return { rows, columns, width, height, weights: map };
}
