import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { Dtype, TensorEntry } from "../../src/formats/containers/safetensors.ts";
import { moduleQuantization, type QuantizationConfig } from "../../src/formats/quantization.ts";
import { quantizationOf } from "../quantization.ts";
import { directorySource } from "../../src/io/directory.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused } from "../errors.ts";
import { hasShared, sharedPath } from "../shared.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";

const GPTQ = { quant_method: "gptq", bits: 4, group_size: 128, sym: true, desc_act: false };

function readFiles(files: Record<string, unknown>): Promise<QuantizationConfig | undefined> {
  const bytes = Object.entries(files).map(([name, value]): [string, Uint8Array] => [
    name,
    new TextEncoder().encode(JSON.stringify(value)),
  ]);
  return quantizationOf(memoryModelSource(new Map(bytes)));
}

async function read(quantization: unknown): Promise<QuantizationConfig> {
  return (await readFiles({ "config.json": { quantization_config: quantization } }))!;
}

/** Whether stored zero points are one less than those meant, by what the layout makes of a module of 8 inputs and outputs. */
function addsOne({ layout }: QuantizationConfig): unknown {
  const entry = (dtype: Dtype, shape: number[]): TensorEntry => (
    { name: "m", dtype, shape, file: "f", begin: 0, end: 0 }
  );
  const parts: Record<string, TensorEntry> = {
    qweight: entry("I32", [1, 8]),
    scales: entry("F16", [1, 8]),
    qzeros: entry("I32", [1, 1]),
  };
  const module = { name: "m", find: (part: string) => parts[part] };
  const settings = { bits: 4, groupSize: 8, symmetric: false, actOrder: false };
  return layout.readLinear(module, { outputs: 8, inputs: 8 }, settings).settings.addOne;
}

Deno.test("readQuantizationConfig() normalises GPTQ v1", async () => {
  const config = await read({ ...GPTQ, damp_percent: 0.01, meta: { quantizer: ["x"] }, dynamic: null });
  const { layout, check: _, ...rest } = config;
  deepStrictEqual(rest, {
    file: "config.json",
    bits: 4,
    groupSize: 128,
    symmetric: true,
    actOrder: false,
    rules: [],
  });
  deepStrictEqual([layout.format, addsOne(config)], ["gptq", true]);
});

Deno.test("readQuantizationConfig() knows methods in capitals, and with hyphens for underscores, as vLLM does", async () => {
  for (const method of ["GPTQ", "Gptq_Marlin", "gptq-marlin"]) {
    strictEqual((await read({ ...GPTQ, quant_method: method })).layout.format, "gptq", method);
  }
  strictEqual((await read({ ...GPTQ, quant_method: "MARLIN" })).layout.format, "marlin");
  strictEqual((await read({ quant_method: "AWQ", bits: 4, group_size: 64 })).layout.format, "awq");
  const weights = { num_bits: 4, type: "int", strategy: "group", group_size: 64 };
  const groups = { config_groups: { group_0: { targets: ["Linear"], weights } } };
  for (const method of ["compressed_tensors", "Compressed-Tensors"]) {
    strictEqual(
      (await read({ quant_method: method, ...groups })).layout.format,
      "compressed-tensors",
      method,
    );
  }
});

Deno.test("compressed-tensors of keys and values alone leaves the weights as they are, and says so", async () => {
  const scheme = { num_bits: 8, type: "float", strategy: "tensor" };
  for (const groups of [{}, null, { group_0: { targets: [], weights: null } }]) {
    const config = await read({
      quant_method: "compressed-tensors",
      config_groups: groups,
      kv_cache_scheme: scheme,
    });
    deepStrictEqual([config.bits, config.rules], [16, []]);
  }
});

Deno.test("an empty quantization_config says nothing, and the next place is looked at", async () => {
  strictEqual(await readFiles({ "config.json": { quantization_config: {} } }), undefined);
  const files = { "config.json": { quantization_config: {} }, "quantize_config.json": { ...GPTQ, bits: 8 } };
  strictEqual((await readFiles(files))!.bits, 8);
});

