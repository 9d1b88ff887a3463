/**
 * The model in the repository looks at pictures: its reference outputs come from transformers, which read the same checkpoint
 * and pictures.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  type ImageInput,
  loadModel,
  type LoadOptions,
  memoryModelSource,
  type Message,
  type RemoraError,
} from "../../mod.ts";
import { placeImages } from "../../src/generation/placed_images.ts";
import { assertRefused } from "../errors.ts";
import { cosine, deviation, divergence, largestDifference, readGolden } from "../goldens.ts";
import { goldenPath } from "../shared.ts";

const MODEL = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const REFERENCE = `${MODEL}/reference`;

/** One conversation of the reference. */
interface Case {
  image: string;
  questions: string[];
  answers: string[];
}

const { inputs } = JSON.parse(Deno.readTextFileSync(`${REFERENCE}/reference.json`)) as {
  inputs: Record<string, Case>;
};
const arrays = readGolden(`${REFERENCE}/reference.safetensors`);

const load = (options: LoadOptions = {}) => loadModel(MODEL, { threads: 1, ...options });
const pictureOf = (name: string) => Deno.readFileSync(`${REFERENCE}/${inputs[name].image}`);

/** A picture of one colour. */
function plain(width: number, height: number, grey = 90): ImageInput {
  return { width, height, data: new Uint8Array(width * height * 3).fill(grey) };
}

function question(text: string, ...images: ImageInput[]): Message {
  return {
    role: "user",
    content: [...images.map((image) => ({ type: "image" as const, image })), { type: "text", text }],
  };
}

function code(expected: string) {
  return (error: RemoraError) => error.code === expected && !error.message.includes("\n");
}

for (const rows of ["meta", "transformers"] as const) {
  Deno.test(`the embedded model, rows as ${rows}: logits equal those of transformers`, async () => {
    for (const precision of ["f32", "int8"] as const) {
      await using model = await load({ precision, crossAttentionRows: rows });
      for (const name of Object.keys(inputs)) {
        const ids = arrays.get(`${name}.ids`)!.data as number[];
        const expected = arrays.get(`${name}.${rows === "meta" ? "logits" : "logits_hf"}`)!
          .data as Float32Array;
        using sequence = model.createSequence();
        const { data } = await sequence.forward(ids, { images: [pictureOf(name)], logits: "all" });
        if (precision === "f32") {
          assert.ok(largestDifference(data, expected) <= 1e-3 * deviation(expected), name);
        } else {
          const width = expected.length / ids.length;
          const divergences = ids.map((_, t) => {
            const [want, got] = [expected, data].map((all) => all.subarray(t * width, (t + 1) * width));
            assert.ok(cosine(want, got) >= 0.995, `${name}, position ${t}: ${cosine(want, got)}`);
            return divergence(want, got);
          });
          assert.ok(divergences.reduce((sum, value) => sum + value) / ids.length <= 0.02, name);
        }
      }
    }
  });
}

Deno.test("the embedded model answers as transformers does, over several turns", async () => {
  for (const precision of ["f32", "int8"] as const) {
    await using model = await load({ precision, threads: 2 });
    for (const [name, { questions, answers }] of Object.entries(inputs)) {
      using sequence = model.createSequence();
      const messages: Message[] = [];
      for (const [turn, text] of questions.entries()) {
        messages.push(turn === 0 ? question(text, pictureOf(name)) : { role: "user", content: text });
        const answer = await model.complete({ messages, temperature: 0, sequence });
        assert.equal(answer.text, answers[turn], `${precision} ${name}`);
        if (turn > 0) assert.ok(answer.usage.cachedTokens > 10, "the first turn is known");
        messages.push({ role: "assistant", content: answer.text });
      }
    }
  }
});

