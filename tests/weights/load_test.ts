/** Stored groups in kernel memory: each of our groups takes the scale and zero point of the stored group it lies in. */
import assert from "node:assert/strict";
import { Kernels } from "../../kernels/host/kernels.ts";
import { openCheckpoint } from "../../src/formats/containers/checkpoint.ts";
import { quantizationOf } from "../quantization.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import type { ModelSource } from "../../src/io/source.ts";
import { Matrix } from "../../src/ops/matrix.ts";
import { Projection } from "../../src/ops/projection.ts";
import { KernelSpace } from "../../src/ops/space.ts";
import { Workspace } from "../../src/ops/workspace.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { HostEvents } from "../../src/platform/events.ts";
import { loadWeights } from "../../src/weights/load.ts";
import { WeightPlan } from "../../src/weights/plan.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";

const OUTPUTS = 8;

interface StoredShape {
  inputs: number;
  groupSize: number;
  bits?: 4 | 8;
}

/** A module "m" whose stored group g has the scale 2^g and the zero point g + 1 for every output. */
function moduleFiles({ inputs, groupSize, bits = 4 }: StoredShape): Map<string, Uint8Array> {
  const groups = groupSize === -1 ? 1 : Math.ceil(inputs / groupSize), perWord = 32 / bits;
  const bytesOf = (values: Uint32Array | Float32Array) => new Uint8Array(values.buffer);
  const zeroWords = Uint32Array.from({ length: groups * OUTPUTS / perWord }, (_, i) => {
    const zero = Math.floor(i / (OUTPUTS / perWord)) + 1;
    return zero * (bits === 4 ? 0x11111111 : 0x01010101);
  });
  const scales = Float32Array.from({ length: groups * OUTPUTS }, (_, i) => 2 ** Math.floor(i / OUTPUTS));
  const words = new Uint32Array(inputs / perWord * OUTPUTS);
  const config = { bits, group_size: groupSize, sym: false, desc_act: false, checkpoint_format: "gptq_v2" };
  return new Map([
    ["quantize_config.json", new TextEncoder().encode(JSON.stringify({ quant_method: "gptq", ...config }))],
    [
      "model.safetensors",
      writeSafetensors([
        { name: "m.qweight", dtype: "I32", shape: [inputs / perWord, OUTPUTS], data: bytesOf(words) },
        { name: "m.qzeros", dtype: "I32", shape: [groups, OUTPUTS / perWord], data: bytesOf(zeroWords) },
        { name: "m.scales", dtype: "F32", shape: [groups, OUTPUTS], data: bytesOf(scales) },
      ]),
    ],
  ]);
}

/** The weight of code 0 for every input, by the exact product with each unit vector. */
async function loadedWeights(shape: StoredShape): Promise<Float32Array> {
  const source = memoryModelSource(moduleFiles(shape));
  const checkpoint = await openCheckpoint(source);
  const plan = new WeightPlan(checkpoint, await quantizationOf(source), {
    precision: "f32",
    dense: "int8",
    embeddings: "f16",
  });
  const { inputs } = shape;
  const linear = plan.linear("m", OUTPUTS, inputs);
  const kernels = Kernels.alone();
  await loadWeights(plan, checkpoint, { kernelsOf: () => kernels, events: new HostEvents(denoPlatform) });
  const space = new KernelSpace(kernels);
  const projection = new Projection([linear]);
  const workspace = Workspace.reserve(space, "f32", (workspace) => projection.reserve(workspace, inputs));
  const identity = Matrix.reserve(space, inputs, inputs), output = Matrix.reserve(space, inputs, OUTPUTS);
  identity.write(Float32Array.from({ length: inputs ** 2 }, (_, i) => i % (inputs + 1) === 0 ? 1 : 0));
  projection.forward(workspace, identity, output);
  return output.read();
}

