/** Names of Llama 3.2 Vision in both spellings: those of published files, and those of transformers 4.52 and later. */
import assert from "node:assert/strict";
import { openCheckpoint } from "../../src/formats/containers/checkpoint.ts";
import { respellRules, respellTensors } from "../../src/formats/names.ts";
import { moduleQuantization } from "../../src/formats/quantization.ts";
import { requireLinear } from "../../src/formats/registry.ts";
import { quantizationOf } from "../quantization.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { mllama } from "../../src/models/mllama/mllama.ts";
import { assertRefused } from "../errors.ts";
import { writeSafetensors, type WrittenTensor, zeros } from "./safetensors_writer.ts";

const SPELLINGS = mllama.spellings!;

/** Newer name, published name. */
const NAMES = [
  ["model.language_model.embed_tokens.weight", "language_model.model.embed_tokens.weight"],
  [
    "model.language_model.layers.3.cross_attn.q_proj.qweight",
    "language_model.model.layers.3.cross_attn.q_proj.qweight",
  ],
  ["model.language_model.norm.weight", "language_model.model.norm.weight"],
  ["lm_head.weight", "language_model.lm_head.weight"],
  ["model.vision_model.class_embedding", "vision_model.class_embedding"],
  ["model.multi_modal_projector.bias", "multi_modal_projector.bias"],
];

const checkpointOf = (tensors: WrittenTensor[]) =>
  openCheckpoint(memoryModelSource(new Map([["model.safetensors", writeSafetensors(tensors)]])));

Deno.test("both spellings give the published names, and entries keep the file's", async () => {
  for (const column of [0, 1]) {
    const written = NAMES.map((pair) => zeros(pair[column], "F16", [1], 2));
    const { tensors } = respellTensors(await checkpointOf(written), SPELLINGS);
    assert.deepEqual([...tensors.keys()], NAMES.map(([, published]) => published));
    assert.deepEqual([...tensors.values()].map(({ name }) => name), NAMES.map((pair) => pair[column]));
  }
});

Deno.test("a tensor in both spellings is refused, naming both", async () => {
  const both = await checkpointOf(NAMES[0].map((name) => zeros(name, "F16", [1], 2)));
  await assertRefused(() => respellTensors(both, SPELLINGS), "BAD_FILE", ...NAMES[0], "model.safetensors");
});

Deno.test("a missing half is named as the file spells the other", async () => {
  const [newer, published] = NAMES[1];
  const checkpoint = respellTensors(await checkpointOf([zeros(newer, "I32", [1, 8], 4)]), SPELLINGS);
  const config = await quantizationOf(sourceOf({ bits: 4, group_size: 8, quant_method: "gptq" }));
  await assertRefused(
    () =>
      requireLinear(
        checkpoint,
        published.replace(".qweight", ""),
        { outputs: 8, inputs: 8 },
        config,
        "asStored",
      ),
    "MISSING_TENSOR",
    newer.replace("qweight", "scales"),
  );
});

Deno.test("rules of the quantisation config match either spelling", async () => {
  for (
    const pattern of [
      "model\\.language_model\\.layers\\.3\\.",
      "language_model\\.model\\.layers\\.3\\.",
      "lm_head",
      "language_model\\.lm_head",
      "model\\.multi_modal_projector",
    ]
  ) {
    const written = { bits: 4, group_size: 32, quant_method: "gptq", dynamic: { [`-:${pattern}`]: {} } };
    const config = respellRules((await quantizationOf(sourceOf(written)))!, SPELLINGS);
    const dense = [
      "language_model.model.layers.3.mlp.up_proj",
      "language_model.model.layers.4.mlp.up_proj",
      "language_model.lm_head",
      "multi_modal_projector",
    ].filter((module) => moduleQuantization(config, module) === "dense");
    const expected = pattern.includes("layers")
      ? "language_model.model.layers.3.mlp.up_proj"
      : pattern.includes("lm_head")
      ? "language_model.lm_head"
      : "multi_modal_projector";
    assert.deepEqual(dense, [expected], pattern);
  }
});

function sourceOf(quantization: unknown) {
  const text = JSON.stringify({ quantization_config: quantization });
  return memoryModelSource(new Map([["config.json", new TextEncoder().encode(text)]]));
}
