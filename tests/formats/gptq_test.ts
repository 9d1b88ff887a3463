/** What a module is, decided by its tensors; GPTQ's layout. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../src/formats/containers/checkpoint.ts";
import type { TensorEntry } from "../../src/formats/containers/safetensors.ts";
import { gptqLayout } from "../../src/formats/gptq/linear.ts";
import { orderByGroup } from "../../src/formats/input_order.ts";
import type { QuantizationConfig } from "../../src/formats/quantization.ts";
import { readLinear, requireLinear } from "../../src/formats/registry.ts";
import type { StoredLinear } from "../../src/formats/stored_linear.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused } from "../errors.ts";
import { writeSafetensors, zeros } from "./safetensors_writer.ts";

const M = "model.layers.0.mlp.up_proj";
const SHAPE = { outputs: 16, inputs: 40 };
const CONFIG: QuantizationConfig = {
  file: "config.json",
  layout: gptqLayout(true),
  bits: 4,
  groupSize: 16,
  symmetric: true,
  actOrder: false,
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

async function read(
  parts: Record<string, [string, number[]] | undefined>,
  config: Partial<QuantizationConfig> = {},
): Promise<StoredLinear | undefined> {
  return readLinear(await checkpointOf(parts), M, SHAPE, { ...CONFIG, ...config }, "asStored");
}

async function readGptq(
  parts: Record<string, [string, number[]] | undefined>,
  config: Partial<QuantizationConfig> = {},
): Promise<StoredLinear> {
  const linear = await read(parts, config);
  strictEqual(linear?.format, "gptq");
  return linear!;
}

/** The tensors that loading will read, in the order of their names. */
function partsOf({ tensors }: StoredLinear): string[] {
  return tensors.map(({ name }) => name.slice(M.length + 1)).sort();
}

/** Stored groups, by the tensor that holds a row of scales for each. */
function groupsOf({ tensors }: StoredLinear): number {
  return tensors.find(({ name }) => name === `${M}.scales`)!.shape[0];
}

Deno.test("readLinear() describes a quantised module", async () => {
  const linear = await readGptq(WHOLE, { symmetric: false });
  deepStrictEqual(partsOf(linear), ["bias", "g_idx", "qweight", "qzeros", "scales"]);
  const { bits, groupSize, form, zeroPoint, settings, order, bias } = linear;
  deepStrictEqual({ bits, groupSize, zeroPoint, settings }, {
    bits: 4,
    groupSize: 16,
    zeroPoint: 8,
    settings: { addOne: true },
  });
  deepStrictEqual(form, {
    type: "int4",
    outputs: 16,
    packedInputs: 40,
    group: 16,
    hasZeros: true,
    hasBias: true,
    hasOrder: false,
  });
  deepStrictEqual([order?.tensor.name, bias?.name], [`${M}.g_idx`, `${M}.bias`]);
});

Deno.test("readLinear() takes missing and empty optional tensors for absent ones", async () => {
  const { qweight, scales } = WHOLE;
  for (const parts of [{ qweight, scales }, { ...EMPTY, qweight, scales }]) {
    for (const symmetric of [true, undefined]) {
      const linear = await readGptq(parts, { symmetric });
      deepStrictEqual(partsOf(linear), ["qweight", "scales"]);
      deepStrictEqual([linear.form.hasZeros, linear.order, linear.bias, linear.zeroPoint], [
        false,
        undefined,
        undefined,
        8,
      ]);
    }
  }
});

Deno.test("readLinear() uses zero points unless the config says symmetric", async () => {
  const hasZeros = async (symmetric: boolean | undefined, parts = WHOLE) =>
    partsOf(await readGptq(parts, { symmetric })).includes("qzeros");
  strictEqual(await hasZeros(true), false);
  strictEqual(await hasZeros(undefined), true);
  const wrongButUnused = { ...WHOLE, qzeros: ["I32", [1, 1]] as [string, number[]] };
  strictEqual(await hasZeros(true, wrongButUnused), false);
  for (const qzeros of [undefined, EMPTY.qzeros]) {
    const run = () => read({ ...WHOLE, qzeros }, { symmetric: false });
    await assertRefused(run, "MISSING_TENSOR", "model.safetensors", `${M}.qzeros`);
  }
});

