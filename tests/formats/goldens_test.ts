/**
 * The golden and hostile checkpoints, as far as formats can see: containers, indices, configs and modules.
 *
 * @module
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Checkpoint, openCheckpoint } from "../../src/formats/containers/checkpoint.ts";
import type { QuantizationConfig } from "../../src/formats/quantization.ts";
import { readLinear, requireLinear } from "../../src/formats/registry.ts";
import { quantizationOf } from "../quantization.ts";
import { directorySource } from "../../src/io/directory.ts";
import { refusalOf } from "../errors.ts";
import { caseList, goldenPath, goldenTest, hasShared, sharedPath } from "../shared.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";

interface HostileCase {
  id: string;
  path: string;
  must: string;
  error_names: string[];
  max_seconds: number;
}

/** Linear modules of the llama-shaped goldens, with their sizes from config.json. */
function llamaModules(config: Record<string, number>): [string, { outputs: number; inputs: number }][] {
  const { hidden_size: hidden, intermediate_size: inner } = config;
  const heads = config.num_attention_heads * config.head_dim;
  const keys = config.num_key_value_heads * config.head_dim;
  return Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    ([
      ["self_attn.q_proj", heads, hidden],
      ["self_attn.k_proj", keys, hidden],
      ["self_attn.v_proj", keys, hidden],
      ["self_attn.o_proj", hidden, heads],
      ["mlp.gate_proj", inner, hidden],
      ["mlp.up_proj", inner, hidden],
      ["mlp.down_proj", hidden, inner],
    ] as const).map(([name, outputs, inputs]): [string, { outputs: number; inputs: number }] => [
      `model.layers.${layer}.${name}`,
      { outputs, inputs },
    ])).flat();
}

interface Opened {
  checkpoint: Checkpoint;
  quantization: QuantizationConfig | undefined;
  config: Record<string, number>;
}

const pathOf = (path: readonly string[]) =>
  path.length === 1 ? goldenPath(path[0]) : sharedPath("goldens", ...path);