const SHAPES: StoredShape[] = [
  { inputs: 64, groupSize: 32 },
  { inputs: 136, groupSize: 64 },
  { inputs: 512, groupSize: 384 },
  { inputs: 576, groupSize: 256 },
  { inputs: 640, groupSize: 1000 },
  { inputs: 1536, groupSize: 1024 },
  { inputs: 320, groupSize: -1 },
  { inputs: 512, groupSize: 384, bits: 8 },
];

for (const shape of SHAPES) {
  const { inputs, groupSize, bits = 4 } = shape;
  Deno.test(`${inputs} inputs in groups of ${groupSize}, ${bits} bit: each input has its stored group's scale`, async () => {
    const weights = await loadedWeights(shape);
    for (let k = 0; k < inputs; k++) {
      const group = groupSize === -1 ? 0 : Math.floor(k / groupSize);
      for (let n = 0; n < OUTPUTS; n++) {
        assert.equal(weights[k * OUTPUTS + n], -(2 ** group) * (group + 1), `input ${k}, output ${n}`);
      }
    }
  });
}

Deno.test("8-bit weights of inputs that fill no block of eight are refused by name", async () => {
  await assert.rejects(loadedWeights({ inputs: 12, groupSize: -1, bits: 8 }), /m\.qweight.*multiples of 8/);
});

/** Loads a matrix of bf16, of which row `bad` is NaN, from a place that is slow to answer and may fail after the first window. */
async function loadFromAfar(
  { bad, failing, threads = 1, packingFails }: {
    bad?: number;
    failing?: boolean;
    threads?: number;
    packingFails?: boolean;
  },
): Promise<{ read: number; most: number }> {
  const inputs = 1 << 12, outputs = 512;
  const weights = new Uint16Array(inputs * outputs).fill(0x3f80);
  if (bad !== undefined) weights.fill(0x7fc0, bad * inputs, (bad + 1) * inputs);
  const data = new Uint8Array(weights.buffer);
  const files = new Map([
    [
      "model.safetensors",
      writeSafetensors([{ name: "m.weight", dtype: "BF16", shape: [outputs, inputs], data }]),
    ],
  ]);
  const local = memoryModelSource(files);
  let underWay = 0, most = 0, read = 0;
  const source: ModelSource = {
    list: () => local.list(),
    read: (name, begin, end) => local.read(name, begin, end),
    async readInto(name, begin, target) {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 5));
      underWay--;
      if (failing && read > 0) throw new Error("the line is dead");
      read++;
      await local.readInto!(name, begin, target);
    },
  };
  const checkpoint = await openCheckpoint(source);
  const plan = new WeightPlan(checkpoint, await quantizationOf(local), {
    precision: "int8",
    dense: "int8",
    embeddings: "int8",
  });
  plan.linear("m", outputs, inputs);
  const { startWorker } = denoPlatform;
  const [kernels] = await Kernels.start({ threads, variant: "auto", startWorker });
  const pack = kernels.packDenseCodes.bind(kernels);
  kernels.packDenseCodes = (call) => {
    pack(call);
    if (packingFails) throw new Error("no packing");
  };
  try {
    await loadWeights(plan, checkpoint, { kernelsOf: () => kernels, events: new HostEvents(denoPlatform) });
  } finally {
    const left = underWay;
    await kernels.close();
    assert.equal(left, 0, "no read is left on its way");
  }
  return { read, most };
}

for (const threads of [1, 2]) {
  Deno.test(`a tensor is read in windows, one at a time: ${threads} threads`, async () => {
    const { read, most } = await loadFromAfar({ threads });
    assert.ok(read > 4, `${read} windows`);
    assert.equal(most, 1);
  });
}

Deno.test("where packing fails, the read that was begun beside it ends first", async () => {
  await assert.rejects(loadFromAfar({ threads: 2, packingFails: true }), /no packing/);
});

Deno.test("a window that cannot be read, or holds no numbers, ends the load, and no read is left on its way", async () => {
  await assert.rejects(loadFromAfar({ failing: true }), /model\.safetensors.*the line is dead/);
  await assert.rejects(loadFromAfar({ bad: 3 }), /m\.weight.*4096 that are NaN/);
});
