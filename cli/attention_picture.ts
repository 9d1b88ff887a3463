/**
 * A picture, and beside it the same picture under a heat map of where the model looked.
 *
 * @module
 */
import { type PictureAttention, type Pixels, resizeBilinear } from "../mod.ts";

/** The longer side of the picture in the result: large enough to see patches, small enough to send to somebody. */
const SIDE = 560;
/** Pixels between the two. */
const GAP = 8;
/** Least and most of the heat map's colour over the picture. */
const COVER_MIN = 0.35;
const COVER_MAX = 0.75;
/** From cold to hot, red, green and blue; dark to bright, so that it reads in grey too. */
const HEAT = [[8, 6, 30], [80, 18, 120], [190, 50, 90], [248, 140, 30], [252, 245, 160]];

/** Sums maps of the same picture, one for each token of an answer. */
export class AttentionSum {
  #map?: PictureAttention;

  add(map: PictureAttention): void {
    if (!this.#map) {
      this.#map = { ...map, weights: map.weights.slice() };
      return;
    }
    const { weights } = this.#map;
    map.weights.forEach((weight, i) => weights[i] += weight);
  }

  /** The sum; `undefined` when nothing was added. */
  get map(): PictureAttention | undefined {
    return this.#map;
  }
}

/**
 * The picture on the left, the picture under its heat map on the right.
 *
 * Heat is linear from the smallest weight of a patch (0) to the largest (1), and interpolated between the patches' centres.
 */
export function drawAttention(picture: Pixels, map: PictureAttention): Pixels {
  const scale = SIDE / Math.max(picture.width, picture.height);
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const { data } = resizeBilinear(picture, width, height);
  const result = { width: 2 * width + GAP, height, data: new Uint8Array((2 * width + GAP) * height * 3) };
  result.data.fill(255);
  const heat = heatOf(map);
  for (let y = 0; y < height; y++) {
    const row = (y + 0.5) / height * map.height * map.rows - 0.5;
    for (let x = 0; x < width; x++) {
      const column = (x + 0.5) / width * map.width * map.columns - 0.5;
      const warmth = sampleAt(heat, map, row, column);
      const cover = COVER_MIN + (COVER_MAX - COVER_MIN) * warmth;
      const from = (y * width + x) * 3, left = (y * result.width + x) * 3, right = left + (width + GAP) * 3;
      // Under the heat the picture is grey, so that every colour there means heat.
      const grey = 0.299 * data[from] + 0.587 * data[from + 1] + 0.114 * data[from + 2];
      for (let channel = 0; channel < 3; channel++) {
        result.data[left + channel] = data[from + channel];
        result.data[right + channel] = grey * (1 - cover) + colourOf(warmth, channel) * cover;
      }
    }
  }
  return result;
}

/** f64 [rows, columns]: 0 to 1 over the patches that the picture touches. */
function heatOf({ rows, columns, width, height, weights }: PictureAttention): Float64Array {
  let least = Infinity, most = -Infinity;
  for (let row = 0; row < Math.ceil(rows * height); row++) {
    for (let column = 0; column < Math.ceil(columns * width); column++) {
      const weight = weights[row * columns + column];
      least = Math.min(least, weight);
      most = Math.max(most, weight);
    }
  }
  const range = most - least;
  return Float64Array.from(weights, (weight) => range > 0 ? clamp((weight - least) / range) : 0);
}

function sampleAt(
  heat: Float64Array,
  { rows, columns }: PictureAttention,
  row: number,
  column: number,
): number {
  const at = (r: number, c: number) =>
    heat[Math.min(Math.max(r, 0), rows - 1) * columns + Math.min(Math.max(c, 0), columns - 1)];
  const top = Math.floor(row), left = Math.floor(column);
  const down = row - top, across = column - left;
  const upper = at(top, left) * (1 - across) + at(top, left + 1) * across;
  const lower = at(top + 1, left) * (1 - across) + at(top + 1, left + 1) * across;
  return upper * (1 - down) + lower * down;
}

function colourOf(warmth: number, channel: number): number {
  const place = warmth * (HEAT.length - 1);
  const stop = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[stop][channel] + (HEAT[stop + 1][channel] - HEAT[stop][channel]) * (place - stop);
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}
