/** Pictures as half blocks: tiny ones written out by hand, and the room they may take. */
import assert from "node:assert/strict";
import { halfBlocks } from "../../cli/half_blocks.ts";
import type { Pixels } from "../../src/image/pixels.ts";

const WIDE = { columns: 60, rows: 30 };

function picture(width: number, height: number, ...rgb: number[]): Pixels {
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => rgb[i % rgb.length]),
  };
}

/** Characters of each line, without colours. */
function linesOf(text: string): string[] {
  // deno-lint-ignore no-control-regex -- Escape sequences are what is removed.
  return text.replace(/\x1b\[[0-9;]*m/g, "").trimEnd().split("\n");
}

Deno.test("halfBlocks() puts two rows into a line: the upper one in front", () => {
  const pixels = picture(2, 2, 255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3);
  assert.equal(
    halfBlocks(pixels, WIDE),
    "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[38;2;0;255;0;48;2;1;2;3m▀\x1b[0m\n",
  );
});

Deno.test("halfBlocks() leaves the place below the last row of an odd height as it is", () => {
  assert.equal(halfBlocks(picture(1, 1, 9, 8, 7), WIDE), "\x1b[38;2;9;8;7m▀\x1b[0m\n");
  assert.equal(
    halfBlocks(picture(1, 3, 1, 1, 1, 2, 2, 2, 3, 3, 3), WIDE),
    "\x1b[38;2;1;1;1;48;2;2;2;2m▀\x1b[0m\n\x1b[38;2;3;3;3m▀\x1b[0m\n",
  );
});

Deno.test("halfBlocks() names colours once while they last, and anew on every line", () => {
  assert.equal(halfBlocks(picture(3, 4, 5), WIDE), "\x1b[38;2;5;5;5;48;2;5;5;5m▀▀▀\x1b[0m\n".repeat(2));
});

Deno.test("halfBlocks() shrinks into the room and keeps proportions", () => {
  const sizes: [number, number, { columns: number; rows: number }, number, number][] = [
    [460, 166, WIDE, 60, 11], // 166 · 60 / 460 = 21.7 pixels
    [120, 120, WIDE, 60, 30],
    [100, 400, WIDE, 15, 30], // bounded by 60 pixels of height
    [60, 60, WIDE, 60, 30],
    [20, 10, WIDE, 20, 5], // never enlarged
    [5000, 1, WIDE, 60, 1],
    [1, 5000, WIDE, 1, 30],
    [300, 300, { columns: 1, rows: 1 }, 1, 1],
  ];
  for (const [width, height, room, columns, rows] of sizes) {
    const lines = linesOf(halfBlocks(picture(width, height, 7), room));
    assert.equal(lines.length, rows, `${width} x ${height}`);
    for (const line of lines) assert.equal(line, "▀".repeat(columns), `${width} x ${height}`);
  }
});

Deno.test("halfBlocks() takes the mean of what it shrinks", () => {
  // Halves of black and white become black and white; the border between them falls on a pixel's edge.
  const data = new Uint8Array(4 * 4 * 3);
  for (let y = 0; y < 4; y++) data.fill(255, (y * 4 + 2) * 3, (y * 4 + 4) * 3);
  const [left, right] = [
    ...halfBlocks({ width: 4, height: 4, data }, { columns: 2, rows: 1 }).matchAll(/38;2;(\d+)/g),
  ]
    .map(([, red]) => Number(red));
  assert.ok(left < 64 && right > 191, `${left} and ${right}`);
});
