import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../src/formats/checkpoint.ts";
import {
  checkFinite,
  checkGroupIndex,
  classifyLinear,
  type GptqLinear,
  type LinearSource,
  requireLinear,
} from "../../src/formats/gptq.ts";
import type { QuantizationConfig } from "../../src/formats/quantization_config.ts";
import type { TensorEntry } from "../../src/formats/safetensors.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused } from "../errors.ts";
import { writeSafetensors, zeros } from "./safetensors_writer.ts";

const M = "model.layers.0.mlp.up_proj";
const SHAPE = { outputs: 16, inputs: 40 };
const CONFIG: QuantizationConfig = {
  file: "config.json",
  method: "gptq",
  bits: 4,
  groupSize: 16,
  symmetric: true,
  actOrder: false,
  zerosStoredMinusOne: true,
  packDtypeBits: 32,
  rules: [],
};

/** A complete 4-bit module of 40 inputs (two and a half groups of 16) and 16 outputs: part → dtype and shape. */
const WHOLE: Record<string, [string, number[]]> = {
  qweight: ["I32", [5, 16]],
  qzeros: ["I32", [3, 2]],
  scales: ["F16", [3, 16]],
  g_idx: ["I32", [40]],
  bias: ["F16", [16]],
};
const EMPTY: Record<string, [string, number[]]> = {
  qweight: ["I32", [0, 0]],
  qzeros: ["I32", [0, 0]],
  scales: ["F16", [0, 0]],
  g_idx: ["I32", [0]],
  bias: ["F16", [0]],
};
const DENSE: Record<string, [string, number[]]> = { weight: ["BF16", [16, 40]] };

function checkpointOf(parts: Record<string, [string, number[]] | undefined>): Promise<Checkpoint> {
  const bytes: Record<string, number> = { I32: 4, F32: 4, F16: 2, BF16: 2, I64: 8, U8: 1 };
  const tensors = Object.entries(parts).flatMap(([part, what]) =>
    what === undefined ? [] : [zeros(`${M}.${part}`, what[0], what[1], bytes[what[0]])]
  );
  return openCheckpoint(memoryModelSource(new Map([["model.safetensors", writeSafetensors(tensors)]])));
}

async function classify(
  parts: Record<string, [string, number[]] | undefined>,
  config: Partial<QuantizationConfig> = {},
): Promise<LinearSource> {
  return classifyLinear(await checkpointOf(parts), M, SHAPE, { ...CONFIG, ...config });
}

async function classifyGptq(
  parts: Record<string, [string, number[]] | undefined>,
  config: Partial<QuantizationConfig> = {},
): Promise<GptqLinear> {
  const linear = await classify(parts, config);
  strictEqual(linear.kind, "gptq");
  return linear as GptqLinear;
}

Deno.test("classifyLinear() describes a quantised module", async () => {
  const { codes, scales, zeros, groupIndex, bias, ...rest } = await classifyGptq(WHOLE, {
    symmetric: false,
  });
  deepStrictEqual([codes, scales, zeros, groupIndex, bias].map((entry) => entry?.name), [
    `${M}.qweight`,
    `${M}.scales`,
    `${M}.qzeros`,
    `${M}.g_idx`,
    `${M}.bias`,
  ]);
  deepStrictEqual(rest, {
    kind: "gptq",
    bits: 4,
    groupSize: 16,
    groups: 3,
    inputs: 40,
    outputs: 16,
    zeroPoint: 8,
    zerosStoredMinusOne: true,
  });
});

Deno.test("classifyLinear() takes missing and empty optional tensors for absent ones", async () => {
  const { qweight, scales } = WHOLE;
  for (const parts of [{ qweight, scales }, { ...EMPTY, qweight, scales }]) {
    for (const symmetric of [true, undefined]) {
      const { zeros, groupIndex, bias, zeroPoint } = await classifyGptq(parts, { symmetric });
      deepStrictEqual([zeros, groupIndex, bias, zeroPoint], [undefined, undefined, undefined, 8]);
    }
  }
});

Deno.test("classifyLinear() uses zero points unless the config says symmetric", async () => {
  strictEqual((await classifyGptq(WHOLE, { symmetric: true })).zeros, undefined);
  strictEqual((await classifyGptq(WHOLE, { symmetric: undefined })).zeros?.name, `${M}.qzeros`);
  const wrongButUnused = { ...WHOLE, qzeros: ["I32", [1, 1]] as [string, number[]] };
  strictEqual((await classifyGptq(wrongButUnused, { symmetric: true })).zeros, undefined);
  for (const qzeros of [undefined, EMPTY.qzeros]) {
    const run = () => classify({ ...WHOLE, qzeros }, { symmetric: false });
    await assertRefused(run, "MISSING_TENSOR", "model.safetensors", `${M}.qzeros`);
  }
});

