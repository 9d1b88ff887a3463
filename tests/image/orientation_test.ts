/**
 * Orientation as other tools write it: EXIF's tag as LONG, and XMP without EXIF. Right sizes and corners are Pillow's.
 */
import assert from "node:assert/strict";
import { decodeImage } from "../../src/image/decode.ts";

const FOLDER = new URL("../cases/images/", import.meta.url);
const CASES: { file: string; width: number; height: number; corners: string[]; note: string }[] = JSON.parse(
  Deno.readTextFileSync(new URL("expected.json", FOLDER)),
);
const COLOURS: Record<string, number[]> = {
  red: [255, 0, 0],
  green: [0, 128, 0],
  blue: [0, 0, 255],
  white: [255, 255, 255],
};

for (const { file, width, height, corners, note } of CASES) {
  Deno.test(`${file}: ${note}`, async () => {
    const { data, ...size } = await decodeImage(Deno.readFileSync(new URL(file, FOLDER)));
    assert.deepEqual(size, { width, height });
    const places = [[1, 1], [width - 2, 1], [1, height - 2], [width - 2, height - 2]];
    const nearest = places.map(([x, y]) => {
      const pixel = data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
      const distance = (name: string) =>
        COLOURS[name].reduce((sum, value, i) => sum + Math.abs(value - pixel[i]), 0);
      return Object.keys(COLOURS).reduce((best, name) => distance(name) < distance(best) ? name : best);
    });
    assert.deepEqual(nearest, corners);
  });
}