Deno.test("pictures in messages, beside them and as pixels are the same picture", async () => {
  await using model = await load();
  const file = pictureOf("one-tile");
  const [text] = inputs["one-tile"].questions;
  const answers = await Promise.all([
    model.complete({ messages: [question(text, file)], logprobs: 3 }),
    model.complete({ messages: [{ role: "user", content: text }], images: [file], logprobs: 3 }),
    model.complete({
      messages: [{ role: "user", content: [{ type: "image" }, { type: "text", text }] }],
      images: [file],
      logprobs: 3,
    }),
    model.complete({ prompt: model.chatPrompt([question(text, file)]), images: [file], logprobs: 3 }),
  ]);
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
});

Deno.test("a begin token is added behind leading pictures, and only when it is missing", async () => {
  await using model = await load();
  const begin = "<|begin_of_text|>", image = "<|image|>";
  const prompts = [`${image}Hello`, `${image}${begin}Hello`];
  const answers = await Promise.all(
    prompts.map((prompt) => model.complete({ prompt, images: [plain(112, 112)], maxTokens: 3, logprobs: 2 })),
  );
  assert.deepEqual(answers[0], answers[1]);
  assert.equal(answers[0].usage.promptTokens, model.tokenizer.encode(prompts[1]).length);
});

Deno.test("a picture is looked at once, whatever sequences show it", async () => {
  await using model = await load();
  const image = pictureOf("wide");
  let looks = 0;
  const ask = async (shown: ImageInput) => {
    let isNew = false;
    await model.complete({
      messages: [question("How many objects are there?", shown)],
      maxTokens: 1,
      onPictureProgress: () => isNew = true,
    });
    if (isNew) looks++;
  };
  await ask(image);
  await Promise.all([ask(image), ask(image.slice()), ask(plain(40, 50))]);
  await ask(image);
  assert.equal(looks, 2);
});

Deno.test("a sequence that shows another picture in the same place starts there anew", async () => {
  await using model = await load();
  using sequence = model.createSequence();
  const ask = (image: ImageInput) =>
    model.complete({ messages: [question("Describe the picture.", image)], sequence, logprobs: 1 });
  await ask(pictureOf("wide"));
  const place = model.tokenizer.encode(model.chatPrompt([question("", plain(1, 1))]))
    .indexOf(model.tokenizer.encode("<|image|>")[0]);
  const other = await ask(pictureOf("two-by-two"));
  assert.equal(other.usage.cachedTokens, place);
  const [expected] = inputs["two-by-two"].answers;
  assert.equal(other.text, expected);
  // The very same again: all but the last token is known.
  const again = await ask(pictureOf("two-by-two"));
  assert.equal(again.usage.cachedTokens, again.usage.promptTokens - 1);
  assert.deepEqual([again.text, again.logprobs], [other.text, other.logprobs]);
});

Deno.test("several pictures, and one that comes later, have the bits of one prompt", async () => {
  await using model = await load();
  const images = [pictureOf("one-tile"), pictureOf("wide"), pictureOf("tall-chat")];
  const prompt = "<|begin_of_text|>a<|image|>b c<|image|><|image|>d e f";
  const ids = model.tokenizer.encode(prompt);
  using whole = model.createSequence();
  const expected = (await whole.forward(ids, { images })).data;
  using pieces = model.createSequence();
  const cut = ids.lastIndexOf(model.tokenizer.encode("<|image|>")[0]);
  await pieces.forward(ids.slice(0, cut), { images: images.slice(0, 2) });
  const { data, attention } = await pieces.forward(ids.slice(cut), {
    images: images.slice(2),
    attention: true,
  });
  assert.deepEqual(data, expected);
  // The last two tokens of pictures are neighbours: both pictures are seen.
  assert.deepEqual(attention!.map(({ picture }) => picture), [1, 2]);
});

Deno.test("attention is a share of what the last token saw", async () => {
  await using model = await load();
  const chunks = [];
  const request = {
    messages: [question("How many objects are there?", pictureOf("wide"))],
    attention: true,
  };
  for await (const chunk of model.generate(request)) chunks.push(chunk);
  for (const { attention } of chunks) {
    const [map, ...others] = attention!;
    assert.equal(others.length, 0);
    assert.deepEqual([map.rows, map.columns, map.weights.length], [8, 24, 8 * 24]);
    const sum = map.weights.reduce((total, weight) => total + weight);
    assert.ok(sum > 0 && sum <= 1 + 1e-6, `${sum}`);
    assert.ok(map.weights.every((weight) => weight >= 0));
  }
});

