/**
 * Orientation against the definition of EXIF (CIPA DC-008-2023, 4.6.5.1): each value names the visual edge where the
 * stored first row and the stored first column lie.
 *
 * @module
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { applyOrientation, readOrientation } from "../../src/image/orientation.ts";

const orientationOf = (exif: Uint8Array) => readOrientation({ exif });

/** Visual edges of row 0 and of column 0, in the words of the standard. */
const EDGES: [number, string, string][] = [
  [1, "top", "left"],
  [2, "top", "right"],
  [3, "bottom", "right"],
  [4, "bottom", "left"],
  [5, "left", "top"],
  [6, "right", "top"],
  [7, "right", "bottom"],
  [8, "left", "bottom"],
];

const WIDTH = 5, HEIGHT = 3;
/** Red is the stored column, green the stored row. */
const STORED = {
  width: WIDTH,
  height: HEIGHT,
  data: Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return [pixel % WIDTH, Math.floor(pixel / WIDTH), 77][i % 3];
  }),
};

for (const [orientation, rowEdge, columnEdge] of EDGES) {
  Deno.test(`orientation ${orientation} puts row 0 at the ${rowEdge} and column 0 at the ${columnEdge}`, () => {
    const upright = applyOrientation(STORED, orientation);
    const isSideways = rowEdge === "left" || rowEdge === "right";
    deepStrictEqual([upright.width, upright.height], isSideways ? [HEIGHT, WIDTH] : [WIDTH, HEIGHT]);
    for (let y = 0; y < upright.height; y++) {
      for (let x = 0; x < upright.width; x++) {
        const distance: Record<string, number> = {
          left: x,
          right: upright.width - 1 - x,
          top: y,
          bottom: upright.height - 1 - y,
        };
        const at = (y * upright.width + x) * 3;
        deepStrictEqual([...upright.data.subarray(at, at + 3)], [
          distance[columnEdge],
          distance[rowEdge],
          77,
        ]);
      }
    }
  });
}

/** A TIFF header and one directory of `[tag, type, value]` entries of count 1. */
function exifBlock(littleEndian: boolean, entries: [number, number, number][]): Uint8Array {
  const bytes = new Uint8Array(8 + 2 + entries.length * 12 + 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, littleEndian ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, littleEndian);
  view.setUint32(4, 8, littleEndian);
  view.setUint16(8, entries.length, littleEndian);
  for (const [i, [tag, type, value]] of entries.entries()) {
    const entry = 10 + i * 12;
    view.setUint16(entry, tag, littleEndian);
    view.setUint16(entry + 2, type, littleEndian);
    view.setUint32(entry + 4, 1, littleEndian);
    view.setUint16(entry + 8, value, littleEndian);
  }
  return bytes;
}

const withPrefix = (tiff: Uint8Array) => new Uint8Array([0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff]);

for (const littleEndian of [true, false]) {
  Deno.test(`an orientation is found in ${littleEndian ? "little" : "big"}-endian EXIF, with and without prefix`, () => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const tiff = exifBlock(littleEndian, [[0x010f, 2, 0], [0x0112, 3, orientation], [0x011a, 5, 3]]);
      strictEqual(orientationOf(tiff), orientation);
      strictEqual(orientationOf(withPrefix(tiff)), orientation);
    }
  });
}

Deno.test("damaged EXIF means upright", () => {
  const good = withPrefix(exifBlock(true, [[0x0112, 3, 6]]));
  const entryEnd = 6 + 10 + 12;
  for (let length = 0; length < entryEnd; length++) strictEqual(orientationOf(good.subarray(0, length)), 1);
  strictEqual(orientationOf(good.subarray(0, entryEnd)), 6);
  for (const value of [0, 9, 0xffff]) strictEqual(orientationOf(exifBlock(true, [[0x0112, 3, value]])), 1);
  strictEqual(orientationOf(exifBlock(true, [[0x0112, 7, 6]])), 1, "neither SHORT nor LONG");
  strictEqual(orientationOf(exifBlock(true, [])), 1);
  for (let i = 0; i < good.length; i++) {
    for (const byte of [0x00, 0x7f, 0xff]) {
      const damaged = good.slice();
      damaged[i] = byte;
      const orientation = orientationOf(damaged);
      strictEqual(orientation >= 1 && orientation <= 8, true);
    }
  }
});