Deno.test("readQuantizationConfig() looks in one place after the other", async () => {
  const files = {
    "config.json": { quantization_config: null, text_config: { quantization_config: { ...GPTQ, bits: 3 } } },
    "quantize_config.json": { ...GPTQ, bits: 2 },
    "quant_config.json": { ...GPTQ, bits: 8 },
  };
  const all = { ...files, "config.json": { ...files["config.json"], quantization_config: GPTQ } };
  strictEqual((await readFiles(all))!.bits, 4);
  strictEqual((await readFiles(files))!.bits, 3);
  const second = await readFiles({ ...files, "config.json": { text_config: {} } });
  deepStrictEqual([second!.bits, second!.file], [2, "quantize_config.json"]);
  strictEqual(
    (await readFiles({ "config.json": {}, "quant_config.json": files["quant_config.json"] }))!.bits,
    8,
  );
  strictEqual(await readFiles({ "config.json": { text_config: 7 } }), undefined);
  strictEqual(await readFiles({}), undefined);
});

Deno.test("readQuantizationConfig() knows the older spellings", async () => {
  const config = await read({ wbits: 8, group_size: -1, format: "gptq_v2" });
  const { bits, groupSize, symmetric } = config;
  deepStrictEqual({ bits, groupSize, symmetric }, { bits: 8, groupSize: -1, symmetric: undefined });
  strictEqual(addsOne(config), false);
  strictEqual(
    (await read({ ...GPTQ, quant_method: undefined, method: "gptq", is_marlin_format: false })).bits,
    4,
  );
});

Deno.test("readQuantizationConfig() refuses impossible values by name", async () => {
  const wrong: [string, unknown][] = [
    ["group_size", 0],
    ["group_size", -2],
    ["group_size", 1.5],
    ["group_size", "128"],
    ["group_size", 1e12],
    ["group_size", null],
    ["bits", "4"],
    ["bits", 0],
    ["bits", 4.5],
    ["bits", null],
    ["sym", "yes"],
    ["desc_act", 1],
    ["checkpoint_format", 7],
    ["quant_method", {}],
    ["dynamic", []],
    ["dynamic", { "a": 7 }],
    ["group_size", { valueOf: 4 }],
  ];
  for (const [key, value] of wrong) {
    await assertRefused(() => read({ ...GPTQ, [key]: value }), "BAD_CONFIG", "config.json", key);
  }
  await assertRefused(() => read([]), "BAD_CONFIG", "config.json", "quantization_config");
  const nested = { ...GPTQ, dynamic: { "+:a": { group_size: 0 } } };
  await assertRefused(() => read(nested), "BAD_CONFIG", "dynamic", "+:a", "group_size", "found 0");
});

Deno.test("readQuantizationConfig() knows Marlin's order under its three names", async () => {
  const named = [
    { ...GPTQ, is_marlin_format: true },
    { ...GPTQ, checkpoint_format: "marlin" },
    { quant_method: "marlin", group_size: 128 },
  ];
  for (const config of named) {
    const { layout: { format }, bits } = await read(config);
    deepStrictEqual([format, bits], ["marlin", 4]);
  }
});

