/**
 * AutoAWQ's "gemv" layout: the golden's codes, scales and zero points laid out as its packer does must give the golden's logits. The
 * packer here follows awq/modules/linear/gemv.py and knows nothing of the reader.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource } from "../../mod.ts";
import { deviation, type GoldenArray, largestDifference, readGolden } from "../goldens.ts";
import { goldenPath } from "../shared.ts";
import { writeSafetensors, type WrittenTensor } from "./safetensors_writer.ts";

const GOLDEN = goldenPath("awq-gemm-asym-g64");
const GROUP = 64;
/** The output that field i of a word of the "gemm" layout has. */
const FIELDS = [0, 2, 4, 6, 1, 3, 5, 7];

/** Tensors of one module, [K, N / 8] words and [G, N] scales, in the other layout. */
function toGemv(module: string, arrays: Map<string, GoldenArray>): WrittenTensor[] {
  const words = arrays.get(`${module}.qweight`)!, zeroWords = arrays.get(`${module}.qzeros`)!;
  const scales = arrays.get(`${module}.scales`)!;
  const [inputs, columns] = words.shape, outputs = columns * 8, groups = inputs / GROUP;
  const field = (array: GoldenArray, row: number, output: number) =>
    array.data[row * columns + (output >> 3)] >>> (FIELDS.indexOf(output & 7) * 4) & 15;
  // Half a word of groups of 64 is a whole one of 128: two words together.
  const width = Math.ceil(Math.ceil(groups / 8) / 2) * 2;
  const qweight = new Int32Array(outputs * inputs / 8), qzeros = new Int32Array(outputs * width);
  const padded = new Uint16Array(outputs * width * 8);
  for (let n = 0; n < outputs; n++) {
    for (let k = 0; k < inputs; k++) {
      qweight[n * inputs / 8 + (k >> 3)] |= field(words, k, n) << ((k & 7) * 4);
    }
    for (let g = 0; g < groups; g++) {
      qzeros[n * width + (g >> 3)] |= field(zeroWords, g, n) << ((g & 7) * 4);
      padded[n * width * 8 + g] = scales.data[g * outputs + n];
    }
  }
  const tensor = (part: string, dtype: string, shape: number[], data: Int32Array | Uint16Array) => (
    { name: `${module}.${part}`, dtype, shape, data: new Uint8Array(data.buffer) }
  );
  return [
    tensor("qweight", "I32", [outputs, inputs / 8], qweight),
    tensor("qzeros", "I32", [outputs, width], qzeros),
    tensor("scales", "F16", [outputs, width * 8], padded),
  ];
}

Deno.test("gemv files have the weights of gemm files", async () => {
  const arrays = readGolden(`${GOLDEN}/model.safetensors`);
  const tensors = [...arrays].flatMap(([name, { shape, data }]): WrittenTensor[] => {
    if (name.endsWith(".qweight")) return toGemv(name.slice(0, -".qweight".length), arrays);
    if (/\.(qzeros|scales)$/.test(name)) return [];
    return [{ name, dtype: "F16", shape, data: new Uint8Array(Uint16Array.from(data).buffer) }];
  });
  const config = JSON.parse(Deno.readTextFileSync(`${GOLDEN}/config.json`));
  config.quantization_config.version = "gemv";
  const source = memoryModelSource(
    new Map([
      ["config.json", new TextEncoder().encode(JSON.stringify(config))],
      ["model.safetensors", writeSafetensors(tensors)],
    ]),
  );
  const expected = readGolden(`${GOLDEN}/expected.safetensors`);
  const logits = expected.get("logits")!.data as Float32Array;
  await using model = await loadModel(source, { threads: 1, precision: "f32" });
  using sequence = model.createSequence();
  const { data } = await sequence.forward(expected.get("input_ids")!.data as number[], { logits: "all" });
  assert.ok(largestDifference(data, logits) <= 1e-3 * deviation(logits));
});
