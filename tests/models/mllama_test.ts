/**
 * Llama 3.2 Vision against transformers in f32 (goldens): tower, projector, logits at every position, cached decoding; mixed
 * and empty checkpoints. The tolerances are those of the goldens' own README.
 */
import assert from "node:assert/strict";
import { type ImageInput, loadModel, type LoadOptions, type Model } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { imagesOf, inputArrays, INPUTS } from "../mllama_inputs.ts";
import { argmax, cosine, deviation, divergence, largestDifference, readGolden } from "../goldens.ts";
import { hasShared, sharedPath } from "../shared.ts";

const CASES = ["mllama-dense", "mllama-gptq", "mllama-gptq-cross", "mllama-gptq-vision", "mllama-empty"];

type Arrays = ReturnType<typeof readGolden>;

const arraysOf = (path: string) => readGolden(sharedPath("goldens", path));

function expectedOf(name: string): Arrays {
  return arraysOf(`${name === "mllama-empty" ? "mllama-gptq" : name}/expected.safetensors`);
}

const load = (name: string, options: LoadOptions) =>
  loadModel(sharedPath("goldens", name), { threads: 1, ...options });

/** Logits of a whole sequence, and what was traced on the way. */
async function run(model: Model, ids: number[], images: ImageInput[]) {
  using sequence = model.createSequence();
  const traced = new Map<string, { shape: number[]; data: Float32Array }>();
  const { data } = await sequence.forward(ids, {
    images,
    logits: "all",
    trace: (step, value) => traced.set(step, value),
  });
  return { data, traced };
}

/** The expected logits in each semantics of rows that see no picture; a text has one answer. */
function logitsOf(expected: Arrays, input: string, rows: "meta" | "transformers") {
  const plain = expected.get(`${input}.logits`)!.data as Float32Array;
  if (rows === "transformers" || input === "text") return plain;
  return expected.get(`${input}.logits_meta`)?.data as Float32Array | undefined;
}

for (const name of CASES) {
  for (const rows of ["meta", "transformers"] as const) {
    Deno.test({
      name: `${name}, rows as ${rows}: f32 equals the reference (needs ../shared)`,
      ignore: !hasShared,
      async fn() {
        const expected = expectedOf(name);
        await using model = await load(name, { precision: "f32", crossAttentionRows: rows });
        for (const input of INPUTS) {
          const logits = logitsOf(expected, input, rows);
          if (!logits) continue;
          const ids = expected.get(`${input}.sequence`)!.data as number[];
          const { data, traced } = await run(model, ids, imagesOf(input));
          assert.ok(largestDifference(data, logits) <= 1e-3 * deviation(logits), input);
          for (const [key, { data: values, shape }] of expected) {
            const [, step] = key.match(`^${input}\\.(hidden\\..*|vision|projector)$`) ?? [];
            if (!step || (step.startsWith("hidden") && rows === "meta")) continue;
            const ours = traced.get(step.replace("hidden.layer.", "layers.").replace("hidden.", ""));
            assert.ok(ours, key);
            assert.ok(largestDifference(ours.data, values) <= 1e-3 * deviation(values), key);
            // The reference has an axis for the batch.
            if (!step.startsWith("hidden")) assert.deepEqual(ours.shape, shape.slice(1));
          }
        }
      },
    });
  }

  Deno.test({
    name: `${name}: int8 stays within the README's bounds (needs ../shared)`,
    ignore: !hasShared,
    async fn() {
      const expected = expectedOf(name);
      for (const rows of ["meta", "transformers"] as const) {
        await using model = await load(name, { crossAttentionRows: rows });
        for (const input of INPUTS) {
          const logits = logitsOf(expected, input, rows);
          if (!logits) continue;
          const ids = expected.get(`${input}.sequence`)!.data as number[];
          const { data } = await run(model, ids, imagesOf(input));
          const width = logits.length / ids.length;
          const divergences = ids.map((_, t) => {
            const [want, got] = [logits, data].map((all) => all.subarray(t * width, (t + 1) * width));
            assert.ok(cosine(want, got) >= 0.995, `${input}, position ${t}: cosine ${cosine(want, got)}`);
            return divergence(want, got);
          });
          assert.ok(divergences.reduce((sum, value) => sum + value) / ids.length <= 0.02);
        }
      }
    },
  });

  Deno.test({
    name: `${name}: greedy decoding token by token follows the reference (needs ../shared)`,
    ignore: !hasShared,
    async fn() {
      const expected = expectedOf(name);
      await using model = await load(name, { precision: "f32", crossAttentionRows: "transformers" });
      for (const input of INPUTS) {
        const prompt = inputArrays.get(`${input}.input_ids`)!.data as number[];
        const turns = input === "image-then-text"
          ? [
            { ids: prompt, answer: expected.get(`${input}.greedy_ids_1`)!.data as number[] },
            {
              ids: inputArrays.get(`${input}.second_turn_ids`)!.data as number[],
              answer: expected.get(`${input}.greedy_ids`)!.data as number[],
            },
          ]
          : [{ ids: prompt, answer: expected.get(`${input}.greedy_ids`)!.data as number[] }];
        using sequence = model.createSequence();
        let images = imagesOf(input);
        for (const { ids, answer } of turns) {
          let row = (await sequence.forward(ids, { images })).data;
          // The later turn has no picture: it sees the first one's keys and values.
          images = [];
          for (const [i, id] of answer.entries()) {
            assert.equal(argmax(row), id, `${input}, token ${i}`);
            row = (await sequence.forward([id])).data;
          }
        }
      }
    },
  });
}

