/**
 * Repacked weights on disk: a model that is loaded from them has the bits of one that repacks, and whatever else is in the file is
 * refused or passed over.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel, type LoadOptions, memoryModelSource, type Model, repackModel } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { readGolden } from "../goldens.ts";
import { goldenPath, goldenTest } from "../shared.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Loads, says whether the file was used (a repacking load reads the checkpoint's bytes), and hands over the model. */
async function load<T>(
  model: string,
  options: LoadOptions,
  use: (model: Model) => Promise<T>,
): Promise<{ value: T; notices: string[]; bytes: number }> {
  const notices: string[] = [];
  let bytes = 0;
  await using loaded = await loadModel(model, {
    threads: 1,
    ...options,
    onNotice: (text) => notices.push(text),
    onProgress: ({ loadedBytes, totalBytes }) => {
      assert.ok(loadedBytes <= totalBytes);
      bytes = loadedBytes;
    },
  });
  return { value: await use(loaded), notices, bytes };
}

async function logitsOf(model: Model): Promise<Float32Array> {
  using sequence = model.createSequence();
  return (await sequence.forward([5, 6, 7, 8, 9, 10, 11], { logits: "all" })).data;
}

/** A copy of a model's files, without repacked weights that somebody has left there. */
function copyModel(model: string, folder: string): string {
  const copy = `${folder}/model`;
  Deno.mkdirSync(copy);
  for (const { name, isFile } of Deno.readDirSync(model)) {
    if (isFile && name !== "repacked.remora") Deno.copyFileSync(`${model}/${name}`, `${copy}/${name}`);
  }
  return copy;
}

for (
  const [name, options] of [
    ["gptq-desc-act", {}],
    ["gptq-8bit", {}],
    ["gptq-bias", {}],
    ["gptq-v1-asym", { precision: "f32" }],
    ["bf16-dense", {}],
    ["bf16-dense", { dense: "f16" }],
    ["arch-gemma3-text", {}],
    ["mllama-gptq-vision", { dense: "f16" }],
  ] as [string, LoadOptions][]
) {
  goldenTest(
    name,
    `${JSON.stringify(options)}: repacked weights have the bits of the checkpoint`,
    () =>
      withFolder(async (folder) => {
        const path = goldenPath(name), file = `${folder}/w`;
        const text = name.startsWith("mllama") ? "text.sequence" : "input_ids";
        const ids = readGolden(`${path}/expected.safetensors`).get(text)!.data as number[];
        const run = async (model: Model) => {
          using sequence = model.createSequence();
          return (await sequence.forward(ids, { logits: "all" })).data;
        };
        const expected = await load(path, options, run);
        await repackModel(path, { ...options, file, threads: 2 });
        for (const threads of [1, 2]) {
          const cached = await load(path, { ...options, threads, cache: file }, run);
          assert.deepEqual(cached.notices, []);
          assert.notEqual(cached.bytes, expected.bytes, "the file was read");
          assert.deepEqual(cached.value, expected.value);
        }
      }),
  );
}

Deno.test("pictures, several memories and snapshots: no difference", () =>
  withFolder(async (folder) => {
    const file = `${folder}/w`;
    const picture = Deno.readFileSync(`${SCENES}/reference/two-by-two.png`);
    const look = async (model: Model) => {
      using sequence = model.createSequence();
      const ids = model.tokenizer.encode("<|begin_of_text|><|image|>Describe the picture.");
      const { data } = await sequence.forward(ids, { images: [picture], logits: "all" });
      return { data, snapshot: await sequence.snapshot(), memories: model.engine.memories };
    };
    const options = { contextSize: 128 };
    const plain = await load(SCENES, options, look);
    await repackModel(SCENES, { file });
    const cached = await load(SCENES, { ...options, cache: file }, look);
    assert.deepEqual(cached.value, plain.value, "the snapshot names the same model");
    const banked = await load(SCENES, { ...options, cache: file, bankBytes: 8 << 20 }, look);
    assert.ok(banked.value.memories > 1);
    assert.deepEqual(banked.value.data, plain.value.data);
  }));