Deno.test("classifyLinear() reads group size −1 as one group", async () => {
  const one = { ...WHOLE, scales: ["F16", [1, 16]] as [string, number[]] };
  const { groupSize, groups } = await classifyGptq(one, { groupSize: -1 });
  deepStrictEqual([groupSize, groups], [40, 1]);
  strictEqual((await classifyGptq(one, { groupSize: 128 })).groups, 1);
});

Deno.test("classifyLinear() counts groups by the scales where channels are reordered", async () => {
  const four = { ...WHOLE, scales: ["F16", [4, 16]] as [string, number[]] };
  strictEqual((await classifyGptq(four, { actOrder: true })).groups, 4);
  await assertRefused(() => classify(four), "BAD_TENSOR", `${M}.scales`, "[3, 16]", "[4, 16]");
  await assertRefused(
    () => classify({ ...four, g_idx: undefined }, { actOrder: true }),
    "BAD_TENSOR",
    `${M}.scales`,
  );
});

Deno.test("classifyLinear() reads 8-bit modules", async () => {
  const { bits, zeroPoint } = await classifyGptq({ ...WHOLE, qweight: ["I32", [10, 16]] }, { bits: 8 });
  deepStrictEqual([bits, zeroPoint], [8, 128]);
});

Deno.test("classifyLinear() applies the module's own rule, and lets tensors win over a dense one", async () => {
  const rules = [{ pattern: "x", matches: (name: string) => name === M, change: { bits: 8 } as const }];
  strictEqual((await classifyGptq({ ...WHOLE, qweight: ["I32", [10, 16]] }, { rules })).bits, 8);
  const dense = [{ ...rules[0], change: "dense" as const }];
  strictEqual((await classifyGptq(WHOLE, { rules: dense })).bits, 4);
  strictEqual((await classify(DENSE, { rules })).kind, "dense");
});

Deno.test("classifyLinear() reads dense modules, with empty placeholders around them or without config", async () => {
  for (
    const parts of [DENSE, { ...EMPTY, ...DENSE }, {
      ...DENSE,
      qweight: ["I32", [5, 0]] as [string, number[]],
    }]
  ) {
    const linear = await classify(parts);
    ok(linear.kind === "dense");
    strictEqual(linear.weight.name, `${M}.weight`);
    strictEqual(linear.bias, undefined);
  }
  const withBias = await checkpointOf({ ...DENSE, bias: WHOLE.bias });
  const linear = classifyLinear(withBias, M, SHAPE, undefined);
  ok(linear.kind === "dense");
  strictEqual(linear.bias?.name, `${M}.bias`);
});

Deno.test("classifyLinear() calls absent what has no elements; requireLinear() refuses it by module", async () => {
  for (const parts of [{}, EMPTY, { ...EMPTY, weight: ["F16", [0, 40]] as [string, number[]] }]) {
    const checkpoint = await checkpointOf(parts);
    deepStrictEqual(classifyLinear(checkpoint, M, SHAPE, CONFIG), { kind: "absent" });
    await assertRefused(() => requireLinear(checkpoint, M, SHAPE, CONFIG), "MISSING_TENSOR", M);
  }
  const placeholder = classifyLinear(await checkpointOf(EMPTY), M, { outputs: 0, inputs: 0 }, {
    ...CONFIG,
    groupSize: -1,
  });
  strictEqual(placeholder.kind, "absent");
  strictEqual(requireLinear(await checkpointOf(DENSE), M, SHAPE, undefined).kind, "dense");
});

Deno.test("classifyLinear() refuses half a module, naming the half that is missing", async () => {
  for (const part of ["qweight", "scales"]) {
    for (const what of [undefined, EMPTY[part]]) {
      const run = () => classify({ ...WHOLE, [part]: what });
      const error = await assertRefused(run, "MISSING_TENSOR", "model.safetensors", `${M}.${part}`);
      strictEqual(error.tensor, `${M}.${part}`);
    }
  }
});

Deno.test("classifyLinear() refuses a module that is both dense and quantised, naming both", async () => {
  const run = () => classify({ ...WHOLE, ...DENSE });
  const error = await assertRefused(run, "BAD_TENSOR", `${M}.weight`, `${M}.qweight`);
  strictEqual(error.tensor, `${M}.weight`);
  await assertRefused(
    () => classify({ ...EMPTY, ...DENSE, scales: WHOLE.scales }),
    "BAD_TENSOR",
    `${M}.scales`,
  );
});