Deno.test("readLinear() reads group size −1 as one group", async () => {
  const one = { ...WHOLE, scales: ["F16", [1, 16]] as [string, number[]] };
  const linear = await readGptq(one, { groupSize: -1 });
  deepStrictEqual([linear.groupSize, groupsOf(linear)], [40, 1]);
  strictEqual(groupsOf(await readGptq(one, { groupSize: 128 })), 1);
});

Deno.test("readLinear() counts groups by the scales where channels are reordered", async () => {
  const four = { ...WHOLE, scales: ["F16", [4, 16]] as [string, number[]] };
  strictEqual(groupsOf(await readGptq(four, { actOrder: true })), 4);
  await assertRefused(() => read(four), "BAD_TENSOR", `${M}.scales`, "[3, 16]", "[4, 16]");
  await assertRefused(
    () => read({ ...four, g_idx: undefined }, { actOrder: true }),
    "BAD_TENSOR",
    `${M}.scales`,
  );
});

Deno.test("readLinear() reads 8-bit modules", async () => {
  const { bits, zeroPoint, form } = await readGptq({ ...WHOLE, qweight: ["I32", [10, 16]] }, { bits: 8 });
  deepStrictEqual([bits, zeroPoint, form.type], [8, 128, "int8"]);
});

Deno.test("readLinear() applies the module's own rule, and lets tensors win over a dense one", async () => {
  const rules = [{ pattern: "x", matches: (name: string) => name === M, change: { bits: 8 } as const }];
  strictEqual((await readGptq({ ...WHOLE, qweight: ["I32", [10, 16]] }, { rules })).bits, 8);
  const dense = [{ ...rules[0], change: "dense" as const }];
  strictEqual((await readGptq(WHOLE, { rules: dense })).bits, 4);
  strictEqual((await read(DENSE, { rules }))?.format, "bf16");
});

Deno.test("readLinear() reads dense modules, with empty placeholders around them or without config", async () => {
  for (
    const parts of [DENSE, { ...EMPTY, ...DENSE }, {
      ...DENSE,
      qweight: ["I32", [5, 0]] as [string, number[]],
    }]
  ) {
    const linear = (await read(parts))!;
    deepStrictEqual([linear.format, partsOf(linear)], ["bf16", ["weight"]]);
  }
  const withBias = await checkpointOf({ ...DENSE, bias: WHOLE.bias });
  const linear = readLinear(withBias, M, SHAPE, undefined, "asStored")!;
  deepStrictEqual([linear.format, partsOf(linear)], ["bf16", ["bias", "weight"]]);
});

Deno.test("readLinear() finds nothing where no tensor has elements; requireLinear() refuses it by module", async () => {
  for (const parts of [{}, EMPTY, { ...EMPTY, weight: ["F16", [0, 40]] as [string, number[]] }]) {
    const checkpoint = await checkpointOf(parts);
    strictEqual(readLinear(checkpoint, M, SHAPE, CONFIG, "asStored"), undefined);
    await assertRefused(() => requireLinear(checkpoint, M, SHAPE, CONFIG, "asStored"), "MISSING_TENSOR", M);
  }
  const placeholder = readLinear(
    await checkpointOf(EMPTY),
    M,
    { outputs: 0, inputs: 0 },
    { ...CONFIG, groupSize: -1 },
    "asStored",
  );
  strictEqual(placeholder, undefined);
  ok(requireLinear(await checkpointOf(DENSE), M, SHAPE, undefined, "asStored"));
});

Deno.test("readLinear() refuses half a module, naming the half that is missing", async () => {
  for (const part of ["qweight", "scales"]) {
    for (const what of [undefined, EMPTY[part]]) {
      const run = () => read({ ...WHOLE, [part]: what });
      const error = await assertRefused(run, "MISSING_TENSOR", "model.safetensors", `${M}.${part}`);
      strictEqual(error.tensor, `${M}.${part}`);
    }
  }
});

