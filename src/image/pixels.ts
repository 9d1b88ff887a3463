/**
 * Decoded pictures, and what decoders return laid on white.
 *
 * @module
 */

/** A decoded picture: rows from the top, pixels from the left, red, green and blue byte of each. */
export interface Pixels {
  /** Columns. */
  width: number;
  /** Rows. */
  height: number;
  /** u8 [height, width, 3]; not to be written to, it may be the caller's own memory. */
  data: Uint8Array;
}

/**
 * Lays a picture with alpha on white. The arithmetic is that of PIL's `Image.alpha_composite` on an opaque white
 * background (Pillow, `src/libImaging/AlphaComposite.c`, whose coefficients are exact for an opaque background):
 * a division by 255, rounded to nearest.
 *
 * @param rgba u8 [pixels, 4], colours not multiplied by alpha.
 * @returns u8 [pixels, 3].
 */
export function overWhite(rgba: Uint8Array | Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array(rgba.length / 4 * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const alpha = rgba[from + 3];
    if (alpha === 255) {
      rgb[to] = rgba[from];
      rgb[to + 1] = rgba[from + 1];
      rgb[to + 2] = rgba[from + 2];
    } else {
      const white = 255 * (255 - alpha) + 128;
      rgb[to] = over255(rgba[from] * alpha + white);
      rgb[to + 1] = over255(rgba[from + 1] * alpha + white);
      rgb[to + 2] = over255(rgba[from + 2] * alpha + white);
    }
  }
  return rgb;
}

/** Quotient of a number below 2^16 by 255, for numbers that had 128 added to round. */
function over255(value: number): number {
  return (value + (value >> 8)) >> 8;
}
