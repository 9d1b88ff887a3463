/**
 * Hostile and damaged pictures: each is refused in one line with BAD_IMAGE, and a good picture decodes afterwards.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";
import { RemoraError } from "../../src/core/errors.ts";
import {
  CMYK_PIXELS_MAX,
  IMAGE_BYTES_MAX,
  IMAGE_PIXELS_MAX,
  IMAGE_SIDE_MAX,
  PNG_TEXT_BYTES_MAX,
} from "../../src/core/limits.ts";
import { decodeImage } from "../../src/image/decode.ts";
import { assertRefused, refusalOf } from "../errors.ts";
import { fixture } from "./fixtures.ts";
import { randomIntegers } from "./random.ts";

/** A good file of every kind of decoder. */
const GOOD = ["rgba-16.png", "rgba-interlaced.png", "subsampled.jpg", "progressive.jpg", "cmyk.jpg"]
  .concat("lossy-alpha.webp", "lossless-alpha.webp", "exif.webp", "xmp-international.png");

/** Refuses the picture, then decodes a good one of the same decoder. */
async function assertHarmless(bytes: Uint8Array, good: string, ...words: string[]): Promise<void> {
  const before = await decodeImage(fixture(good));
  await assertRefused(() => decodeImage(bytes), "BAD_IMAGE", ...words);
  deepStrictEqual(await decodeImage(fixture(good)), before);
}

/** The file with some bytes replaced. */
function patched(name: string, offset: number, bytes: number[]): Uint8Array {
  const file = fixture(name);
  file.set(bytes, offset);
  return file;
}

/** A PNG whose header says this, with a checksum that fits. */
function pngOfSize(name: string, width: number, height: number): Uint8Array {
  const file = fixture(name);
  const view = new DataView(file.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  view.setUint32(29, crc32(file.subarray(12, 29)));
  return file;
}

/** A chunk of a PNG with a checksum that fits. */
function chunkOf(type: string, payload: ArrayLike<number>): Uint8Array {
  const chunk = new Uint8Array([
    0,
    0,
    0,
    0,
    ...new TextEncoder().encode(type),
    ...Array.from(payload),
    0,
    0,
    0,
    0,
  ]);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, payload.length);
  view.setUint32(chunk.length - 4, crc32(chunk.subarray(4, -4)));
  return chunk;
}

function indexOf(bytes: Uint8Array, text: string): number {
  return new TextDecoder("latin1").decode(bytes).indexOf(text);
}

Deno.test("what is no picture is refused, naming its first bytes", async () => {
  await assertRefused(() => decodeImage(new Uint8Array()), "BAD_IMAGE", "PNG, JPEG or WebP", "empty");
  await assertRefused(() => decodeImage(new Uint8Array([0x47, 0x49, 0x46])), "BAD_IMAGE", "bytes 47 49 46");
  await assertRefused(() => decodeImage(new Uint8Array(500)), "BAD_IMAGE", "00 00 00");
  await assertRefused(
    () => decodeImage(new TextEncoder().encode("RIFF....WAVE")),
    "BAD_IMAGE",
    "52 49 46 46",
  );
});

Deno.test("a picture of 50,000 x 50,000 pixels is refused from its header, at once", async () => {
  const began = performance.now();
  await assertHarmless(
    pngOfSize("rgba-16.png", 50_000, 50_000),
    "rgba-16.png",
    "50000 x 50000",
    `${IMAGE_PIXELS_MAX}`,
  );
  const jpeg = fixture("subsampled.jpg");
  const frame = indexOf(jpeg, "\xff\xc0") + 5;
  await assertHarmless(
    patched("subsampled.jpg", frame, [0xc3, 0x50, 0xc3, 0x50]),
    "subsampled.jpg",
    "50000 x 50000",
  );
  const canvas = indexOf(fixture("exif.webp"), "VP8X") + 12;
  const huge = patched("exif.webp", canvas, [0x4f, 0xc3, 0x00, 0x4f, 0xc3, 0x00]);
  await assertHarmless(huge, "exif.webp", "50000 x 50000");
  ok(performance.now() - began < 2_000);
});