async function open(...path: string[]): Promise<Opened> {
  const folder = pathOf(path);
  const source = directorySource(denoPlatform.files, folder);
  try {
    const checkpoint = await openCheckpoint(source);
    const quantization = await quantizationOf(source);
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/config.json`));
    return { checkpoint, quantization, config };
  } finally {
    source.close?.();
  }
}

/** Everything this layer does with a llama-shaped checkpoint: a description of every module. */
async function classifyAll(...path: string[]): Promise<string[]> {
  const { checkpoint, quantization, config } = await open(...path);
  const found: string[] = [];
  try {
    for (const [module, shape] of llamaModules(config)) {
      const linear = requireLinear(checkpoint, module, shape, quantization, "asStored");
      if (linear.bits > 8) {
        found.push("dense");
        continue;
      }
      if (linear.order) {
        const index = (await checkpoint.readTensor(linear.order.tensor)).slice();
        linear.order.read(new Int32Array(index.buffer));
      }
      const { hasZeros, hasBias } = linear.form;
      const parts = [hasZeros && "zeros", linear.order && "order", hasBias && "bias"].filter(Boolean);
      found.push([linear.bits, linear.groupSize, ...parts].join(" "));
    }
  } finally {
    checkpoint.source.close?.();
  }
  return found;
}

/** What each case is for, by its README and its generator's configs. */
const EXPECTED: Record<string, string[]> = {
  "gptq-v1-sym-g32": ["4 32 order"],
  "gptq-v1-sym-g128": ["4 128 order"],
  "gptq-v1-asym": ["4 32 zeros order"],
  "gptq-v1-asym-zero": ["4 32 zeros order"],
  "gptq-v2-asym": ["4 32 zeros order"],
  "gptq-8bit": ["8 32 order"],
  "gptq-bias": ["4 32 order bias"],
  "gptq-desc-act": ["4 32 order"],
  "gptq-static-groups-desc-act": ["4 32 zeros order"],
  "gptq-dynamic": ["4 32 order", "4 64 order", "8 64 order", "dense"],
  "gptq-empty-optional": ["4 32"],
  "gptq-extra-bias": ["4 32 order bias"],
  "gptq-odd-shapes": ["4 64 order"],
  "gptq-sharded": ["4 32 order"],
  "awq-gemm-asym-g64": ["4 64 zeros"],
  "bf16-dense": ["dense"],
  "ct-actorder": ["4 32 order"],
  "ct-pack-asym-g64": ["4 64 zeros"],
  "ct-pack-sym-g32": ["4 32"],
  "marlin-g128": ["4 128"],
  "f16-dense": ["dense"],
};

for (const [name, kinds] of Object.entries(EXPECTED)) {
  goldenTest(name, "modules are what its README says", async () => {
    deepStrictEqual([...new Set(await classifyAll(name))].sort(), kinds);
  });
}

Deno.test({
  name: "group size −1 takes all inputs of gptq-channelwise (needs ../shared)",
  ignore: !hasShared,
  fn: async () => {
    const { config } = await open("gptq-channelwise");
    const sizes = new Set(
      [config.hidden_size, config.intermediate_size].map((inputs) => `4 ${inputs} order`),
    );
    deepStrictEqual(new Set(await classifyAll("gptq-channelwise")), sizes);
  },
});

Deno.test({
  name: "mllama-empty classifies every module as mllama-gptq does (needs ../shared)",
  ignore: !hasShared,
  fn: async () => {
    const plain = await open("mllama-gptq");
    const padded = await open("mllama-empty");
    const weightOf = new Map<string, number[]>();
    for (const [name, { shape }] of plain.checkpoint.tensors) {
      if (name.endsWith("_proj.weight")) weightOf.set(name.slice(0, -7), [...shape]);
      if (name.endsWith(".qweight")) weightOf.set(name.slice(0, -8), [shape[1], shape[0] * 8]);
    }
    ok(weightOf.size > 20);
    for (const [module, [outputs, inputs]] of weightOf) {
      const kinds = [plain, padded].map(({ checkpoint, quantization }) =>
        requireLinear(checkpoint, module, { outputs, inputs }, quantization, "asStored").format
      );
      strictEqual(kinds[0], kinds[1], module);
    }
    const placeholder = "language_model.model.layers.1.cross_attn.qkv_proj";
    const shape = { outputs: 0, inputs: 0 };
    strictEqual(
      readLinear(padded.checkpoint, placeholder, shape, padded.quantization, "asStored"),
      undefined,
    );
  },
});

for (const name of ["mllama-partial-empty", "mllama-both"]) {
  Deno.test({
    name: `${name} is refused by the tensor its expected.json names (needs ../shared)`,
    ignore: !hasShared,
    fn: async () => {
      const { error } = JSON.parse(Deno.readTextFileSync(sharedPath("goldens", name, "expected.json")));
      const { checkpoint, quantization, config } = await open(name);
      const text = config.text_config as unknown as Record<string, number>;
      const shape = { outputs: text.intermediate_size, inputs: text.hidden_size };
      const module = error.tensor.slice(0, error.tensor.lastIndexOf("."));
      const refusal = await refusalOf(() => readLinear(checkpoint, module, shape, quantization, "asStored"));
      deepStrictEqual([refusal.tensor, refusal.file], [error.tensor, error.file]);
    },
  });
}

/** Cases of the manifest that need a model, its weights, a tokenizer or GGUF to be noticed; the command line's tests have them all. */
const NOT_OURS =
  /^(cfg-(hidden|layers|heads|position|model-type)|gptq-scales-nan$|tok-|template-|valid$)|\.(gguf|png|jpg)$/;

const manifest: HostileCase[] = caseList("hostile", "goldens", "hostile", "manifest.json").cases;

Deno.test({
  name: "the hostile manifest has the cases meant for formats",
  fn: () => ok(manifest.filter(({ id }) => !NOT_OURS.test(id)).length >= 34),
});

for (const { id, path, must, error_names, max_seconds } of manifest) {
  if (NOT_OURS.test(id)) continue;
  const name = `${id} is refused in time, naming ${error_names.join(" and ")} (needs ../shared)`;
  Deno.test({ name, ignore: !hasShared }, async () => {
    const start = performance.now();
    if (must === "refuse or run") {
      ok((await classifyAll("hostile", path)).length > 0);
    } else {
      const { message } = await refusalOf(() => classifyAll("hostile", path));
      for (const name of error_names) ok(message.includes(name), `${name} is not in: ${message}`);
    }
    ok(performance.now() - start < max_seconds * 1000);
  });
}

Deno.test({
  name: "the well-formed twin of the hostile cases is read (needs ../shared)",
  ignore: !hasShared,
  fn: async () => deepStrictEqual([...new Set(await classifyAll("hostile", "valid"))], ["4 32 order"]),
});
