import type { PreparedImage } from "./input.ts";
export interface TileSettings {
  tileSize: number;
  maxTiles: number;
  mean: readonly number[];
  std: readonly number[];
  rescale: number;
}
export interface TiledImage extends PreparedImage {
  rows: number;
  columns: number;
  width: number;
  height: number;
}
export function tileImage(_p: unknown, _s: TileSettings): TiledImage {
  throw new Error("stub");
}