Deno.test("readQuantizationConfig() refuses formats it does not read, by key and value", async () => {
  for (const format of ["gptq_p", "bitblas", "gemm", "gemv", "gemv_fast", "GPTQ"]) {
    await assertRefused(
      () => read({ ...GPTQ, checkpoint_format: format }),
      "UNSUPPORTED",
      "checkpoint_format",
      format,
    );
  }
  const foreign = "fp8 modelopt mxfp4 bitsandbytes exl2 exl3 hqq aqlm spqr vptq gguf torchao quanto bitnet";
  for (const method of foreign.split(" ")) {
    const config = { ...GPTQ, quant_method: method };
    const { message } = await assertRefused(
      () => read(config),
      "UNSUPPORTED",
      "quant_method",
      method,
      "use the",
    );
    ok(!message.includes("\n"));
  }
  await assertRefused(() => read({ ...GPTQ, checkpoint_format: "marlin_24" }), "UNSUPPORTED", "2:4 sparse");
  await assertRefused(() => read({ ...GPTQ, pack_dtype: "int64" }), "UNSUPPORTED", "pack_dtype", "int64");
  const mixed = { ...GPTQ, dynamic: { "a": { checkpoint_format: "gptq_v2" } } };
  await assertRefused(() => read(mixed), "UNSUPPORTED", "dynamic", "checkpoint_format", "gptq_v2");
});

Deno.test("readQuantizationConfig() tells AutoRound's layouts apart by packing_format", async () => {
  const base = { ...GPTQ, quant_method: "auto-round" };
  const minusOne: [Record<string, unknown>, boolean][] = [
    [{}, true],
    [{ packing_format: "auto_round:auto_gptq" }, true],
    [{ backend: "auto_round:gptq:exllamav2" }, true],
    [{ packing_format: "auto_round:gptqmodel" }, false],
    [{ packing_format: "auto_round" }, false],
    [{ backend: "auto_round:exllamav2", quant_method: "intel/auto-round" }, false],
  ];
  for (const [keys, expected] of minusOne) {
    strictEqual(addsOne(await read({ ...base, ...keys })), expected, JSON.stringify(keys));
  }
  const awq = await read({ ...base, packing_format: "auto_round:auto_awq" });
  strictEqual(awq.layout.format, "awq");
  for (const format of ["auto_round:fp8", "auto_round:llm_compressor"]) {
    await assertRefused(
      () => read({ ...base, packing_format: format }),
      "UNSUPPORTED",
      "packing_format",
      format,
    );
  }
  await assertRefused(() => read({ ...base, data_type: "mx_fp" }), "UNSUPPORTED", "data_type", "mx_fp");
});

Deno.test("moduleQuantization() applies AutoRound's extra_config: exact names first, regexes anywhere", async () => {
  const config = await read({
    ...GPTQ,
    quant_method: "auto-round",
    extra_config: {
      "layers\\.[01]\\.mlp": { bits: 8, group_size: 32 },
      "model.layers.0.mlp.up_proj": { bits: 16 },
      "model.layers": { bits: 2 },
    },
  });
  strictEqual(moduleQuantization(config, "model.layers.0.mlp.up_proj"), "dense");
  deepStrictEqual(moduleQuantization(config, "model.layers.1.mlp.up_proj"), {
    bits: 8,
    groupSize: 32,
    symmetric: true,
    actOrder: false,
  });
  ok(moduleQuantization(config, "model.layers.2.mlp.up_proj") !== "dense");
  deepStrictEqual(
    moduleQuantization(config, "model.layers.2.mlp.up_proj"),
    moduleQuantization(config, "other"),
  );
});

Deno.test("moduleQuantization() takes the first rule in the order of the file", async () => {
  const config = await read({
    ...GPTQ,
    dynamic: {
      "model\\.a": { bits: 8 },
      "-:model\\.a": {},
      "-:model\\.b": {},
      "+:.*c$": { sym: false, group_size: 64 },
    },
  });
  const bitsOf = (name: string) => {
    const settings = moduleQuantization(config, name);
    return settings === "dense" ? settings : settings.bits;
  };
  deepStrictEqual(["model.a.x", "model.b", "model.bc", "x.model.b", "model.c"].map(bitsOf), [
    8,
    "dense",
    "dense",
    4,
    4,
  ]);
  deepStrictEqual(moduleQuantization(config, "x.model.c"), {
    bits: 4,
    groupSize: 64,
    symmetric: false,
    actOrder: false,
  });
});

