/**
 * Pictures whose states are rows of the sequence, with a vision model that is small and can be checked: it reads a picture of text.
 * Each pixel's red is a token id, and its state is that token's embedding, computed by a projection of its own. So a prompt with a
 * picture must have the bits of the prompt with the picture's ids in its place.
 */
import assert from "node:assert/strict";
import {
  type LoadOptions,
  memoryModelSource,
  type Model,
  type ModelSource,
  type RawImage,
} from "../../mod.ts";
import { ModelLoader } from "../../src/loading/load_model.ts";
import { ARCHITECTURES } from "../../src/models/registry.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import { Matrix } from "../../src/ops/matrix.ts";
import { Projection } from "../../src/ops/projection.ts";
import { CountedSpace, type Space } from "../../src/ops/space.ts";
import { Workspace } from "../../src/ops/workspace.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import type {
  EncodeOptions,
  PictureStates,
  PreparedPicture,
  VisionModel,
} from "../../src/vision/vision_model.ts";
import type { Precision, WeightPlan } from "../../src/weights/plan.ts";
import { assertRefused } from "../errors.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";
import { goldenPath } from "../shared.ts";

const FOLDER = goldenPath("arch-llama");
const VOCABULARY = 272, WIDTH = 128;
const PART = "reader";

interface Text extends PreparedPicture {
  readonly ids: readonly number[];
}

class ReadingVision implements VisionModel<Text> {
  readonly join = "sequence";
  readonly part = PART;
  readonly info = {
    tileSize: 1,
    tilesMax: 1,
    layerCount: 1,
    hiddenSize: VOCABULARY,
    crossAttentionLayerCount: 0,
  };
  readonly tokensMax = 64;
  readonly traceShapes = { vision: [1], projector: [1] };
  /** Pictures that were encoded. */
  encoded = 0;
  readonly #projection: Projection;
  #buffers?: ReturnType<ReadingVision["reserve"]>;

  constructor(weights: WeightPlan, readonly pictureToken: number) {
    weights.part(PART);
    this.#projection = new Projection([weights.linear("reader", WIDTH, VOCABULARY, { dense: "asStored" })]);
  }

  reserve(space: Space, precision: Precision, rows: number) {
    return {
      chosen: Matrix.reserve(space, rows, VOCABULARY),
      states: Matrix.reserve(space, rows, WIDTH),
      workspace: Workspace.reserve(
        space,
        precision,
        (workspace) => this.#projection.reserve(workspace, rows),
      ),
    };
  }

  bufferBytes(precision: Precision, threads: number): number {
    const space = new CountedSpace(threads);
    this.reserve(space, precision, this.tokensMax);
    return space.bytes;
  }

  place(space: Space, precision: Precision): void {
    this.#buffers = this.reserve(space, precision, this.tokensMax);
  }

  prepare(image: unknown): Promise<Text> {
    const { width, height, data } = image as RawImage;
    const tokens = width * height;
    const ids = Array.from({ length: tokens }, (_, i) => data[3 * i]);
    return Promise.resolve({ ids, layout: { width, height }, tokens, visibleTokens: tokens });
  }

  async *encode({ ids }: Text, { rowsMax }: EncodeOptions): AsyncGenerator<PictureStates, void, void> {
    this.encoded++;
    const { chosen, states, workspace } = this.#buffers!;
    // Three rows at a time, so that states come in several pieces.
    const most = Math.min(3, rowsMax);
    for (let start = 0; start < ids.length; start += most) {
      const rows = Math.min(most, ids.length - start);
      const input = new Float32Array(rows * VOCABULARY);
      for (let row = 0; row < rows; row++) input[row * VOCABULARY + ids[start + row]] = 1;
      chosen.sliceRows(0, rows).write(input);
      this.#projection.forward(workspace, chosen.sliceRows(0, rows), states.sliceRows(0, rows));
      yield { start, rows, read: (count) => states.sliceRows(0, count).read() };
    }
  }

  mayHavePrepared({ layout: { width, height }, tokens, visibleTokens }: PreparedPicture): boolean {
    return Number.isInteger(tokens) && tokens > 0 && tokens <= this.tokensMax && tokens === width * height &&
      visibleTokens === tokens;
  }
}

