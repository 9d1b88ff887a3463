/**
 * Pictures as characters for terminals with 24-bit colours.
 *
 * @module
 */
import { type Pixels, resizeBilinear } from "../mod.ts";

/** Its foreground fills the upper half of a character's place, its background the lower; each half is about a square. */
const UPPER_HALF = "▀";
const RESET = "\x1b[0m";

/** Room for a picture, in characters. */
export interface TerminalRoom {
  columns: number;
  rows: number;
}

/**
 * Draws a picture in lines of half blocks, two pixels to a character. It is shrunk to the room, never enlarged, and keeps its
 * proportions.
 */
export function halfBlocks(picture: Pixels, room: TerminalRoom): string {
  const { width, height, data } = fit(picture, room);
  const colour = (x: number, y: number) =>
    data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3).join(";");
  let text = "";
  for (let y = 0; y < height; y += 2) {
    let style = "";
    for (let x = 0; x < width; x++) {
      // Below the last row of an odd height there is nothing but the terminal's own background.
      const lower = y + 1 < height ? `;48;2;${colour(x, y + 1)}` : "";
      const wanted = `\x1b[38;2;${colour(x, y)}${lower}m`;
      text += wanted === style ? UPPER_HALF : wanted + UPPER_HALF;
      style = wanted;
    }
    text += `${RESET}\n`;
  }
  return text;
}

function fit(picture: Pixels, { columns, rows }: TerminalRoom): Pixels {
  const scale = Math.min(1, columns / picture.width, 2 * rows / picture.height);
  const scaled = (side: number) => Math.max(1, Math.round(side * scale));
  return resizeBilinear(picture, scaled(picture.width), scaled(picture.height));
}
