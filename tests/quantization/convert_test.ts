/**
 * Conversions: round trips give the same bits, every format reads as the same weights, and what would be lost is refused by name. That other
 * tools read the formats is what the goldens pin, which those tools wrote.
 */
import assert from "node:assert/strict";
import { convertModel, loadModel, type WrittenFormat } from "../../mod.ts";
import { awqGemm } from "../../src/formats/coded/awq.ts";
import { assertRefused } from "../errors.ts";
import { readGolden } from "../goldens.ts";
import { goldenPath, goldenTest } from "../shared.ts";
import { inFolder } from "../in_folder.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";

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
  // A scale for each output, of modules with different numbers of inputs.
  ["ct-channel", "gptq", "compressed-tensors"],
  ["gptq-channelwise", "compressed-tensors", "gptq"],
  ["gptq-channelwise", "awq", "gptq"],
  ["gptq-odd-shapes", "compressed-tensors", "gptq"],
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

Deno.test("the last group may be shorter than the others: inputs have the groups that the reader of the file gives them", async () => {
  const shape = { name: "a", inputs: 192, outputs: 8, groups: 2 };
  const settings = {
    bits: 4,
    groupSize: 128,
    isSymmetric: true,
    actOrder: false,
    scaleDtype: "F16",
    dense: [],
  } as const;
  const zeros = (bytes: number) => Promise.resolve(new Uint8Array(bytes));
  const { groupOf } = await awqGemm.read(shape, settings, (part) => zeros(part === "qweight" ? 768 : 32));
  assert.deepEqual([...groupOf], Array.from({ length: 192 }, (_, k) => Math.floor(k / 128)));
});

goldenTest(
  "ct-channel",
  "one scale for all outputs of a module is refused by its name",
  () =>
    inFolder(async (folder) => {
      const [model, out] = [`${folder}/model`, `${folder}/out`];
      await Deno.mkdir(model);
      const original = goldenPath("ct-channel"), file = Deno.readFileSync(`${original}/model.safetensors`);
      const length = Number(new DataView(file.buffer).getBigUint64(0, true));
      const { __metadata__: _, ...header } = JSON.parse(
        new TextDecoder().decode(file.subarray(8, 8 + length)),
      );
      const tensors = Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(header).map(
        ([name, { dtype, shape, data_offsets: [begin, end] }]) => {
          const data = file.subarray(8 + length + begin, 8 + length + end);
          const isScale = name.endsWith("down_proj.weight_scale");
          return { name, dtype, shape: isScale ? [1] : shape, data: isScale ? data.subarray(0, 2) : data };
        },
      );
      Deno.writeFileSync(`${model}/model.safetensors`, writeSafetensors(tensors));
      const config = Deno.readTextFileSync(`${original}/config.json`);
      Deno.writeTextFileSync(`${model}/config.json`, config.replace('"channel"', '"tensor"'));
      const convert = () => convertModel(model, out, { to: "gptq" });
      await assertRefused(convert, "UNSUPPORTED", "down_proj.weight_scale", "each of 128 outputs", "[1]");
    }),
);