Deno.test("pictures and their places must match; the sequence stays as it was", async () => {
  await using model = await load();
  using sequence = model.createSequence();
  const [imageToken] = model.tokenizer.encode("<|image|>");
  const picture = plain(20, 30);
  await sequence.forward([5, imageToken, 6], { images: [picture] });
  const wrong: [number[], ImageInput[]][] = [
    [[imageToken, 7], []],
    [[7], [picture]],
    [[imageToken], [picture, picture]],
    [[imageToken], [new Uint8Array(100)]],
    [[imageToken], [new Uint8Array(0)]],
    [[imageToken], [Deno.readFileSync(`${MODEL}/config.json`)]],
    [[imageToken], [pictureOf("wide").subarray(0, 5000)]],
    [[imageToken], [{ width: 3, height: 3, data: new Uint8Array(26) }]],
    [[imageToken], [{ width: 0, height: 3, data: new Uint8Array(0) }]],
    [[imageToken], [{ pixelValues: new Float32Array(12), tileCount: 1, aspectRatioId: 1 }]],
    [[imageToken], [{ pixelValues: new Float32Array(3 * 112 * 112), tileCount: 1, aspectRatioId: 2 }]],
    [[imageToken], [{ pixelValues: new Float32Array(3 * 112 * 112), tileCount: 1, aspectRatioId: 9 }]],
    [[imageToken], ["picture.png" as unknown as ImageInput]],
    [Array(70).fill(imageToken), Array(70).fill(picture)],
  ];
  for (const [ids, images] of wrong) {
    await assertRefused(() => sequence.forward(ids, { images }), "BAD_IMAGE");
    assert.equal(sequence.length, 3);
    assert.equal(sequence.pictureKeys.length, 1);
  }
  await sequence.forward([8]);
});

Deno.test("requests whose pictures have no place are refused", () => {
  const image = plain(1, 1);
  const withPlace: Message[] = [{ role: "user", content: [{ type: "image" }, { type: "text", text: "a" }] }];
  assert.throws(() => placeImages({ messages: withPlace, images: [] }), code("BAD_IMAGE"));
  assert.throws(() => placeImages({ messages: withPlace, images: [image, image] }), code("BAD_IMAGE"));
  const system: Message[] = [{ role: "system", content: "a" }];
  assert.throws(() => placeImages({ messages: system, images: [image] }), code("BAD_IMAGE"));
  const two: Message[] = [
    { role: "user", content: "first" },
    { role: "assistant", content: "b" },
    { role: "user", content: "last" },
  ];
  const placed = placeImages({ messages: two, images: [image] });
  assert.deepEqual(placed.messages![0].content, [{ type: "image" }, { type: "text", text: "first" }]);
  assert.deepEqual(placed.images, [image]);
});

Deno.test("tiny, long and thin pictures are looked at", async () => {
  await using model = await load();
  for (const [width, height] of [[1, 1], [20_000, 1], [1, 20_000], [2, 3000]]) {
    const answer = await model.complete({
      messages: [question("How many objects are there?", plain(width, height))],
      maxTokens: 2,
    });
    assert.ok(answer.tokenIds.length > 0, `${width} × ${height}`);
  }
});

Deno.test("looking stops when told to, and nothing is left of it", async () => {
  await using model = await load();
  using sequence = model.createSequence();
  const [imageToken] = model.tokenizer.encode("<|image|>");
  const controller = new AbortController();
  const stopped = sequence.forward([imageToken, 5], {
    images: [pictureOf("wide")],
    signal: controller.signal,
    onPictureProgress: (share) => share > 0.3 && controller.abort(new Error("enough")),
  });
  await assert.rejects(stopped, /enough/);
  assert.equal(sequence.length, 0);
  assert.deepEqual(sequence.pictureKeys, []);
  await sequence.forward([imageToken, 5], { images: [pictureOf("wide")] });
  assert.equal(sequence.length, 2);
});