Deno.test({
  name: "mllama-empty: zero-size tensors around the real ones change no bit (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const expected = expectedOf("mllama-gptq");
    for (const precision of ["f32", "int8"] as const) {
      await using plain = await load("mllama-gptq", { precision });
      await using empty = await load("mllama-empty", { precision });
      for (const input of INPUTS) {
        const ids = expected.get(`${input}.sequence`)!.data as number[];
        const [a, b] = [await run(plain, ids, imagesOf(input)), await run(empty, ids, imagesOf(input))];
        assert.deepEqual(b.data, a.data, `${precision} ${input}`);
      }
    }
  },
});

for (
  const [name, code, tensor] of [
    ["mllama-partial-empty", "MISSING_TENSOR", "language_model.model.layers.1.mlp.up_proj.scales"],
    ["mllama-both", "BAD_TENSOR", "language_model.model.layers.1.mlp.up_proj.weight"],
  ] as const
) {
  Deno.test({
    name: `${name} is refused by name (needs ../shared)`,
    ignore: !hasShared,
    async fn() {
      const error = await assertRefused(() => load(name, {}), code, tensor, "model.safetensors");
      assert.equal(error.tensor, tensor);
      assert.equal(error.file, "model.safetensors");
    },
  });
}

Deno.test({
  name: "threads, kernels and the division into calls do not change a bit of what is seen (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const ids = expectedOf("mllama-gptq-vision").get("two-images.sequence")!.data as number[];
    const images = imagesOf("two-images");
    for (const precision of ["int8", "f32"] as const) {
      const bitsOf = async (threads: number, kernels: "relaxed" | "strict", cut: number) => {
        await using model = await load("mllama-gptq-vision", { threads, kernels, precision });
        using sequence = model.createSequence();
        const imageToken = model.tokenizer.encode("<|image|>")[0];
        const rest = [...images];
        const rows: number[] = [];
        for (let begin = 0; begin < ids.length; begin += cut) {
          const part = ids.slice(begin, begin + cut);
          const shown = rest.splice(0, part.filter((id) => id === imageToken).length);
          const { data } = await sequence.forward(part, { logits: "all", images: shown });
          rows.push(...new Uint32Array(data.buffer, data.byteOffset, data.length));
        }
        return rows;
      };
      const reference = await bitsOf(1, "relaxed", ids.length);
      for (
        const [threads, kernels, cut] of [[2, "relaxed", 1], [3, "strict", 7], [1, "strict", 12]] as const
      ) {
        assert.deepEqual(await bitsOf(threads, kernels, cut), reference, `${threads} ${kernels} ${cut}`);
      }
    }
  },
});