/** The golden's files, with the reader's weight: the embedding table turned on its side. */
function readingModel(): ModelSource {
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(FOLDER)) files.set(name, Deno.readFileSync(`${FOLDER}/${name}`));
  const json = (name: string) => JSON.parse(new TextDecoder().decode(files.get(name)));
  files.set(
    "config.json",
    new TextEncoder().encode(JSON.stringify({ ...json("config.json"), model_type: "reading" })),
  );

  const bytes = files.get("model.safetensors")!;
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON
    .parse(
      new TextDecoder().decode(bytes.subarray(8, 8 + length)),
    );
  delete header.__metadata__;
  const tensors = Object.entries(header).map(([name, { dtype, shape, data_offsets: [begin, end] }]) => ({
    name,
    dtype,
    shape,
    data: bytes.slice(8 + length + begin, 8 + length + end),
  }));
  const table = new Uint16Array(
    tensors.find(({ name }) => name === "model.embed_tokens.weight")!.data.buffer,
  );
  const turned = new Uint16Array(table.length);
  for (let id = 0; id < VOCABULARY; id++) {
    for (let column = 0; column < WIDTH; column++) {
      turned[column * VOCABULARY + id] = table[id * WIDTH + column];
    }
  }
  const data = new Uint8Array(turned.buffer);
  tensors.push({ name: "reader.weight", dtype: "F16", shape: [WIDTH, VOCABULARY], data });
  files.set("model.safetensors", writeSafetensors(tensors));
  return memoryModelSource(files);
}

/** The architecture, and the vision model that was made last. */
function reading(pictureToken: number) {
  const made: { vision?: ReadingVision } = {};
  const architecture: Architecture = {
    read: (config, shapeOf) => ({
      ...ARCHITECTURES.llama.read(config, shapeOf),
      vision: ({ weights }) => Promise.resolve(made.vision = new ReadingVision(weights, pictureToken)),
    }),
  };
  return { made, loader: new ModelLoader(denoPlatform, { reading: architecture }) };
}

/** Not among the ids that are used here; beyond the vocabulary, as Llama 3.2 Vision has it. */
const PICTURE = 272;

async function withModel(
  options: LoadOptions,
  use: (model: Model, made: { vision?: ReadingVision }) => Promise<void>,
) {
  const { made, loader } = reading(PICTURE);
  await using model = await loader.load(readingModel(), options);
  await use(model, made);
}

/** A picture of these ids. */
function pictureOf(ids: readonly number[]): RawImage {
  return { width: ids.length, height: 1, data: Uint8Array.from(ids.flatMap((id) => [id, 0, 0])) };
}

const tokensFor = (ids: readonly number[]) => ids.map(() => PICTURE);
const SHORT = [65, 66, 67], LONG = [10, 200, 30, 255, 0, 77, 7];
const PROMPT = [5, 6, ...tokensFor(SHORT), 8, ...tokensFor(LONG), 9, 4];
const READ = [5, 6, ...SHORT, 8, ...LONG, 9, 4];

for (const precision of ["f32", "int8"] as const) {
  for (const threads of [1, 2]) {
    Deno.test(`${precision}, ${threads} threads: a prompt with pictures has the bits of their ids`, async () => {
      await withModel({ precision, threads }, async (model) => {
        using text = model.createSequence();
        const expected = await text.forward(READ, { logits: "all" });
        using looking = model.createSequence();
        const images = [pictureOf(SHORT), pictureOf(LONG)];
        const { data } = await looking.forward(PROMPT, { images, logits: "all" });
        assert.deepEqual(data, expected.data);
        assert.deepEqual((await looking.forward([3])).data, (await text.forward([3])).data);
      });
    });
  }
}

Deno.test("pictures in several calls, in several memories, and in passes with other sequences", async () => {
  for (const options of [{ threads: 2 }, { threads: 1, bankBytes: 10 * 2 ** 20 }] as LoadOptions[]) {
    await withModel(options, async (model) => {
      using text = model.createSequence();
      const { data } = await text.forward(READ);
      const follow = async () => {
        using looking = model.createSequence();
        await looking.forward(PROMPT.slice(0, 6), { images: [pictureOf(SHORT)], logits: "none" });
        await looking.forward(PROMPT.slice(6, -1), { images: [pictureOf(LONG)], logits: "none" });
        return (await looking.forward(PROMPT.slice(-1))).data;
      };
      assert.deepEqual(await Promise.all([follow(), follow(), follow()]), [data, data, data]);
    });
  }
});

Deno.test("pictures are encoded once, known again, and given back with their tokens", async () => {
  await withModel({ threads: 1 }, async (model, made) => {
    using sequence = model.createSequence();
    await sequence.forward(PROMPT, { images: [pictureOf(SHORT), pictureOf(LONG)] });
    assert.equal(made.vision!.encoded, 2);
    assert.equal(sequence.pictureKeys.length, 2);
    await assertRefused(() => sequence.truncate(4), "BAD_ARGUMENT", "picture at 2 to 5");
    sequence.truncate(2);
    assert.deepEqual(sequence.pictureKeys, []);
    await sequence.forward(PROMPT.slice(2), { images: [pictureOf(SHORT), pictureOf(LONG)] });
    assert.equal(made.vision!.encoded, 2);
  });
});

Deno.test("dropping a part of a picture drops it whole", async () => {
  await withModel({ threads: 1 }, async (model) => {
    using sequence = model.createSequence();
    await sequence.forward(PROMPT, { images: [pictureOf(SHORT), pictureOf(LONG)] });
    await sequence.drop(3, 4);
    assert.deepEqual(sequence.tokenIds, PROMPT.toSpliced(2, SHORT.length));
    assert.equal(sequence.pictureKeys.length, 1);
    using text = model.createSequence();
    await text.forward(READ.toSpliced(2, SHORT.length));
    assert.deepEqual((await sequence.forward([1])).data, (await text.forward([1])).data);
  });
});