Deno.test("sides of zero and sides above the limit are refused", async () => {
  for (const [width, height] of [[0, 5], [5, 0], [IMAGE_SIDE_MAX + 1, 1], [1, 0xffffffff]]) {
    await assertHarmless(pngOfSize("rgba-16.png", width, height), "rgba-16.png", `${width} x ${height}`);
  }
  const frame = indexOf(fixture("subsampled.jpg"), "\xff\xc0") + 5;
  await assertHarmless(patched("subsampled.jpg", frame, [0, 0, 0, 5]), "subsampled.jpg", "5 x 0");
});

Deno.test("a file above the limit is refused unread", async () => {
  await assertRefused(
    () => decodeImage(new Uint8Array(IMAGE_BYTES_MAX + 1)),
    "BAD_IMAGE",
    `${IMAGE_BYTES_MAX}`,
  );
});

Deno.test("headers that claim another size than the data have are refused", async () => {
  for (const [width, height] of [[19, 14], [20, 13], [300, 300], [8_000, 8_000]]) {
    await assertHarmless(pngOfSize("rgba-16.png", width, height), "rgba-16.png");
  }
  const canvas = indexOf(fixture("exif.webp"), "VP8X") + 12;
  await assertHarmless(patched("exif.webp", canvas, [200, 0, 0, 200, 0, 0]), "exif.webp");
});

Deno.test("a text that unpacks to very much, or is damaged, is left out", async () => {
  const file = fixture("xmp-damaged.png");
  const without = await decodeImage(fixture("gamma.png")); // the same samples
  const end = indexOf(file, "IDAT") - 4;
  const begin = new TextEncoder().encode('tiff:Orientation="6"');
  const bomb = new Uint8Array(256 << 20);
  bomb.set(begin);
  const long = new Uint8Array(PNG_TEXT_BYTES_MAX + 1);
  long.set(begin);
  const frame = (keyword: string) => new TextEncoder().encode(keyword);
  const texts: [string, Uint8Array][] = [
    ["zTXt", new Uint8Array([...frame("XML:com.adobe.xmp\0\0"), ...deflateSync(bomb)])],
    ["zTXt", new Uint8Array([...frame("XML:com.adobe.xmp\0\0"), ...deflateSync(long)])],
    ["iTXt", new Uint8Array([...frame("XML:com.adobe.xmp\0\x01\0\0\0"), 1, 2, 3])],
    ["iTXt", frame("XML:com.adobe.xmp\0\x01")],
    ["tEXt", frame("Raw profile type exif\0no digits")],
  ];
  const began = performance.now();
  for (const [type, payload] of texts) {
    const parts = [file.subarray(0, 33), chunkOf(type, payload), file.subarray(end)];
    deepStrictEqual(await decodeImage(new Uint8Array(parts.flatMap((part) => [...part]))), without, type);
  }
  ok(performance.now() - began < 2_000);
});

for (const name of GOOD) {
  Deno.test(`${name} cut short anywhere is refused`, async () => {
    const file = fixture(name);
    for (let length = 0; length < file.length; length += 1 + Math.floor(file.length / 150)) {
      await assertRefused(() => decodeImage(file.subarray(0, length)), "BAD_IMAGE");
    }
    await assertRefused(() => decodeImage(file.subarray(0, -1)), "BAD_IMAGE");
    await decodeImage(file);
  });

  Deno.test(`${name} with random damage is refused or decoded, and harms nothing`, async () => {
    const file = fixture(name);
    const good = await decodeImage(file);
    const numbers = randomIntegers(150 * 3 * 2, 2 ** 24, file.length);
    for (let round = 0; round < 150; round++) {
      const damaged = file.slice();
      for (let i = 0; i < 3; i++) {
        const at = (round * 3 + i) * 2;
        damaged[numbers[at] % file.length] = numbers[at + 1] & 0xff;
      }
      try {
        const { width, height, data } = await decodeImage(damaged);
        ok(data.length === width * height * 3);
      } catch (error) {
        ok(error instanceof RemoraError && error.code === "BAD_IMAGE", `${error}`);
      }
    }
    deepStrictEqual(await decodeImage(file), good);
  });
}

