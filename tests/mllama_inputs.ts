/**
 * What the reference processor made of the pictures of the `mllama-*` goldens.
 *
 * @module
 */
import type { ImageInput } from "../mod.ts";
import { readGolden } from "./goldens.ts";
import { hasShared, sharedPath } from "./shared.ts";

/** The goldens' inputs; the first has no picture. */
export const INPUTS = ["text", "one-tile", "tiles-2x2", "wide-4x1", "two-images", "image-then-text"];
const TILES_MAX = 4;

/** All arrays of the inputs by their names. */
export const inputArrays: ReturnType<typeof readGolden> = hasShared
  ? readGolden(sharedPath("goldens", "mllama-inputs/inputs.safetensors"))
  : new Map();

/** The pictures of an input. */
export function imagesOf(input: string): ImageInput[] {
  const pixels = inputArrays.get(`${input}.pixel_values`)?.data as Float32Array | undefined;
  if (!pixels) return [];
  const ratios = inputArrays.get(`${input}.aspect_ratio_ids`)!.data as number[];
  const mask = inputArrays.get(`${input}.aspect_ratio_mask`)!.data as number[];
  const size = pixels.length / ratios.length;
  return ratios.map((aspectRatioId, i) => ({
    pixelValues: pixels.slice(i * size, (i + 1) * size),
    aspectRatioId,
    tileCount: mask.slice(i * TILES_MAX, (i + 1) * TILES_MAX).reduce((sum, used) => sum + used),
  }));
}