Deno.test("readLinear() refuses a module that is both dense and quantised, naming both", async () => {
  const run = () => read({ ...WHOLE, ...DENSE });
  const error = await assertRefused(run, "BAD_TENSOR", `${M}.weight`, `${M}.qweight`);
  strictEqual(error.tensor, `${M}.weight`);
  await assertRefused(
    () => read({ ...EMPTY, ...DENSE, scales: WHOLE.scales }),
    "BAD_TENSOR",
    `${M}.scales`,
  );
});

Deno.test("readLinear() refuses wrong shapes and dtypes, naming tensor and both sides", async () => {
  const wrong: [string, [string, number[]], ...string[]][] = [
    ["qweight", ["I32", [10, 16]], "I32 or U32 [5, 16]", "I32 [10, 16]"],
    ["qweight", ["I32", [40, 2]], "[5, 16]"],
    ["qweight", ["I32", [80]], "I32 [80]"],
    ["qweight", ["F32", [5, 16]], "F32 [5, 16]"],
    ["scales", ["F16", [3, 8]], "[3, 16]", "F16 [3, 8]"],
    ["scales", ["F16", [2, 16]], "F16 [2, 16]"],
    ["scales", ["I32", [3, 16]], "F16 or BF16 or F32"],
    ["qzeros", ["I32", [3, 16]], "[3, 2]"],
    ["qzeros", ["F16", [3, 2]], "[3, 2]"],
    ["g_idx", ["I32", [16]], "I32 or I64 [40]"],
    ["g_idx", ["F32", [40]], "F32 [40]"],
    ["bias", ["F16", [40]], "[16]"],
    ["bias", ["I32", [16]], "I32 [16]"],
  ];
  for (const [part, what, ...words] of wrong) {
    const run = () => read({ ...WHOLE, [part]: what }, { symmetric: false });
    await assertRefused(run, "BAD_TENSOR", "model.safetensors", `${M}.${part}`, ...words);
  }
  await assertRefused(
    () => read({ weight: ["F16", [40, 16]] }),
    "BAD_TENSOR",
    `${M}.weight`,
    "[16, 40]",
    "[40, 16]",
  );
  await assertRefused(() => read({ weight: ["U8", [16, 40]] }), "BAD_TENSOR", `${M}.weight`, "U8");
});

Deno.test("readLinear() refuses widths, layouts and sizes it cannot run", async () => {
  await assertRefused(() => read(WHOLE, { bits: 3 }), "UNSUPPORTED", `${M}.qweight`, "bits", "found 3");
  for (const part of ["weight_packed", "B"]) {
    await assertRefused(() => read({ [part]: ["I32", [5, 16]] }), "UNSUPPORTED", `${M}.${part}`);
  }
  const whole = await checkpointOf(WHOLE);
  await assertRefused(
    () => readLinear(whole, M, SHAPE, undefined, "asStored"),
    "BAD_CONFIG",
    M,
    "quantization_config",
  );
  const odd = { outputs: 12, inputs: 40 };
  await assertRefused(
    () => readLinear(whole, M, odd, CONFIG, "asStored"),
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

Deno.test("orderByGroup() refuses groups that would take many times the inputs in memory, all as long as the longest", () => {
  const inputs = 512, groups = 16;
  const orderOf = (longest: number) =>
    orderByGroup(Int32Array.from({ length: inputs }, (_, k) => k < longest ? 0 : 1 + k % (groups - 1)), {
      groups,
      groupSize: inputs / groups,
      entry: ENTRY,
    });
  strictEqual(orderOf(128)!.indices.length, groups * 128);
  throws(
    () => orderOf(129),
    (error) => error instanceof RemoraError && error.tensor === "m.part" && error.found === "129",
  );
});

Deno.test("orderByGroup() refuses groups that do not exist", () => {
  orderByGroup([0, 1, 2, 0], { groups: 3, groupSize: 1, entry: ENTRY });
  orderByGroup([], { groups: 0, groupSize: 1, entry: ENTRY });
  for (const wrong of [3, -1, 2 ** 31 - 1]) {
    throws(
      () => orderByGroup([0, wrong, 1], { groups: 3, groupSize: 1, entry: ENTRY }),
      (error) => error instanceof RemoraError && error.tensor === "m.part" && error.found === `${wrong}`,
    );
  }
});