Deno.test("readQuantizationConfig() refuses patterns it cannot match, naming dynamic", async () => {
  for (const pattern of ["(?!a)", "+:(?!a)", "(", "a{9999}a{9999}a{9999}a{9999}", "x".repeat(1001)]) {
    await assertRefused(
      () => read({ ...GPTQ, dynamic: { [pattern]: {} } }),
      "UNSUPPORTED",
      "config.json",
      "dynamic",
    );
  }
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`a{1,400}b{${i}}`, {}]));
  await assertRefused(() => read({ ...GPTQ, dynamic: many }), "UNSUPPORTED", "dynamic", "too large together");
});

Deno.test("a pattern outside of the subset that only excludes modules matches none: the tensors decide", async () => {
  const dynamic = { "-:^(?!model\\.layers\\.0).*": null, "+:layers\\.1": { bits: 8 } };
  const config = await read({ ...GPTQ, dynamic });
  deepStrictEqual(
    ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"].map((name) =>
      moduleQuantization(config, name)
    ),
    [4, 4].map((bits) => ({ bits, groupSize: 128, symmetric: true, actOrder: false })),
  );
});

Deno.test("a pattern made for catastrophic backtracking costs no time", async () => {
  const config = await read({ ...GPTQ, dynamic: { "(([a-z_.0-9]+)+)+\\$never": { bits: 8 } } });
  const start = performance.now();
  for (let layer = 0; layer < 100; layer++) {
    const settings = moduleQuantization(config, `model.layers.${layer}.self_attn.q_proj`);
    strictEqual(settings !== "dense" && settings.bits, 4);
  }
  ok(performance.now() - start < 2000);
});

Deno.test({
  name: "moduleQuantization() reads gptq-dynamic as its generator meant it (needs ../shared)",
  ignore: !hasShared,
  fn: async () => {
    const config = (await quantizationOf(
      directorySource(denoPlatform.files, sharedPath("goldens", "gptq-dynamic")),
    ))!;
    const describe = (name: string) => {
      const settings = moduleQuantization(config, `model.layers.${name}`);
      return settings === "dense" ? settings : `${settings.bits} bits, ${settings.groupSize}`;
    };
    // The config's text: -:.*\.0\.self_attn\.o_proj, +:.*\.0\.mlp\.(gate|up)_proj, .*\.1\.self_attn\.[qk]_proj$,
    // -:model\.layers\.1\.mlp\.down
    deepStrictEqual(
      [
        "0.self_attn.o_proj",
        "0.mlp.gate_proj",
        "0.mlp.down_proj",
        "1.self_attn.k_proj",
        "1.self_attn.v_proj",
        "1.mlp.down_proj",
      ]
        .map(describe),
      ["dense", "8 bits, 64", "4 bits, 32", "4 bits, 64", "4 bits, 32", "dense"],
    );
  },
});

Deno.test("readQuantizationConfig() reads AutoAWQ's keys, old and new, and refuses its other layouts", async () => {
  const awq = { quant_method: "awq", bits: 4, group_size: 64, zero_point: true, version: "gemm" };
  const old = { w_bit: 4, q_group_size: 64, zero_point: true, version: "GEMM" };
  for (const keys of [awq, old]) {
    const { layout, bits, groupSize, symmetric, actOrder } = await read(keys);
    deepStrictEqual({ format: layout.format, bits, groupSize, symmetric, actOrder }, {
      format: "awq",
      bits: 4,
      groupSize: 64,
      symmetric: false,
      actOrder: false,
    });
  }
  for (const version of ["gemv_fast", "marlin", "exllama", "ipex"]) {
    await assertRefused(() => read({ ...awq, version }), "UNSUPPORTED", "version", "gemm", version);
  }
  const config = await read({ ...awq, modules_to_not_convert: ["visual", "lm_head"] });
  strictEqual(moduleQuantization(config, "model.visual.blocks.0.attn.qkv"), "dense");
  strictEqual(moduleQuantization(config, "lm_head"), "dense");
  ok(moduleQuantization(config, "model.layers.0.mlp.up_proj") !== "dense");
});