Deno.test("classifyLinear() refuses wrong shapes and dtypes, naming tensor and both sides", async () => {
  const wrong: [string, [string, number[]], ...string[]][] = [
    ["qweight", ["I32", [10, 16]], "I32 [5, 16]", "I32 [10, 16]"],
    ["qweight", ["I32", [40, 2]], "I32 [5, 16]"],
    ["qweight", ["I32", [80]], "I32 [80]"],
    ["qweight", ["F32", [5, 16]], "F32 [5, 16]"],
    ["scales", ["F16", [3, 8]], "[3, 16]", "F16 [3, 8]"],
    ["scales", ["F16", [2, 16]], "F16 [2, 16]"],
    ["scales", ["I32", [3, 16]], "F16 or BF16 or F32"],
    ["qzeros", ["I32", [3, 16]], "I32 [3, 2]"],
    ["qzeros", ["F16", [3, 2]], "I32 [3, 2]"],
    ["g_idx", ["I32", [16]], "I32 [40]"],
    ["g_idx", ["I64", [40]], "I64 [40]"],
    ["bias", ["F16", [40]], "[16]"],
    ["bias", ["I32", [16]], "I32 [16]"],
  ];
  for (const [part, what, ...words] of wrong) {
    const run = () => classify({ ...WHOLE, [part]: what }, { symmetric: false });
    await assertRefused(run, "BAD_TENSOR", "model.safetensors", `${M}.${part}`, ...words);
  }
  await assertRefused(
    () => classify({ weight: ["F16", [40, 16]] }),
    "BAD_TENSOR",
    `${M}.weight`,
    "[16, 40]",
    "[40, 16]",
  );
  await assertRefused(() => classify({ weight: ["U8", [16, 40]] }), "BAD_TENSOR", `${M}.weight`, "U8");
});

Deno.test("classifyLinear() refuses widths, layouts and sizes it cannot run", async () => {
  await assertRefused(() => classify(WHOLE, { bits: 3 }), "UNSUPPORTED", `${M}.qweight`, "bits", "found 3");
  for (const part of ["weight_packed", "B"]) {
    await assertRefused(() => classify({ [part]: ["I32", [5, 16]] }), "UNSUPPORTED", `${M}.${part}`);
  }
  const whole = await checkpointOf(WHOLE);
  await assertRefused(
    () => classifyLinear(whole, M, SHAPE, undefined),
    "BAD_CONFIG",
    M,
    "quantization_config",
  );
  const odd = { outputs: 12, inputs: 40 };
  await assertRefused(
    () => classifyLinear(whole, M, odd, CONFIG),
    "BAD_TENSOR",
    `${M}.qweight`,
    "multiples of 8",
  );
});

const ENTRY: TensorEntry = {
  name: "m.part",
  dtype: "F16",
  shape: [3],
  file: "f.safetensors",
  begin: 0,
  end: 6,
};

Deno.test("checkGroupIndex() refuses groups that do not exist", () => {
  checkGroupIndex(new Int32Array([0, 1, 2, 0]), 3, ENTRY);
  checkGroupIndex(new Int32Array(0), 0, ENTRY);
  for (const wrong of [3, -1, 2 ** 31 - 1]) {
    throws(
      () => checkGroupIndex(new Int32Array([0, wrong, 1]), 3, ENTRY),
      (error) => error instanceof RemoraError && error.tensor === "m.part" && error.found === `${wrong}`,
    );
  }
});

Deno.test("checkFinite() refuses NaN and infinity in every dtype", () => {
  checkFinite(new Uint16Array([0, 0x3c00, 0x7bff, 0xfbff, 0x8001]), "F16", ENTRY);
  checkFinite(new Uint16Array([0, 0x3f80, 0x7f7f, 0x7c00, 0xff7f]), "BF16", ENTRY);
  checkFinite(new Float32Array([0, 1, -3.4e38]), "F32", ENTRY);
  const wrong: [Uint16Array | Float32Array, "F16" | "BF16" | "F32"][] = [
    [new Uint16Array([0, 0x7c00]), "F16"],
    [new Uint16Array([0xfe00]), "F16"],
    [new Uint16Array([0x7f80]), "BF16"],
    [new Uint16Array([0xffc0]), "BF16"],
    [new Float32Array([1, NaN]), "F32"],
    [new Float32Array([-Infinity]), "F32"],
  ];
  for (const [values, dtype] of wrong) {
    throws(
      () => checkFinite(values, dtype, ENTRY),
      (error) => error instanceof RemoraError && error.code === "BAD_TENSOR" && error.tensor === "m.part",
    );
  }
});
