/** Pictures that are seen with fewer tiles than they would have: on purpose, under a name of their own, and said. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  type FewerTiles,
  type ImageInput,
  loadConversation,
  loadModel,
  saveConversation,
} from "../../mod.ts";
import { DEFAULT_TILE_SETTINGS, supportedCanvases, tileImage } from "../../src/models/mllama/tiles.ts";
import { assertRefused } from "../errors.ts";

const MODEL = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const load = () => loadModel(MODEL, { threads: 1 });
/** Of three tiles. */
const wide = Deno.readFileSync(`${MODEL}/reference/wide.png`);
const messages = [{
  role: "user" as const,
  content: [{ type: "image" as const, image: wide }, {
    type: "text" as const,
    text: "Describe the picture.",
  }],
}];

Deno.test("with a limit the canvas is that of a processor which knows no larger ones", () => {
  for (const [width, height] of [[1920, 1080], [3000, 500], [100, 2240], [300, 400], [1121, 1121]]) {
    const pixels = { width, height, data: new Uint8Array(width * height * 3).fill(255) };
    const unlimited = tileImage(pixels, DEFAULT_TILE_SETTINGS).tileCount;
    for (const limit of [1, 2, 3, 4]) {
      const { aspectRatioId, tilesUnlimited, ...tiled } = tileImage(pixels, DEFAULT_TILE_SETTINGS, limit);
      const alone = tileImage(pixels, { ...DEFAULT_TILE_SETTINGS, maxTiles: limit });
      assert.deepEqual(
        { ...tiled, aspectRatioId: alone.aspectRatioId, tilesUnlimited: alone.tilesUnlimited },
        alone,
        `${width} × ${height}, ${limit}`,
      );
      assert.equal(tilesUnlimited, unlimited);
      // The model numbers canvases among all of its own.
      const { rows, columns } = supportedCanvases(4)[aspectRatioId - 1];
      assert.deepEqual([rows, columns], [tiled.rows, tiled.columns]);
    }
  }
});

Deno.test("a picture with fewer tiles is another picture, and it is said", async () => {
  await using model = await load();
  const [token] = model.tokenizer.encode("<|image|>");
  const see = async (image: ImageInput, maxTiles?: number) => {
    using sequence = model.createSequence();
    const told: FewerTiles[] = [], shares: number[] = [];
    const { data } = await sequence.forward([token, 5, 6], {
      images: [image],
      maxTiles,
      onFewerTiles: (fewer) => told.push(fewer),
      onPictureProgress: (share) => shares.push(share),
    });
    return { data, told, shares, key: sequence.pictureKeys[0] };
  };
  const whole = await see(wide), atMost = await see(wide, 4), fewer = await see(wide, 1);
  assert.deepEqual(atMost, { ...whole, shares: [] }, "a limit that is none changes nothing");
  assert.deepEqual(fewer.told, [{ tiles: 1, unlimited: 3 }]);
  assert.equal(fewer.key, `${whole.key} tiles 1`);
  assert.notDeepEqual(fewer.data, whole.data);
  for (const { shares } of [whole, fewer]) {
    assert.equal(shares[0], 0);
    assert.equal(shares.at(-1), 1);
    assert.deepEqual(shares, shares.toSorted((a, b) => a - b));
  }
  // A name says how the picture was seen, also to a model that has not seen it.
  await using other = await load();
  using sequence = other.createSequence();
  const { data } = await sequence.forward([token, 5, 6], { images: [{ key: fewer.key, image: wide }] });
  assert.deepEqual(data, fewer.data);
});

Deno.test("a picture that needs no more tiles than allowed is seen without a word", async () => {
  await using model = await load();
  const one = Deno.readFileSync(`${MODEL}/reference/one-tile.png`);
  let told = 0;
  const ask = (maxTiles?: number) =>
    model.complete({
      messages: [{
        role: "user",
        content: [{ type: "image", image: one }, { type: "text", text: "Describe the picture." }],
      }],
      maxTiles,
      onFewerTiles: () => told++,
    });
  assert.equal((await ask(1)).text, (await ask()).text);
  assert.equal(told, 0);
});

Deno.test("snapshots and saved conversations keep how a picture was seen", async () => {
  await using model = await load();
  using sequence = model.createSequence();
  const { text, tokenIds } = await model.complete({ messages, sequence, maxTiles: 2 });
  const path = Deno.makeTempFileSync();
  try {
    await saveConversation(path, { messages, tokenIds: [...sequence.tokenIds] }, sequence);
    await using later = await load();
    using restored = later.createSequence();
    const { messages: saved, snapshot } = loadConversation(path);
    await restored.restore(snapshot);
    assert.deepEqual(restored.pictureKeys, sequence.pictureKeys);
    // Nobody looks again: the picture itself is not there.
    const again = await later.complete({ messages: saved, sequence: restored });
    assert.deepEqual([again.text, again.tokenIds], [text, tokenIds]);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("limits that cannot be, prepared pictures beyond them and traces below them are refused", async () => {
  await using model = await load();
  const [token] = model.tokenizer.encode("<|image|>");
  using sequence = model.createSequence();
  for (const maxTiles of [0, -1, 1.5, NaN]) {
    await assertRefused(() => model.complete({ messages, maxTiles }), "BAD_ARGUMENT", "maxTiles");
  }
  const prepared = { pixelValues: new Float32Array(2 * 3 * 112 * 112), tileCount: 2, aspectRatioId: 2 };
  await assertRefused(
    () => sequence.forward([token], { images: [prepared], maxTiles: 1 }),
    "BAD_IMAGE",
    "at most 1",
  );
  await sequence.forward([token], { images: [prepared], maxTiles: 2 });
  const trace = () => {};
  await assertRefused(
    () => sequence.forward([token], { images: [wide], maxTiles: 2, trace }),
    "BAD_ARGUMENT",
    "trace",
  );
});
