/**
 * Pictures against what the reference processor (transformers' MllamaImageProcessor on Pillow) makes of them.
 *
 * Tolerance: none. Decoders, resizing and normalisation repeat the reference's own integer and f32 arithmetic; the
 * goldens would allow 1 level for PNG and 3 for JPEG.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { decodeImage } from "../../src/image/decode.ts";
import { DEFAULT_TILE_SETTINGS, tileImage, type TileSettings } from "../../src/models/mllama/tiles.ts";
import { largestDifference, readGolden } from "../goldens.ts";
import { caseList, hasShared, sharedPath } from "../shared.ts";

const golden = (...parts: string[]) => sharedPath("goldens", ...parts);
const decodeGolden = (...parts: string[]) => decodeImage(Deno.readFileSync(golden(...parts)));
/** The goldens were normalised with the class defaults of the reference processor, not with the numbers of CLIP. */
const REFERENCE: TileSettings = { ...DEFAULT_TILE_SETTINGS, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const sized = (tileSize: number): TileSettings => ({ ...REFERENCE, tileSize });

interface GoldenPicture {
  file: string;
  width: number;
  height: number;
  560: { aspect_ratio_id: number; tiles_h_w: number[] };
  small: { side: number; aspect_ratio_id: number; tiles_h_w: number[] };
}

const pictures: GoldenPicture[] =
  caseList("image-preprocess", "goldens", "image-preprocess", "expected.json").images;

for (const picture of pictures) {
  const name = `${picture.file} becomes what the reference processor makes of it (needs ../shared)`;
  Deno.test({ name, ignore: !hasShared }, async () => {
    const expected = readGolden(golden("image-preprocess", "expected.safetensors"));
    const arrayOf = (name: string) => {
      const array = expected.get(`${picture.file}.${name}`);
      ok(array !== undefined, name);
      return array.data;
    };
    const pixels = await decodeGolden("image-preprocess", picture.file);

    const small = tileImage(pixels, sized(picture.small.side));
    deepStrictEqual([small.rows, small.columns], picture.small.tiles_h_w);
    strictEqual(small.aspectRatioId, picture.small.aspect_ratio_id);
    const values = arrayOf("small.pixel_values");
    strictEqual(small.pixelValues.length, values.length);
    strictEqual(largestDifference(values, small.pixelValues), 0);

    const large = tileImage(pixels, REFERENCE);
    deepStrictEqual([large.rows, large.columns], picture[560].tiles_h_w);
    strictEqual(large.aspectRatioId, picture[560].aspect_ratio_id);
    const at = arrayOf("560.at");
    const sampled = Float32Array.from(arrayOf("560.value"), (_, i) => {
      const [tile, channel, y, x] = at.slice(i * 4, i * 4 + 4);
      return large.pixelValues[((tile * 3 + channel) * 560 + y) * 560 + x];
    });
    strictEqual(largestDifference(arrayOf("560.value"), sampled), 0);

    // Means over 313,600 values, whose f32 result is rounded by up to 6e-8.
    const meanDifference = largestDifference(arrayOf("560.mean"), planeMeans(large.pixelValues, 560 * 560));
    ok(meanDifference <= 1e-6, `mean: ${meanDifference}`);
  });
}

function planeMeans(values: Float32Array, plane: number): number[] {
  return Array.from(
    { length: values.length / plane },
    (_, i) => values.subarray(i * plane, (i + 1) * plane).reduce((sum, value) => sum + value, 0) / plane,
  );
}

const INPUTS: [string, string[]][] = [
  ["one-tile", ["one.png"]],
  ["tiles-2x2", ["square.png"]],
  ["wide-4x1", ["wide.png"]],
  ["two-images", ["one.png", "square.png"]],
  ["image-then-text", ["tall.png"]],
];

for (const [input, files] of INPUTS) {
  Deno.test({
    name: `pictures of ${input} become the reference's pixel values (needs ../shared)`,
    ignore: !hasShared,
    fn: async () => {
      const expected = readGolden(golden("mllama-inputs", "inputs.safetensors"));
      const { shape, data } = expected.get(`${input}.pixel_values`)!;
      deepStrictEqual(shape, [1, files.length, 4, 3, 56, 56]);
      const values = new Float32Array(data.length); // unused tiles are 0
      const ids: number[] = [];
      for (const [i, file] of files.entries()) {
        const tiled = tileImage(await decodeGolden("mllama-inputs", file), sized(56));
        values.set(tiled.pixelValues, i * 4 * 3 * 56 * 56);
        ids.push(tiled.aspectRatioId);
      }
      deepStrictEqual(ids, expected.get(`${input}.aspect_ratio_ids`)!.data);
      strictEqual(largestDifference(data, values), 0);
    },
  });
}
