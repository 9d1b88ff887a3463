/** What compressed-tensors' configs say of modules, and modules whose values are shared or signed bytes. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Dtype, TensorEntry } from "../../src/formats/containers/safetensors.ts";
import { compressedLayout } from "../../src/formats/compressed_tensors/linear.ts";
import { moduleQuantization, type QuantizationConfig } from "../../src/formats/quantization.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused, refusalOf } from "../errors.ts";
import { quantizationOf } from "../quantization.ts";

const WEIGHTS = { num_bits: 4, type: "int", symmetric: true, strategy: "group", group_size: 32 };

function read(changes: Record<string, unknown>): Promise<QuantizationConfig | undefined> {
  const quantization_config = {
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    config_groups: { group_0: { targets: ["Linear"], weights: WEIGHTS } },
    ...changes,
  };
  const bytes = new TextEncoder().encode(JSON.stringify({ quantization_config }));
  return quantizationOf(memoryModelSource(new Map([["config.json", bytes]])));
}

Deno.test("the most special target counts: names, then patterns, then classes; what is ignored comes first", async () => {
  const group = (targets: string[], group_size: number) => ({ targets, weights: { ...WEIGHTS, group_size } });
  const config = (await read({
    ignore: ["lm_head", "re:.*self_attn.*"],
    config_groups: {
      a: group(["Linear"], 32),
      b: group(["re:.*mlp.*"], 64),
      c: group(["model.layers.1.mlp.up_proj"], 128),
    },
  }))!;
  const sizeOf = (name: string) => {
    const found = moduleQuantization(config, name);
    return found === "dense" ? found : found.groupSize;
  };
  strictEqual(sizeOf("lm_head"), "dense");
  strictEqual(sizeOf("model.layers.0.self_attn.q_proj"), "dense");
  strictEqual(sizeOf("model.layers.0.mlp.up_proj"), 64);
  strictEqual(sizeOf("model.layers.1.mlp.up_proj"), 128);
  strictEqual(sizeOf("model.layers.1.other"), 32);
});

Deno.test("strategies, and a group size that only a channel leaves out", async () => {
  const sizeOf = async (weights: Record<string, unknown>) =>
    (await read({ config_groups: { g: { targets: ["Linear"], weights } } }))!.groupSize;
  strictEqual(await sizeOf({ ...WEIGHTS, strategy: "channel", group_size: null }), -1);
  strictEqual(await sizeOf({ ...WEIGHTS, strategy: null }), 32);
  strictEqual(await sizeOf({ num_bits: 8 }), -1);
});

Deno.test("what is not read is refused by name and value", async () => {
  for (const format of ["float-quantized", "marlin-24", "nvfp4-pack-quantized", "sparse-24-bitmask"]) {
    await assertRefused(() => read({ format }), "UNSUPPORTED", "format", format);
  }
  const groupOf = (change: object) => ({
    config_groups: { g: { targets: ["Linear"], weights: { ...WEIGHTS, ...change } } },
  });
  await assertRefused(
    () => read(groupOf({ type: "float" })),
    "UNSUPPORTED",
    "group",
    "weights.type",
    "float",
  );
  await assertRefused(() => read(groupOf({ strategy: "block" })), "UNSUPPORTED", "strategy", "block");
  await assertRefused(() => read(groupOf({ group_size: 0 })), "BAD_CONFIG", "group_size", "0");
  await assertRefused(() => read(groupOf({ num_bits: 0 })), "BAD_CONFIG", "num_bits", "0");
  // A scheme for keys and values alone; packed weights beside it are refused.
  const { bits, groupSize, symmetric, actOrder } = (await read({ config_groups: {} }))!;
  const packed = moduleOf({ weight_packed: ["I32", [8, 8]], weight_scale: ["F16", [8, 1]] });
  await assertRefused(
    () => compressedLayout.readLinear(packed, SHAPE, { bits, groupSize, symmetric, actOrder }),
    "UNSUPPORTED",
    "bits",
    "16",
  );
  const rotated = { transform_config: { config_groups: { u: { type: "hadamard" } } } };
  await assertRefused(() => read(rotated), "UNSUPPORTED", "transform_config");
  const sparse = { sparsity_config: { format: "sparse-24-bitmask" } };
  await assertRefused(() => read(sparse), "UNSUPPORTED", "sparsity_config", "sparse-24-bitmask");
});

Deno.test("a notice tells what an engine would do besides", async () => {
  const input_activations = { num_bits: 8, type: "int", dynamic: true };
  const config = (await read({
    kv_cache_scheme: { num_bits: 8, type: "float" },
    config_groups: { group_0: { targets: ["Linear"], weights: WEIGHTS, input_activations } },
  }))!;
  const notices: string[] = [];
  await config.check!({} as never, config, (notice) => notices.push(notice));
  strictEqual(notices.length, 2);
  ok(notices[0].includes("kv_cache_scheme") && notices[1].includes("group_0"));
});

function moduleOf(parts: Record<string, [Dtype, number[]]>) {
  const entries = Object.entries(parts).map(([part, [dtype, shape]]): [string, TensorEntry] => [
    part,
    { name: `m.${part}`, dtype, shape, file: "f", begin: 0, end: 0 },
  ]);
  const tensors = new Map(entries);
  return { name: "m", find: (part: string) => tensors.get(part) };
}

const SHAPE = { outputs: 16, inputs: 64 };
const CHANNEL = { bits: 8, groupSize: -1, symmetric: true, actOrder: false };

Deno.test("signed bytes are 8-bit codes, whatever the number of bits; scales may be one, N, or N rows", () => {
  for (const shape of [[16, 1], [16], [1], []]) {
    const module = moduleOf({ weight: ["I8", [16, 64]], weight_scale: ["BF16", shape] });
    for (const bits of [8, 4]) {
      const { form, settings } = compressedLayout.readLinear(module, SHAPE, { ...CHANNEL, bits });
      deepStrictEqual([form.type, form.hasZeros, settings], ["int8", false, { isSigned: true }]);
    }
  }
});

Deno.test("half a module and wrong shapes are refused by name", async () => {
  const refused = async (
    parts: Record<string, [Dtype, number[]]>,
    quantization: object,
    ...texts: string[]
  ) => {
    const { message } = await refusalOf(() =>
      compressedLayout.readLinear(moduleOf(parts), SHAPE, { ...CHANNEL, ...quantization })
    );
    for (const text of texts) ok(message.includes(text), message);
  };
  const packed: [Dtype, number[]] = ["I32", [16, 8]], scale: [Dtype, number[]] = ["F16", [16, 2]];
  const four = { bits: 4, groupSize: 32 };
  await refused({ weight_packed: packed }, four, "m.weight_scale");
  await refused({ weight_scale: scale }, four, "m.weight_packed");
  await refused(
    { weight_packed: packed, weight_scale: scale },
    { ...four, symmetric: false },
    "weight_zero_point",
  );
  await refused({ weight_packed: packed, weight_scale: ["F16", [16, 3]] }, four, "m.weight_scale", "[16, 2]");
  await refused({ weight_packed: ["I32", [16, 9]], weight_scale: scale }, four, "m.weight_packed", "[16, 8]");
  await refused({ weight_packed: packed, weight_scale: scale }, { ...four, bits: 3 }, "bits", "3");
});
