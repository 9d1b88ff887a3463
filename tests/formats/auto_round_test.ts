/**
 * AutoRound writes AWQ's layout with the code of AutoAWQ and a config of its own: the same tensors mean the same weights. Right logits
 * are the golden's.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource } from "../../mod.ts";
import { deviation, largestDifference, readGolden } from "../goldens.ts";
import { goldenPath } from "../shared.ts";

const GOLDEN = goldenPath("awq-gemm-asym-g64");

/** The golden's files with another quantisation config. */
function filesWith(quantization: Record<string, unknown>): Map<string, Uint8Array> {
  const config = JSON.parse(Deno.readTextFileSync(`${GOLDEN}/config.json`));
  const text = JSON.stringify({ ...config, quantization_config: quantization });
  return new Map([
    ["config.json", new TextEncoder().encode(text)],
    ["model.safetensors", Deno.readFileSync(`${GOLDEN}/model.safetensors`)],
  ]);
}

for (const named of [{ packing_format: "auto_round:auto_awq" }, { backend: "auto_round:awq" }]) {
  for (const sym of [true, false]) {
    Deno.test(`AutoRound's AWQ packing is AWQ's: ${JSON.stringify({ ...named, sym })}`, async () => {
      const arrays = readGolden(`${GOLDEN}/expected.safetensors`);
      const ids = arrays.get("input_ids")!.data as number[];
      const logits = arrays.get("logits")!.data as Float32Array;
      const config = { quant_method: "auto-round", bits: 4, group_size: 64, data_type: "int", sym, ...named };
      await using model = await loadModel(memoryModelSource(filesWith(config)), {
        threads: 1,
        precision: "f32",
      });
      using sequence = model.createSequence();
      const { data } = await sequence.forward(ids, { logits: "all" });
      assert.ok(largestDifference(data, logits) <= 1e-3 * deviation(logits));
    });
  }
}
