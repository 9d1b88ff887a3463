/**
 * From a picture to the tiles that a vision tower of the Llama 3.2 kind sees. The arithmetic is that of
 * transformers' `MllamaImageProcessor`.
 *
 * @module
 */
import type { PreparedImage } from "../../image/input.ts";
import type { Pixels } from "../../image/pixels.ts";
import { resizeBilinear } from "../../image/resize.ts";
import type { PictureLayout } from "../../vision/vision_model.ts";

/** How a picture lies on its tiles. */
export interface TileLayout extends PictureLayout {
  /** Tiles from top to bottom and from left to right. */
  readonly rows: number;
  readonly columns: number;
  /** Share of the tiles' width and height that the picture covers, from the top left; the rest is padding. */
  readonly width: number;
  readonly height: number;
}

/** The numbers of preprocessor_config.json. */
export interface TileSettings {
  /** Pixels on a side of a tile. */
  tileSize: number;
  /** Most tiles of one picture. */
  maxTiles: number;
  /** Mean of red, green and blue. */
  mean: readonly number[];
  /** Standard deviation of red, green and blue. */
  std: readonly number[];
  /** What a byte is multiplied by first. */
  rescale: number;
}

/** The tiles of one picture. */
export interface TiledImage extends PreparedImage {
  /** Tiles that it would have without a limit of the caller's. */
  tilesUnlimited: number;
  /** Tiles from top to bottom of the canvas. */
  rows: number;
  /** Tiles from left to right of the canvas. */
  columns: number;
  /** Pixels of the resized picture, which lies in the top left corner of the canvas. */
  width: number;
  height: number;
}

/** The settings of Llama 3.2 Vision; mean and deviation are those of CLIP. */
export const DEFAULT_TILE_SETTINGS: TileSettings = {
  tileSize: 560,
  maxTiles: 4,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  rescale: 1 / 255,
};

/** Rows and columns of tiles. */
export interface Canvas {
  rows: number;
  columns: number;
}

/**
 * Resizes a picture to the canvas that suits it, pads it with black on the right and at the bottom, normalises it and
 * cuts it into tiles. Any picture fits: the short side of an extremely long one becomes 1 pixel, as in the reference.
 *
 * @param limit Tiles at most, of the settings' number.
 */
export function tileImage(pixels: Pixels, settings: TileSettings, limit = settings.maxTiles): TiledImage {
  const { tileSize, maxTiles } = settings;
  const canvases = supportedCanvases(maxTiles);
  const unlimited = chooseCanvas(pixels, canvases, tileSize);
  const canvas = tilesOf(unlimited) <= limit
    ? unlimited
    : chooseCanvas(pixels, canvases.filter((canvas) => tilesOf(canvas) <= limit), tileSize);
  const { rows, columns } = canvas;
  const { width, height } = fitSize(pixels, canvas, tileSize);
  const pixelValues = cutTiles(resizeBilinear(pixels, width, height), canvas, settings);
  const aspectRatioId = canvases.indexOf(canvas) + 1;
  const tilesUnlimited = tilesOf(unlimited);
  return {
    pixelValues,
    tileCount: rows * columns,
    aspectRatioId,
    rows,
    columns,
    width,
    height,
    tilesUnlimited,
  };
}

function tilesOf({ rows, columns }: Canvas): number {
  return rows * columns;
}

/** All canvases of at most `maxTiles` tiles, in the order that aspect ratio ids count. */
export function supportedCanvases(maxTiles: number): Canvas[] {
  const canvases: Canvas[] = [];
  for (let rows = 1; rows <= maxTiles; rows++) {
    for (let columns = 1; rows * columns <= maxTiles; columns++) canvases.push({ rows, columns });
  }
  return canvases;
}

/**
 * The canvas that enlarges the picture least, or shrinks it least when all shrink it; of those that scale it alike
 * the smallest, of those the first.
 */
function chooseCanvas({ width, height }: Pixels, canvases: Canvas[], tileSize: number): Canvas {
  const scaleOf = ({ rows, columns }: Canvas) =>
    Math.min(rows * tileSize / height, columns * tileSize / width);
  const scales = canvases.map(scaleOf);
  const enlarging = scales.filter((scale) => scale >= 1);
  const scale = enlarging.length > 0 ? Math.min(...enlarging) : Math.max(...scales);
  return canvases.filter((_, i) => scales[i] === scale)
    .reduce((best, canvas) => tilesOf(canvas) < tilesOf(best) ? canvas : best);
}

/** Size of the picture on its canvas: its own, but at least a tile and at most the canvas on its tighter side. */
function fitSize(
  { width, height }: Pixels,
  { rows, columns }: Canvas,
  tileSize: number,
): { width: number; height: number } {
  const targetWidth = Math.min(Math.max(width, tileSize), columns * tileSize);
  const targetHeight = Math.min(Math.max(height, tileSize), rows * tileSize);
  const scaleX = targetWidth / width;
  const scaleY = targetHeight / height;
  return scaleX < scaleY
    ? { width: targetWidth, height: Math.min(Math.floor(height * scaleX) || 1, targetHeight) }
    : { width: Math.min(Math.floor(width * scaleY) || 1, targetWidth), height: targetHeight };
}

/** Normalises and cuts the picture; black fills what it leaves of the canvas. */
function cutTiles(
  { width, height, data }: Pixels,
  { rows, columns }: Canvas,
  settings: TileSettings,
): Float32Array {
  const { tileSize } = settings;
  const plane = tileSize * tileSize;
  const values = new Float32Array(rows * columns * 3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    const normalised = normalisedBytes(channel, settings);
    for (let tile = 0; tile < rows * columns; tile++) {
      const left = tile % columns * tileSize;
      const top = Math.floor(tile / columns) * tileSize;
      const filledWidth = Math.min(Math.max(width - left, 0), tileSize);
      const filledHeight = Math.min(Math.max(height - top, 0), tileSize);
      const start = (tile * 3 + channel) * plane;
      values.fill(normalised[0], start, start + plane);
      for (let y = 0; y < filledHeight; y++) {
        const from = ((top + y) * width + left) * 3 + channel;
        const to = start + y * tileSize;
        for (let x = 0; x < filledWidth; x++) values[to + x] = normalised[data[from + x * 3]];
      }
    }
  }
  return values;
}

/** f32 [256]: each byte rescaled and normalised, rounded to f32 where the reference's arrays are f32. */
function normalisedBytes(channel: number, { mean, std, rescale }: TileSettings): Float32Array {
  const meanOf = Math.fround(mean[channel]), deviation = Math.fround(std[channel]);
  return Float32Array.from(
    { length: 256 },
    (_, byte) => Math.fround(Math.fround(byte * rescale) - meanOf) / deviation,
  );
}
