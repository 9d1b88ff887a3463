/**
 * Decoding against Pillow: the files of fixtures/ and the bytes that Pillow makes of them (fixtures/make.py).
 *
 * Tolerance: none for PNG, WebP and JPEG, whose decoders descend from the same sources as Pillow's; 2 levels for
 * four-colour JPEG, where another one rounds its inverse DCT and its colours differently.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { decodeImage } from "../../src/image/decode.ts";
import { overWhite } from "../../src/image/pixels.ts";
import { assertRefused } from "../errors.ts";
import { largestDifference } from "../goldens.ts";
import { fixture } from "./fixtures.ts";

const expected: Record<string, { width: number; height: number; rgb: string }> = JSON.parse(
  new TextDecoder().decode(fixture("expected.json")),
);

for (const [name, { width, height, rgb }] of Object.entries(expected)) {
  const tolerance = ["cmyk.jpg", "ycck.jpg"].includes(name) ? 2 : 0;
  Deno.test(`${name} decodes to Pillow's pixels`, async () => {
    const pixels = await decodeImage(fixture(name));
    deepStrictEqual([pixels.width, pixels.height], [width, height]);
    const bytes = Uint8Array.from(atob(rgb), (character) => character.charCodeAt(0));
    strictEqual(pixels.data.length, bytes.length);
    const difference = largestDifference(pixels.data, bytes);
    ok(difference <= tolerance, `${difference} levels`);
  });
}

Deno.test("16-bit grey keeps its high byte, where Pillow clips to 255", async () => {
  const grey = await decodeImage(fixture("grey-16.png"));
  const rgb = await decodeImage(fixture("rgb-16.png")); // whose red samples are the same
  deepStrictEqual(grey.data.filter((_, i) => i % 3 === 0), rgb.data.filter((_, i) => i % 3 === 0));
  deepStrictEqual(grey.data.filter((_, i) => i % 3 === 2), rgb.data.filter((_, i) => i % 3 === 0));
});

Deno.test("the transparent colour of an RGB picture becomes white, all others stay", async () => {
  const { data } = await decodeImage(fixture("rgb-transparent.png"));
  const opaque = await decodeImage(fixture("gamma.png")); // the same samples
  deepStrictEqual([...data.subarray(0, 3)], [255, 255, 255]);
  const key = opaque.data.slice(0, 3);
  for (let i = 0; i < data.length; i += 3) {
    const isKey = key.every((sample, c) => opaque.data[i + c] === sample);
    deepStrictEqual(
      [...data.subarray(i, i + 3)],
      isKey ? [255, 255, 255] : [...opaque.data.subarray(i, i + 3)],
    );
  }
});

Deno.test("an animated WebP is refused by name", async () => {
  await assertRefused(() => decodeImage(fixture("animated.webp")), "BAD_IMAGE", "still", "animated WebP");
});

Deno.test("raw RGB pixels come back as they are, raw RGBA pixels on white", async () => {
  const data = new Uint8Array([1, 2, 3, 4, 5, 6]);
  deepStrictEqual(await decodeImage({ width: 2, height: 1, data }), { width: 2, height: 1, data });
  const clamped = new Uint8ClampedArray([9, 8, 7, 255, 9, 8, 7, 0]);
  deepStrictEqual(await decodeImage({ width: 1, height: 2, data: clamped }), {
    width: 1,
    height: 2,
    data: new Uint8Array([9, 8, 7, 255, 255, 255]),
  });
});

Deno.test("alpha over white is the exact mean rounded to nearest, for every sample and alpha", () => {
  const rgba = new Uint8Array(256 * 256 * 4);
  for (let i = 0; i < 256 * 256; i++) rgba.set([i & 255, i & 255, i & 255, i >> 8], i * 4);
  const rgb = overWhite(rgba);
  for (let i = 0; i < 256 * 256; i++) {
    const alpha = i >> 8;
    strictEqual(rgb[i * 3], Math.round(((i & 255) * alpha + 255 * (255 - alpha)) / 255));
  }
});

Deno.test("a view into a larger buffer decodes like the bytes themselves", async () => {
  for (const name of ["rgba-16.png", "subsampled.jpg", "cmyk.jpg", "lossless.webp"]) {
    const bytes = fixture(name);
    const buffer = new Uint8Array(bytes.length + 12).fill(0x55);
    buffer.set(bytes, 5);
    deepStrictEqual(await decodeImage(buffer.subarray(5, 5 + bytes.length)), await decodeImage(bytes));
  }
});

Deno.test("pictures decode side by side", async () => {
  const names = Object.keys(expected);
  const alone = [];
  for (const name of names) alone.push(await decodeImage(fixture(name)));
  deepStrictEqual(await Promise.all(names.map((name) => decodeImage(fixture(name)))), alone);
});