Deno.test("a cache is written with the first load, read with the next, and renewed when it is stale or damaged", () =>
  withFolder(async (folder) => {
    const model = copyModel(SCENES, folder), file = `${model}/repacked.remora`;
    const expected = (await load(SCENES, {}, logitsOf)).value;
    const first = await load(model, { cache: true }, logitsOf);
    assert.deepEqual([first.notices, first.value], [[], expected]);
    const whole = Deno.readFileSync(file);
    assert.deepEqual([...Deno.readDirSync(model)].filter(({ name }) => name.includes("partial")), []);
    const second = await load(model, { cache: true }, logitsOf);
    assert.deepEqual([second.notices, second.value], [[], expected]);
    assert.notEqual(second.bytes, first.bytes);

    const other = await load(model, { cache: true, dense: "f16" }, logitsOf);
    assert.match(other.notices.join(), /repacked\.remora.*options/);
    assert.deepEqual((await load(model, { cache: true, dense: "f16" }, logitsOf)).notices, []);

    const damages: [string, (bytes: Uint8Array) => Uint8Array][] = [
      ["other bytes", () => new TextEncoder().encode("x".repeat(1000))],
      ["nothing", () => new Uint8Array()],
      ["a short file", (bytes) => bytes.slice(0, bytes.length - 64)],
      ["a long file", (bytes) => Uint8Array.from([...bytes.slice(0, 64), ...bytes])],
      ["another version", (bytes) => bytes.with(8, 9)],
      ["another layout", (bytes) => bytes.with(12, 9)],
      ["a huge description", (bytes) => bytes.with(51, 255)],
      ["a damaged description", (bytes) => bytes.with(52, 255)],
      ["a damaged weight", (bytes) => bytes.with(bytes.length >> 1, bytes[bytes.length >> 1] ^ 1)],
      ["a damaged seal", (bytes) => bytes.with(bytes.length - 1, bytes[bytes.length - 1] ^ 1)],
    ];
    for (const [what, damage] of damages) {
      Deno.writeFileSync(file, damage(whole));
      await assertRefused(() => loadModel(model, { threads: 1, cache: file }), "BAD_FILE", "repacked.remora");
      const renewed = await load(model, { cache: true }, logitsOf);
      assert.equal(renewed.notices.length, 1, what);
      assert.deepEqual(renewed.value, expected, what);
      assert.ok(Deno.readFileSync(file).every((byte, i) => byte === whole[i]), `${what}: renewed`);
    }
  }));

Deno.test("another revision of the checkpoint is noticed, and so is another reading of it", () =>
  withFolder(async (folder) => {
    const model = copyModel(SCENES, folder), file = `${folder}/w`;
    await repackModel(model, { file });
    const weights = `${model}/model.safetensors`;
    const before = Deno.readFileSync(weights);
    const header = 8 + Number(new DataView(before.buffer).getBigUint64(0, true));
    Deno.writeFileSync(weights, before.with(header, before[header] ^ 1));
    await assertRefused(() => loadModel(model, { cache: file }), "BAD_FILE", file, "checkpoint");
    Deno.writeFileSync(weights, before);
    await load(model, { cache: file }, logitsOf);
  }));

Deno.test("without a folder, or one that can be written, the model loads and says so", async () => {
  const files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(SCENES)) {
    if (isFile) files.set(name, Deno.readFileSync(`${SCENES}/${name}`));
  }
  const notices: string[] = [];
  const options = { threads: 1, onNotice: (text: string) => notices.push(text) };
  await using _inMemory = await loadModel(memoryModelSource(files), { ...options, cache: true });
  await using _nowhere = await loadModel(SCENES, { ...options, cache: "/nowhere/at/all" });
  assert.equal(notices.length, 2);
  assert.match(notices[0], /folder/);
  assert.match(notices[1], /Cannot write "\/nowhere\/at\/all"/);
});

Deno.test("an abort while repacking leaves nothing behind", () =>
  withFolder(async (folder) => {
    const reason = new Error("enough"), controller = new AbortController();
    const onProgress = () => controller.abort(reason);
    const { signal } = controller;
    await assert.rejects(repackModel(SCENES, { file: `${folder}/w`, signal, onProgress }), reason);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));
