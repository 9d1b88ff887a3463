/** Snapshots: what is restored goes on with the same bits; what is damaged or foreign is refused by name. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel, type LoadOptions, memoryModelSource, type Model } from "../../mod.ts";
import { openSealed, sealFile } from "../../src/io/sealed_file.ts";
import { Random } from "../../src/sampling/random.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";
import { sha256 } from "../hash.ts";
import { smallestBanks } from "../smallest_banks.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const GOLDEN = goldenPath("gptq-v1-sym-g32");
const KIND = { magic: "REMORAKV", version: 2, title: "a snapshot of remora" };

const pictureOf = (name: string) => Deno.readFileSync(`${SCENES}/reference/${name}.png`);
const scenes = (options: LoadOptions = {}) => loadModel(SCENES, { threads: 1, contextSize: 128, ...options });

/** A conversation with two pictures, the second shown twice. */
async function lookAround(model: Model) {
  const sequence = model.createSequence();
  const ids = model.tokenizer.encode("<|begin_of_text|><|image|>What is red? <|image|><|image|>How many?");
  const images = [pictureOf("one-tile"), pictureOf("tall-chat"), pictureOf("tall-chat")];
  await sequence.forward(ids, { images });
  return sequence;
}

for (const threads of [1, 2]) {
  Deno.test(`a snapshot with pictures goes on with the same bits in another model, ${threads} threads`, async () => {
    for (const crossAttentionRows of ["meta", "transformers"] as const) {
      await using model = await scenes({ crossAttentionRows });
      using sequence = await lookAround(model);
      const bytes = await sequence.snapshot();
      const next = [7, 8, 9];
      const expected = await sequence.forward(next, { logits: "all", attention: true });
      for (const bankBytes of [undefined, await smallestBanks(SCENES, { threads, contextSize: 128 })]) {
        await using other = await scenes({ threads, bankBytes, crossAttentionRows });
        assert.equal(other.engine.memories > 1, bankBytes !== undefined);
        using restored = other.createSequence();
        await restored.restore(bytes);
        assert.deepEqual(restored.pictureKeys, sequence.pictureKeys);
        const result = await restored.forward(next, { logits: "all", attention: true });
        assert.deepEqual(result, expected);
      }
    }
  });
}

Deno.test({
  name: "a snapshot goes on with the same bits on any number of threads",
  async fn() {
    const ids = Array.from({ length: 70 }, (_, i) => (i * 37) % 250);
    await using model = await loadModel(GOLDEN, { threads: 1 });
    using sequence = model.createSequence();
    await sequence.forward(ids);
    const bytes = await sequence.snapshot();
    const expected = (await sequence.forward([1, 2, 3])).data;
    for (const threads of [1, 2]) {
      await using other = await loadModel(GOLDEN, { threads });
      using restored = other.createSequence();
      await restored.forward([9, 9]);
      await restored.restore(bytes);
      assert.deepEqual(restored.tokenIds, ids);
      assert.deepEqual((await restored.forward([1, 2, 3])).data, expected);
    }
  },
});

Deno.test("a restored picture is known: shown again, by its bytes or its name, it is not looked at", async () => {
  await using model = await scenes();
  using sequence = await lookAround(model);
  const bytes = await sequence.snapshot();
  const [key] = sequence.pictureKeys;
  await using other = await scenes();
  using restored = other.createSequence();
  await restored.restore(bytes);
  const ids = other.tokenizer.encode("<|image|>And here?");
  let looks = 0;
  const onPictureProgress = () => looks++;
  const shown = [];
  for (const image of [pictureOf("one-tile"), { key }]) {
    using fresh = other.createSequence();
    shown.push((await fresh.forward(ids, { images: [image], onPictureProgress })).data);
  }
  assert.equal(looks, 0);
  assert.deepEqual(shown[0], shown[1]);
  using looking = model.createSequence();
  assert.deepEqual((await looking.forward(ids, { images: [pictureOf("one-tile")] })).data, shown[0]);
  await assertRefused(
    () => restored.forward(ids, { images: [{ key: "file 1 00" }] }),
    "BAD_IMAGE",
    'expected one that is in memory, found "file 1 00"',
  );
});

Deno.test("a snapshot of an empty sequence restores an empty one", async () => {
  await using model = await scenes();
  using sequence = model.createSequence();
  const bytes = await sequence.snapshot();
  using restored = await lookAround(model);
  await restored.restore(bytes);
  assert.equal(restored.length, 0);
  assert.deepEqual(restored.pictureKeys, []);
});

Deno.test("snapshots of another model, precision or rows are refused by what differs; nothing changes", async () => {
  await using model = await scenes();
  using sequence = await lookAround(model);
  const bytes = await sequence.snapshot();
  const cases: [LoadOptions, string][] = [
    [{ precision: "f32" }, "expected precision f32, found int8"],
    [{ crossAttentionRows: "transformers" }, "expected crossAttentionRows transformers, found meta"],
    [{ contextSize: 8 }, "expected at most 8 tokens of context"],
  ];
  for (const [options, difference] of cases) {
    await using other = await scenes(options);
    using restored = other.createSequence();
    await restored.forward([1, 2, 3]);
    await assertRefused(() => restored.restore(bytes, "chat.state"), "BAD_FILE", "chat.state", difference);
    assert.deepEqual(restored.tokenIds, [1, 2, 3]);
  }
});

