/**
 * Pictures as callers hand them over.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";

/** A PNG, JPEG or WebP file; RGB or RGBA pixels; or what a reference processor made of a picture. */
export type ImageInput =
  | Uint8Array
  | { width: number; height: number; data: Uint8Array | Uint8ClampedArray }
  /** `pixelValues` f32 [tileCount, 3, H, W]. */
  | { pixelValues: Float32Array; tileCount: number; aspectRatioId: number };

/** The refusal of a picture by a model that has no vision tower. */
export function cannotSee(): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot look at a picture", {
    expected: "a model with a vision tower",
    found: "a text model",
  });
}