Deno.test("while one sequence looks, others go on, and each has the bits it has alone", async () => {
  await using model = await load({ threads: 2 });
  const text = { prompt: "There are two stars.", maxTokens: 30, logprobs: 1, temperature: 0 };
  const looking = { messages: [question("Describe the picture.", pictureOf("tall-chat"))], logprobs: 1 };
  await using other = await load();
  const alone = [await other.complete(looking), await other.complete(text)];
  const together = await Promise.all([model.complete(looking), model.complete(text)]);
  assert.deepEqual(together, alone);
});

Deno.test("a hundred pictures that nobody uses any more take bounded memory", async () => {
  await using model = await load();
  const take = async (from: number, to: number) => {
    for (let grey = from; grey < to; grey++) {
      await model.complete({ messages: [question("Describe.", plain(9, 9, grey))], maxTokens: 1 });
    }
  };
  await take(0, 30);
  const before = Deno.memoryUsage().rss;
  await take(30, 130);
  const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
  // A picture's keys and values take 0.1 MB here; the cache keeps up to 256 MB of them.
  assert.ok(grown < 64, `${grown} MB`);
});

Deno.test("numbers that contradict each other are refused by name", async () => {
  const change = async (file: string, edit: (json: Record<string, unknown>) => void) => {
    const files = new Map<string, Uint8Array>();
    for (const { name, isFile } of Deno.readDirSync(MODEL)) {
      if (isFile) files.set(name, Deno.readFileSync(`${MODEL}/${name}`));
    }
    const json = JSON.parse(new TextDecoder().decode(files.get(file)));
    edit(json);
    files.set(file, new TextEncoder().encode(JSON.stringify(json)));
    await using _ = await loadModel(memoryModelSource(files), { threads: 1 });
  };
  const vision = (edit: (config: Record<string, unknown>) => void) => () =>
    change("config.json", (json) => edit(json.vision_config as Record<string, unknown>));
  const text = (edit: (config: Record<string, unknown>) => void) => () =>
    change("config.json", (json) => edit(json.text_config as Record<string, unknown>));
  const preprocessor = (edit: (config: Record<string, unknown>) => void) => () =>
    change("preprocessor_config.json", edit);
  for (
    const [run, words] of [
      [vision((c) => c.attention_heads = 7), "attention_heads"],
      [vision((c) => c.vision_output_dim = 320), "vision_output_dim"],
      [vision((c) => c.intermediate_layers_indices = [3, 1]), "intermediate_layers_indices"],
      [vision((c) => c.image_size = 100), "image_size"],
      [text((c) => c.cross_attention_layers = [1, 9]), "cross_attention_layers"],
      [preprocessor((c) => c.size = { height: 112, width: 56 }), "size.width"],
      [preprocessor((c) => c.max_image_tiles = 3), "max_image_tiles"],
      [preprocessor((c) => c.image_std = [1, 0, 1]), "image_std"],
    ] as const
  ) {
    await assertRefused(run, "BAD_CONFIG", words);
  }
  for (
    const [run, words] of [
      [vision((c) => c.hidden_act = "quick_gelu"), "hidden_act"],
      [vision((c) => (c.supported_aspect_ratios as number[][]).reverse()), "supported_aspect_ratios"],
      [preprocessor((c) => c.do_pad = false), "do_pad"],
      [preprocessor((c) => c.resample = 3), "resample"],
    ] as const
  ) {
    await assertRefused(run, "UNSUPPORTED", words);
  }
  // What published files leave out has a default, or follows from the tensors.
  await change("config.json", (json) => delete (json.vision_config as Record<string, unknown>).image_size);
});

Deno.test({
  name: "a text model refuses pictures",
  async fn() {
    await using model = await loadModel(goldenPath("gptq-v1-sym-g32"), { threads: 1 });
    await assert.rejects(
      model.complete({ messages: [question("What is it?", plain(4, 4))] }),
      code("UNSUPPORTED"),
    );
  },
});