Deno.test("a model with one other weight tensor has another name; a copy has the same", async () => {
  const load = async (change?: (weights: Uint8Array) => void) => {
    const files = new Map<string, Uint8Array>();
    for (const { name, isFile } of Deno.readDirSync(SCENES)) {
      if (isFile) files.set(name, Deno.readFileSync(`${SCENES}/${name}`));
    }
    change?.(files.get("model.safetensors")!);
    return await loadModel(memoryModelSource(files), { threads: 1 });
  };
  await using model = await load();
  using sequence = await lookAround(model);
  const bytes = await sequence.snapshot();
  await using copy = await load();
  using same = copy.createSequence();
  await same.restore(bytes);
  await using changed = await load((weights) => {
    const length = Number(new DataView(weights.buffer, weights.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(weights.subarray(8, 8 + length)));
    const [name] = Object.keys(header).filter((name) => name.endsWith("layers.0.mlp.down_proj.qweight"));
    weights[8 + length + header[name].data_offsets[0]] ^= 1;
  });
  using other = changed.createSequence();
  await assertRefused(() => other.restore(bytes), "BAD_FILE", "expected a snapshot of this model");
});

Deno.test("fuzz: a snapshot that was cut or has one other bit is refused, wherever it is", async () => {
  await using model = await scenes();
  using sequence = await lookAround(model);
  const bytes = await sequence.snapshot();
  using victim = model.createSequence();
  await victim.forward([1, 2]);
  const seed = 20260101;
  const random = Random.fromSeed(seed);
  const below = (limit: number) => Math.floor(random.nextFloat() * limit);
  const headerBits = 8 * 2000;
  for (let round = 0; round < 150; round++) {
    const damaged = bytes.slice();
    const bit = round % 2 ? below(headerBits) : below(8 * bytes.length);
    damaged[bit >> 3] ^= 1 << (bit & 7);
    await assertRefused(() => victim.restore(damaged), "BAD_FILE", "the snapshot");
    const length = round % 2 ? below(64) : below(bytes.length);
    await assertRefused(() => victim.restore(bytes.subarray(0, length)), "BAD_FILE", "the snapshot");
    await assertRefused(() => victim.restore(new Uint8Array([...bytes, 0])), "BAD_FILE");
  }
  assert.deepEqual(victim.tokenIds, [1, 2], `seed ${seed}`);
});

Deno.test("descriptions that lie, with a checksum that holds, are refused before anything is allocated", async () => {
  await using model = await scenes();
  using sequence = await lookAround(model);
  const { description, contents } = openSealed(await sequence.snapshot(), KIND, "here", sha256);
  // deno-lint-ignore no-explicit-any
  const lies: [string, (d: any) => unknown][] = [
    ["no object", () => [1]],
    ["no ids", (d) => delete d.tokenIds],
    ["too many ids", (d) => d.tokenIds = Array(1e6).fill(1)],
    ["one id too many", (d) => d.tokenIds.unshift(...Array(64).fill(1))],
    ["an id beyond the vocabulary", (d) => d.tokenIds[0] = 1e9],
    ["an id that is none", (d) => d.tokenIds[0] = "1"],
    ["another block size", (d) => d.blockTokens = 64],
    ["no pictures", (d) => d.pictures = []],
    ["a picture too many", (d) => d.pictures.push(d.pictures[0])],
    ["a picture elsewhere", (d) => d.pictures[0].position++],
    ["a picture of many tokens", (d) => d.pictures[0].tokens = 2 ** 40],
    ["negative tokens", (d) => d.pictures[0].visibleTokens = -1],
    ["too many tiles", (d) => d.pictures[0].layout.rows = 1000],
    ["a share beyond all", (d) => d.pictures[0].layout.width = 2],
    ["one picture in two sizes", (d) => {
      d.pictures[2] = structuredClone(d.pictures[0]);
      d.pictures[2].position = d.pictures[1].position + 1;
      d.pictures[1].key = d.pictures[2].key;
    }],
    ["a name that is none", (d) => d.pictures[0].key = 3],
    ["null", (d) => d.pictures[0] = null],
  ];
  using victim = model.createSequence();
  const seal = (description: unknown, parts: Uint8Array[]) =>
    sealFile(KIND, description, parts, parts.reduce((sum, { length }) => sum + length, 0), sha256);
  for (const [name, lie] of lies) {
    const told = structuredClone(description);
    const result = lie(told);
    const bytes = seal(name === "no object" ? result : told, [contents]);
    await assertRefused(() => victim.restore(bytes), "BAD_FILE", "the snapshot").catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
  await victim.restore(seal(description, [contents]));
  for (const parts of [[contents.subarray(1)], [contents, new Uint8Array(4)]]) {
    await assertRefused(
      () => victim.restore(seal(description, parts)),
      "BAD_FILE",
      "bytes of keys and values",
    );
  }
});