Deno.test("a JPEG cut short that got an end marker is refused too", async () => {
  const file = fixture("restarts.jpg");
  const cut = new Uint8Array([...file.subarray(0, file.length - 40), 0xff, 0xd9]);
  await assertHarmless(cut, "restarts.jpg", "premature end");
});

Deno.test("a PNG with a wrong checksum is refused, naming the chunk", async () => {
  const file = fixture("rgba-16.png");
  const data = indexOf(file, "IDAT");
  await assertHarmless(
    patched("rgba-16.png", data + 20, [file[data + 20] ^ 1]),
    "rgba-16.png",
    "IDAT",
    "checksum",
  );
  await assertHarmless(patched("rgba-16.png", 30, [file[30] ^ 1]), "rgba-16.png", "IHDR", "checksum");
});

Deno.test("profiles and texts of a PNG are never unpacked", async () => {
  const file = fixture("rgba-16.png");
  const bomb = deflateSync(new Uint8Array(1 << 26));
  for (const type of ["iCCP", "zTXt"]) {
    const chunk = chunkOf(type, [0x78, 0, 0, ...bomb]);
    const extended = new Uint8Array([...file.subarray(0, 33), ...chunk, ...file.subarray(33)]);
    deepStrictEqual(await decodeImage(extended), await decodeImage(file));
  }
});

Deno.test("a PNG with far more pixel data than its size needs is refused before they are unpacked", async () => {
  const file = fixture("rgba-16.png");
  const place = indexOf(file, "IDAT") - 4;
  const end = place + 12 + new DataView(file.buffer).getUint32(place);
  const data = chunkOf("IDAT", deflateSync(new Uint8Array(1 << 26)));
  const bomb = new Uint8Array([...file.subarray(0, place), ...data, ...file.subarray(end)]);
  await assertHarmless(bomb, "rgba-16.png", "pixel data");
});

Deno.test("a WebP with a wrong RIFF size is refused", async () => {
  const { length } = fixture("lossless.webp");
  await assertHarmless(patched("lossless.webp", 4, [0xff, 0xff, 0, 0]), "lossless.webp", `${length}`);
  await assertHarmless(patched("lossless.webp", 4, [0xff, 0xff, 0xff, 0xff]), "lossless.webp", `${length}`);
  await assertHarmless(patched("lossless.webp", 4, [10, 0, 0, 0]), "lossless.webp");
});

Deno.test("a CMYK picture that would take a gigabyte is refused from its header", async () => {
  const frame = indexOf(fixture("cmyk.jpg"), "\xff\xc0") + 5;
  const large = patched("cmyk.jpg", frame, [0x20, 0, 0x20, 0]);
  await assertHarmless(large, "cmyk.jpg", `${CMYK_PIXELS_MAX}`, "8192 x 8192");
});

Deno.test("a JPEG of thousands of scans is refused", async () => {
  const file = fixture("progressive.jpg");
  const scan = indexOf(file, "\xff\xda");
  const header = file.subarray(scan, scan + 2 + file[scan + 2] * 256 + file[scan + 3]);
  const scans = Array.from({ length: 5_000 }, () => [...header, 0]).flat();
  const bomb = new Uint8Array([...file.subarray(0, scan), ...scans, 0xff, 0xd9]);
  await assertHarmless(bomb, "progressive.jpg", "scans");
});

Deno.test("raw pixels of the wrong length or an impossible size are refused", async () => {
  const raw = (width: number, height: number, length: number) => () =>
    decodeImage({ width, height, data: new Uint8Array(length) });
  await assertRefused(raw(4, 5, 59), "BAD_IMAGE", "60 bytes of RGB", "80 of RGBA", "found 59 bytes");
  await assertRefused(raw(4, 5, 20), "BAD_IMAGE", "4 x 5");
  await assertRefused(raw(0, 5, 0), "BAD_IMAGE", "0 x 5");
  await assertRefused(raw(-4, -5, 60), "BAD_IMAGE", "-4 x -5");
  await assertRefused(raw(1.5, 2, 9), "BAD_IMAGE", "1.5 x 2");
  await assertRefused(raw(NaN, 2, 6), "BAD_IMAGE", "NaN");
  const { message } = await refusalOf(() => decodeImage({ width: 1, height: 1, data: "abc" as never }));
  ok(message.includes("string"));
});
