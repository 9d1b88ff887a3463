/**
 * Quantising a model that looks at pictures: its layers of text become what they become in the model of text that is left without the
 * others, all else stays as it was, and the whole answers as the reference does.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource, type ModelSource, quantizeModel } from "../../mod.ts";
import { cosine, readGolden } from "../goldens.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";
import { imagesOf, INPUTS } from "../mllama_inputs.ts";
import { goldenPath, goldenTest } from "../shared.ts";
import { inFolder } from "../in_folder.ts";

const FOLDER = goldenPath("mllama-dense");
const PREFIX = "language_model.";
/** Layers without cross-attention. */
const TEXT_LAYERS = [0, 2, 3];
/** As for 8-bit weights elsewhere: what the goldens README grants integers. */
const COSINE_MIN = 0.995;
const SETTINGS = { groupSize: 32, sequences: 4, sequenceLength: 64, threads: 1 } as const;
const CALIBRATION = Array.from({ length: 1200 }, (_, i) => String.fromCharCode(97 + (i * i * 7 + i) % 23))
  .join("");

interface StoredTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** The tensors of a file by their names, as bytes. */
function tensorsOf(path: string): Map<string, StoredTensor> {
  const file = Deno.readFileSync(path), length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  return new Map(
    Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(header).map(
      ([name, { dtype, shape, data_offsets: [begin, end] }]) => [
        name,
        { dtype, shape, bytes: file.subarray(8 + length + begin, 8 + length + end) },
      ],
    ),
  );
}

/** The layers of text as a model of its own, its layers numbered anew. */
function textAlone(): ModelSource {
  const { text_config: config } = JSON.parse(Deno.readTextFileSync(`${FOLDER}/config.json`));
  const { cross_attention_layers: _, ...kept } = config;
  const tensors = [...tensorsOf(`${FOLDER}/model.safetensors`)].flatMap(([name, { dtype, shape, bytes }]) => {
    if (!name.startsWith(PREFIX)) return [];
    const [, layer] = name.match(/layers\.(\d+)\./) ?? [];
    if (layer && !TEXT_LAYERS.includes(Number(layer))) return [];
    const renamed = name.slice(PREFIX.length).replace(
      /layers\.(\d+)\./,
      (_, number) => `layers.${TEXT_LAYERS.indexOf(Number(number))}.`,
    );
    // The table has rows for the picture's token.
    const rows = renamed.includes("embed_tokens") ? config.vocab_size : shape[0];
    return [{
      name: renamed,
      dtype,
      shape: [rows, ...shape.slice(1)],
      data: bytes.subarray(0, bytes.length / shape[0] * rows),
    }];
  });
  const model = { ...kept, model_type: "llama", num_hidden_layers: TEXT_LAYERS.length };
  return memoryModelSource(
    new Map([
      ["config.json", new TextEncoder().encode(JSON.stringify(model))],
      ["model.safetensors", writeSafetensors(tensors) as Uint8Array<ArrayBuffer>],
      ["tokenizer.json", Deno.readFileSync(`${FOLDER}/tokenizer.json`)],
    ]),
  );
}

goldenTest(
  "mllama-dense",
  "the codes of the text's layers are those of a model of text alone",
  () =>
    inFolder(async (folder) => {
      await quantizeModel(FOLDER, `${folder}/whole`, { ...SETTINGS, calibration: CALIBRATION });
      await quantizeModel(textAlone(), `${folder}/text`, { ...SETTINGS, calibration: CALIBRATION });
      const original = tensorsOf(`${FOLDER}/model.safetensors`);
      const whole = tensorsOf(`${folder}/whole/model.safetensors`),
        text = tensorsOf(`${folder}/text/model.safetensors`);
      const coded = [...text.keys()].filter((name) => /\.(qweight|qzeros|scales|g_idx)$/.test(name));
      assert.equal(coded.length, TEXT_LAYERS.length * 7 * 4);
      for (const name of coded) {
        const there = PREFIX + name.replace(/layers\.(\d)/, (_, layer) => `layers.${TEXT_LAYERS[layer]}`);
        assert.deepEqual(whole.get(there), text.get(name), name);
        whole.delete(there);
      }
      // All that is left is as it was.
      for (const [name, tensor] of whole) assert.deepEqual(tensor, original.get(name), name);
      assert.equal(whole.size, original.size - TEXT_LAYERS.length * 7);
      // Readers that take every linear layer for a quantised one are told which are not.
      const { dynamic } = JSON.parse(Deno.readTextFileSync(`${folder}/whole/quantize_config.json`));
      for (const name of original.keys()) {
        const module = name.replace(/\.weight$/, "");
        if (!/(cross_attn\.._proj|mlp\.(fc.|.*_proj)|self_attn\.._proj)$/.test(module)) continue;
        const isExcluded = Object.keys(dynamic).some((key) => new RegExp(key.slice(2)).test(module));
        const layer = Number(module.match(/^language_model\.model\.layers\.(\d)/)?.[1] ?? NaN);
        assert.equal(isExcluded, !TEXT_LAYERS.includes(layer), module);
      }
    }),
);

goldenTest(
  "mllama-dense",
  "8 bits: what it says of pictures is what the reference says",
  () =>
    inFolder(async (folder) => {
      await quantizeModel(FOLDER, `${folder}/out`, { ...SETTINGS, bits: 8, calibration: CALIBRATION });
      const expected = readGolden(`${FOLDER}/expected.safetensors`);
      await using model = await loadModel(`${folder}/out`, {
        threads: 1,
        precision: "f32",
        crossAttentionRows: "transformers",
      });
      for (const input of INPUTS) {
        const logits = expected.get(`${input}.logits`)!.data as Float32Array;
        const ids = expected.get(`${input}.sequence`)!.data as number[];
        using sequence = model.createSequence();
        const { data } = await sequence.forward(ids, { images: imagesOf(input), logits: "all" });
        const width = logits.length / ids.length;
        for (let t = 0; t < ids.length; t++) {
          const [want, got] = [logits, data].map((all) => all.subarray(t * width, (t + 1) * width));
          assert.ok(cosine(want, got) > COSINE_MIN, `${input}, position ${t}: cosine ${cosine(want, got)}`);
        }
      }
    }),
);
