/** Loading takes no more memory than the plan of it says, whatever the formats need. */
import assert from "node:assert/strict";
import { Kernels } from "../../kernels/host/kernels.ts";
import { openCheckpoint } from "../../src/formats/containers/checkpoint.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { HostEvents } from "../../src/platform/events.ts";
import { loadWeights, stagingBytes } from "../../src/weights/load.ts";
import { WeightPlan } from "../../src/weights/plan.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";
import { quantizationOf } from "../quantization.ts";

const GROUP = 64;
const BYTES = { I32: 4, F16: 2, F32: 4, BF16: 2 };
/** Outputs and inputs of modules whose tensors have sizes of their own, all longer than a window. */
const SHAPES = [[512, 1024], [1024, 1024], [512, 3072], [2048, 1024]];

interface StoredTensor {
  part: string;
  dtype: keyof typeof BYTES;
  shape: number[];
  data?: Int32Array;
}

interface StoredFormat {
  config?: Record<string, unknown>;
  tensorsOf(outputs: number, inputs: number): StoredTensor[];
}

function gptq(bits: 4 | 8, isOrdered: boolean): StoredFormat {
  return {
    config: {
      quant_method: "gptq",
      bits,
      group_size: GROUP,
      sym: false,
      desc_act: isOrdered,
      checkpoint_format: "gptq_v2",
    },
    tensorsOf: (outputs, inputs) => [
      { part: "qweight", dtype: "I32", shape: [inputs * bits / 32, outputs] },
      { part: "qzeros", dtype: "I32", shape: [inputs / GROUP, outputs * bits / 32] },
      { part: "scales", dtype: "F16", shape: [inputs / GROUP, outputs] },
      {
        part: "g_idx",
        dtype: "I32",
        shape: [inputs],
        data: Int32Array.from(
          { length: inputs },
          (_, k) => isOrdered ? k % (inputs / GROUP) : Math.floor(k / GROUP),
        ),
      },
    ],
  };
}

const FORMATS: Record<string, StoredFormat> = {
  "GPTQ, 4 bits": gptq(4, false),
  "GPTQ, 4 bits, inputs in another order": gptq(4, true),
  "GPTQ, 8 bits": gptq(8, false),
  "Marlin": {
    config: {
      quant_method: "gptq",
      bits: 4,
      group_size: GROUP,
      sym: true,
      desc_act: false,
      checkpoint_format: "marlin",
    },
    tensorsOf: (outputs, inputs) => [
      { part: "B", dtype: "I32", shape: [inputs / 16, 2 * outputs] },
      { part: "s", dtype: "F16", shape: [inputs / GROUP, outputs] },
    ],
  },
  "bf16, biases longer than a window": {
    tensorsOf: (outputs, inputs) => [
      { part: "weight", dtype: "BF16", shape: [128 * outputs, inputs / 128] },
      { part: "bias", dtype: "F32", shape: [128 * outputs] },
    ],
  },
};

for (const [name, { config, tensorsOf }] of Object.entries(FORMATS)) {
  Deno.test(`loading takes the memory that its plan says: ${name}`, async () => {
    const tensors = SHAPES.flatMap(([outputs, inputs], i) =>
      tensorsOf(outputs, inputs).map(({ part, dtype, shape, data }) => ({
        name: `m${i}.${part}`,
        dtype,
        shape,
        data: data
          ? new Uint8Array(data.buffer)
          : new Uint8Array(shape.reduce((product, size) => product * size, BYTES[dtype])),
      }))
    );
    const source = memoryModelSource(
      new Map([
        ["model.safetensors", writeSafetensors(tensors)],
        ...(config
          ? [["quantize_config.json", new TextEncoder().encode(JSON.stringify(config))]] as const
          : []),
      ]),
    );
    const checkpoint = await openCheckpoint(source);
    const plan = new WeightPlan(checkpoint, await quantizationOf(source), {
      precision: "int8",
      dense: "int8",
      embeddings: "f16",
    });
    const isDense = config === undefined;
    plan.part("all");
    SHAPES.forEach(([outputs, inputs], i) =>
      plan.linear(`m${i}`, isDense ? 128 * outputs : outputs, isDense ? inputs / 128 : inputs)
    );
    const kernels = Kernels.alone(), { memory } = kernels, { end } = memory;
    let pieces = 0;
    const allocate = memory.allocate.bind(memory);
    memory.allocate = (bytes, isZeroed) => {
      pieces++;
      return allocate(bytes, isZeroed);
    };
    let progress = { loadedBytes: 0, totalBytes: 0 };
    await loadWeights(plan, checkpoint, {
      kernelsOf: () => kernels,
      events: new HostEvents(denoPlatform),
      onProgress: (told) => progress = told,
    });
    const taken = memory.end - end, planned = plan.bytes + stagingBytes(plan);
    // Each piece ends with its cache line.
    assert.ok(taken <= planned + 63 * pieces, `${taken} bytes of ${planned}`);
    assert.equal(progress.loadedBytes, progress.totalBytes);
  });
}
