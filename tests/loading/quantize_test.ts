/**
 * `quantize` and `embeddings` round what the file leaves dense: logits under f32 are those of the same file with its weights rounded
 * beforehand by the scalar twin.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource, type Model } from "../../mod.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";
import { deviation, largestDifference, readGolden } from "../goldens.ts";
import { assertRefused } from "../errors.ts";
import { decodeBf16 } from "../reference/half_floats.ts";
import { quantiseBetween, quantiseWeights } from "../reference/quantise.ts";
import { goldenPath, goldenTest } from "../shared.ts";

const FOLDER = goldenPath("bf16-dense");
const TABLE = /embed_tokens\.weight$/;
const LAYER = /layers\..*_proj\.weight$/;

/** The golden with some matrices rounded, as f32. */
function rounded(bits: 4 | 8, group: number, which: RegExp) {
  const tensors = [...readGolden(`${FOLDER}/model.safetensors`)].map(([name, { shape, data }]) => {
    const values = Float32Array.from(data, decodeBf16);
    for (let begin = 0; which.test(name) && begin < values.length;) {
      const end = Math.min(begin + group, (Math.floor(begin / shape[1]) + 1) * shape[1]);
      const run = values.slice(begin, end);
      const { codes, scale, zero } = bits === 4
        ? quantiseBetween(run, "f32")
        : { ...quantiseWeights(run, 8, "f32"), zero: 128 };
      codes.forEach((code, i) => values[begin + i] = (code - zero) * scale);
      begin = end;
    }
    return { name, dtype: "F32", shape, data: new Uint8Array(values.buffer) };
  });
  return memoryModelSource(
    new Map([
      ["config.json", Deno.readFileSync(`${FOLDER}/config.json`)],
      ["model.safetensors", writeSafetensors(tensors)],
    ]),
  );
}

async function logitsOf(model: Model, ids: number[]): Promise<Float32Array> {
  using sequence = model.createSequence();
  return (await sequence.forward(ids, { logits: "all" })).data;
}

for (const [embeddings, bits, group] of [["int4", 4, 32], ["int8", 8, 64]] as const) {
  goldenTest(
    "bf16-dense",
    `embeddings: "${embeddings}" rounds the table and nothing else; a tied head shares it under int8`,
    async () => {
      const ids = readGolden(`${FOLDER}/expected.safetensors`).get("input_ids")!.data as number[];
      const options = { threads: 1, precision: "f32" } as const;
      await using model = await loadModel(FOLDER, { ...options, embeddings });
      await using twin = await loadModel(rounded(bits, group, TABLE), options);
      const expected = await logitsOf(twin, ids);
      assert.ok(largestDifference(await logitsOf(model, ids), expected) <= 1e-3 * deviation(expected));
      await using tied = await loadModel(goldenPath("arch-llama"), { threads: 1, embeddings });
      const formats = tied.info.modules.filter(({ name }) =>
        TABLE.test(`${name}.weight`) || /head/.test(name)
      );
      assert.deepEqual(formats.map(({ memoryFormat }) => memoryFormat), [embeddings]);
    },
  );
}

for (const [quantize, bits, group] of [["int4", 4, 32], ["int8", 8, 64]] as const) {
  goldenTest(
    "bf16-dense",
    `quantize: "${quantize}" rounds the layers' matrices and nothing else`,
    async () => {
      const ids = readGolden(`${FOLDER}/expected.safetensors`).get("input_ids")!.data as number[];
      const notices: string[] = [];
      const onNotice = (text: string) => notices.push(text);
      const options = { threads: 1, precision: "f32" } as const;
      await using model = await loadModel(FOLDER, { ...options, quantize, onNotice });
      await using twin = await loadModel(rounded(bits, group, LAYER), options);
      const expected = await logitsOf(twin, ids), found = await logitsOf(model, ids);
      assert.ok(largestDifference(found, expected) <= 1e-3 * deviation(expected));
      assert.match(notices.join(), /\d+ matrices are rounded/);
      for (const { name, memoryFormat } of model.info.modules) {
        assert.equal(memoryFormat, LAYER.test(`${name}.weight`) ? quantize : "bf16", name);
      }
    },
  );
}

Deno.test("quantize says so where there is nothing to round, and refuses other values", async () => {
  const notices: string[] = [];
  const onNotice = (text: string) => notices.push(text);
  await using _ = await loadModel(goldenPath("gptq-v1-sym-g32"), { threads: 1, quantize: "int4", onNotice });
  assert.match(notices.join(), /changes nothing/);
  const quantize = "int3" as "int4";
  await assertRefused(
    () => loadModel(goldenPath("gptq-v1-sym-g32"), { quantize }),
    "BAD_ARGUMENT",
    "quantize",
  );
});