Deno.test("a snapshot brings what was seen; the picture itself is needed to see it again", async () => {
  await withModel({ threads: 1 }, async (model) => {
    using sequence = model.createSequence();
    await sequence.forward(PROMPT, { images: [pictureOf(SHORT), pictureOf(LONG)] });
    const snapshot = await sequence.snapshot();
    const expected = (await sequence.forward([1])).data;
    await withModel({ threads: 2 }, async (other) => {
      using restored = other.createSequence();
      await restored.restore(snapshot);
      assert.deepEqual(restored.pictureKeys, sequence.pictureKeys);
      assert.deepEqual((await restored.forward([1])).data, expected);
      using again = other.createSequence();
      const seen = restored.pictureKeys.map((key) => ({ key }));
      await assertRefused(
        () => again.forward(PROMPT, { images: seen }),
        "BAD_IMAGE",
        "one that is in memory",
      );
      const images = seen.map(({ key }, i) => ({ key, image: pictureOf([SHORT, LONG][i]) }));
      await again.forward(PROMPT, { images });
      assert.deepEqual((await again.forward([1])).data, expected);
    });
  });
});

Deno.test("more or fewer picture tokens than states are refused, and nothing is appended", async () => {
  await withModel({ threads: 1 }, async (model) => {
    using sequence = model.createSequence();
    const run = (ids: number[], ...pictures: number[][]) =>
      sequence.forward(ids, { images: pictures.map(pictureOf) });
    await assertRefused(() => run([PICTURE, PICTURE], SHORT), "BAD_IMAGE", "3 picture tokens", "found 2");
    await assertRefused(() => run([...tokensFor(SHORT), PICTURE], SHORT), "BAD_IMAGE", "found 4");
    await assertRefused(() => run([1, PICTURE]), "BAD_IMAGE", "picture tokens");
    await assertRefused(() => run([1, 2], SHORT), "BAD_IMAGE");
    assert.equal(sequence.length, 0);
    assert.deepEqual(sequence.pictureKeys, []);
  });
});

Deno.test("a picture that was left in the middle is forgotten", async () => {
  await withModel({ threads: 1 }, async (model) => {
    using sequence = model.createSequence();
    await sequence.forward([5, 6]);
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(sequence.forward(tokensFor(SHORT), { images: [pictureOf(SHORT)], signal }), reason);
    assert.deepEqual([sequence.length, sequence.pictureKeys], [2, []]);
  });
});

Deno.test("in text and messages one token stands for a picture, as many as it takes come in its place", async () => {
  const { made, loader } = reading(126);
  await using model = await loader.load(readingModel(), { threads: 1 });
  assert.deepEqual(model.tokenizer.encode("~"), [126], "the golden's tokenizer");
  const [a, b] = [model.tokenizer.encode("a "), model.tokenizer.encode(" b")];
  const begin = model.tokenizer.encode("", { addSpecialTokens: true });
  const request = { maxTokens: 6, temperature: 0, logprobs: 2 };
  const expected = await model.complete({ ...request, prompt: [...begin, ...a, ...SHORT, ...b] });
  using sequence = model.createSequence();
  const prompt = "<|begin_of_text|>a ~ b";
  const answer = await model.complete({ ...request, prompt, images: [pictureOf(SHORT)], sequence });
  assert.deepEqual(answer, expected);
  const again = await model.complete({ ...request, prompt, images: [pictureOf(SHORT)], sequence });
  assert.deepEqual(again.tokenIds, expected.tokenIds);
  assert.equal(again.usage.cachedTokens, expected.usage.promptTokens - 1);
  const other = await model.complete({ ...request, prompt, images: [pictureOf(LONG)], sequence });
  assert.equal(other.usage.cachedTokens, begin.length + a.length);
  assert.equal(other.usage.promptTokens, expected.usage.promptTokens + LONG.length - SHORT.length);
  assert.equal(made.vision!.encoded, 2);
});

Deno.test("a full context goes on without the picture", async () => {
  await withModel({ threads: 1, contextSize: 24 }, async (model) => {
    const images = [pictureOf(SHORT), pictureOf(LONG)];
    const request = { maxTokens: 60, temperature: 0, contextShift: true };
    using sequence = model.createSequence();
    const { usage } = await model.complete({ ...request, prompt: PROMPT, images, sequence });
    assert.ok(usage.completionTokens === 60 || usage.completionTokens > 0);
    assert.ok(sequence.length <= 24);
    assert.deepEqual(sequence.pictureKeys, [], "both were in front");
    const long = [...PROMPT, ...READ, ...READ];
    const shortened = await model.complete({ ...request, maxTokens: 2, prompt: long, images });
    assert.ok(shortened.usage.promptTokens <= 24);
  });
});
