/**
 * Conversions: round trips give the same bits, every format reads as the same weights, and what would be lost is refused by name. That other
 * tools read the formats is what the goldens pin, which those tools wrote.
 */
import assert from "node:assert/strict";
import { convertModel, loadModel, type WrittenFormat } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { readGolden } from "../goldens.ts";
import { goldenPath, goldenTest } from "../shared.ts";
import { inFolder } from "../in_folder.ts";

async function logits(folder: string): Promise<Float32Array> {
  await using model = await loadModel(folder, { threads: 1, precision: "f32" });
  using sequence = model.createSequence();
  return (await sequence.forward(Array.from({ length: 30 }, (_, i) => i * 7 % 250), { logits: "all" })).data;
}

const TRIPS: [golden: string, to: WrittenFormat, back: WrittenFormat][] = [
  ["gptq-v1-sym-g32", "compressed-tensors", "gptq"],
  ["gptq-v1-sym-g32", "awq", "gptq"],
  ["gptq-v2-asym", "compressed-tensors", "gptq_v2"],
  ["gptq-v2-asym", "awq", "gptq_v2"],
  ["gptq-desc-act", "compressed-tensors", "gptq"],
  ["gptq-8bit", "compressed-tensors", "gptq"],
  ["awq-gemm-asym-g64", "gptq_v2", "awq"],
  ["awq-gemm-asym-g64", "compressed-tensors", "awq"],
  ["ct-pack-asym-g64", "awq", "compressed-tensors"],
  ["ct-actorder", "gptq", "compressed-tensors"],
];

for (const [golden, to, back] of TRIPS) {
  goldenTest(
    golden,
    `to ${to} and back to ${back}: the same weights, and the same bytes`,
    () =>
      inFolder(async (folder) => {
        const original = goldenPath(golden), there = `${folder}/there`, again = `${folder}/again`;
        await convertModel(original, there, { to });
        await convertModel(there, again, { to: back });
        const expected = await logits(original);
        assert.deepEqual(await logits(there), expected);
        assert.deepEqual(await logits(again), expected);
        const before = readGolden(`${original}/model.safetensors`),
          after = readGolden(`${again}/model.safetensors`);
        for (const [name, { shape, data }] of after) {
          const old = before.get(name);
          // Files may leave out what is the default: middle zero points, the index of neighbouring groups, shapes.
          if (!old) assert.match(name, /(qzeros|g_idx|weight_shape|weight_zero_point)$/);
          else {assert.deepEqual({ name, shape, data: [...data] }, {
              name,
              shape: old.shape,
              data: [...old.data],
            });}
        }
        for (const [name, { data }] of before) {
          if (data.length > 0 && !after.has(name)) assert.match(name, /(zero_point|qzeros|g_idx)$/);
        }
      }),
  );
}

goldenTest(
  "gptq-desc-act",
  "what another format cannot hold is refused by name, and nothing is left",
  () =>
    inFolder(async (folder) => {
      const out = `${folder}/out`;
      const refused = (golden: string, to: string, ...words: string[]) =>
        assertRefused(
          () => convertModel(goldenPath(golden), out, { to: to as WrittenFormat }),
          to === "exl2" ? "BAD_ARGUMENT" : "UNSUPPORTED",
          ...words,
        );
      await refused("gptq-desc-act", "awq", "act-order", "neighbouring");
      await refused("gptq-8bit", "awq", "4 bits", "8");
      await refused("bf16-dense", "awq", "no quantised module");
      await refused("marlin-g128", "gptq", "compressed-tensors", "marlin");
      await refused("gguf-q4_0", "gptq", "q4_0");
      await refused("gptq-8bit", "exl2", "to", "exl2");
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }),
);
