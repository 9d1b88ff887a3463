/**
 * How pictures are refused.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { IMAGE_PIXELS_MAX, IMAGE_SIDE_MAX } from "../core/limits.ts";

/** A BAD_IMAGE error: what a picture should have been and what it is. */
export function badImage(expected: string, found: string, cause?: unknown): RemoraError {
  return new RemoraError("BAD_IMAGE", "Cannot read the picture", { expected, found, cause });
}

/**
 * Refuses a size that no picture has or that would take too much memory; called before anything is decoded.
 *
 * @throws {RemoraError} BAD_IMAGE when a side is no positive whole number or above a limit.
 */
export function checkSize(width: number, height: number): void {
  const found = `${width} x ${height}`;
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1) throw badImage("a width and height of at least 1 pixel", found);
    if (side > IMAGE_SIDE_MAX) throw badImage(`at most ${IMAGE_SIDE_MAX} pixels on a side`, found);
  }
  if (width * height > IMAGE_PIXELS_MAX) throw badImage(`at most ${IMAGE_PIXELS_MAX} pixels`, found);
}
