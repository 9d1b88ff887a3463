/** Quantised models on disk: what is written is what was computed, whole or not at all, and the same for any number of threads. */
import assert from "node:assert/strict";
import { type ErrorCode, loadModel, memoryModelSource, type ModelSource, quantizeModel } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { writeSafetensors } from "../formats/safetensors_writer.ts";
import { deviation, largestDifference, readGolden } from "../goldens.ts";
import { decodeBf16 } from "../reference/half_floats.ts";
import { goldenPath, goldenTest } from "../shared.ts";
import { DENSE_FOLDER, denseFiles, denseText } from "./dense_golden.ts";
import { inFolder } from "../in_folder.ts";

const FOLDER = DENSE_FOLDER;
const TEXT = denseText(2000);

/** The golden, with a tokenizer of its vocabulary. */
function dense(weights?: Uint8Array<ArrayBuffer>): ModelSource {
  return memoryModelSource(denseFiles(weights));
}

const SETTINGS = { groupSize: 32, calibration: TEXT, sequences: 8, sequenceLength: 64 } as const;
const LINEAR = "model.layers.1.mlp.down_proj";

/** W of a written module, [outputs][inputs], by the format's own definition. */
function readWeights(file: string, name: string, bits: number): number[][] {
  const tensors = readGolden(file), inWord = 32 / bits, mask = 2 ** bits - 1;
  const part = (last: string) => tensors.get(`${name}.${last}`)!;
  const [codes, zeros, scales, index] = ["qweight", "qzeros", "scales", "g_idx"].map((last) =>
    part(last).data
  );
  const outputs = part("qweight").shape[1];
  const halves = new Float16Array(Uint16Array.from(scales).buffer);
  return Array.from({ length: outputs }, (_, n) =>
    Array.from({ length: index.length }, (_, k) => {
      const g = Number(index[k]);
      const code = Number(codes[Math.floor(k / inWord) * outputs + n]) >>> k % inWord * bits & mask;
      const zero = Number(zeros[g * outputs / inWord + Math.floor(n / inWord)]) >>> n % inWord * bits & mask;
      return halves[g * outputs + n] * (code - zero - 1);
    }));
}

/** A written model with its modules as f32, by `readWeights`. */
function readBack(out: string, bits: number): ModelSource {
  const { quantization_config: _, ...config } = JSON.parse(Deno.readTextFileSync(`${out}/config.json`));
  const file = `${out}/model.safetensors`;
  const tensors = [...readGolden(`${FOLDER}/model.safetensors`)].map(([name, { shape, data }]) => {
    const values = name.endsWith("_proj.weight")
      ? Float32Array.from(readWeights(file, name.slice(0, -".weight".length), bits).flat())
      : Float32Array.from(data, (value) => decodeBf16(Number(value)));
    return { name, dtype: "F32", shape, data: new Uint8Array(values.buffer) };
  });
  return memoryModelSource(
    new Map([
      ["config.json", new TextEncoder().encode(JSON.stringify(config))],
      ["model.safetensors", writeSafetensors(tensors)],
    ]),
  );
}

for (
  const [title, options] of [
    ["rtn", { method: "rtn" }],
    ["gptq", {}],
    ["gptq, act-order", { actOrder: true }],
    ["gptq, own zero points", { symmetric: false }],
    ["gptq, 8 bits", { bits: 8 }],
  ] as const
) {
  goldenTest(
    "bf16-dense",
    `${title}: weights near those of the file, read back by the loader as written`,
    () =>
      inFolder(async (folder) => {
        const out = `${folder}/out`, bits = title.endsWith("8 bits") ? 8 : 4;
        await quantizeModel(dense(), out, { ...SETTINGS, ...options, threads: 1 });
        assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["out"]);
        const files = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
        const texts = ["LICENSE", "README.md", "config.json", "quantize_config.json", "tokenizer.json"];
        assert.deepEqual(files, [...texts, "model.safetensors"].sort());
        const found = readWeights(`${out}/model.safetensors`, LINEAR, bits);
        const { shape: [outputs, inputs], data } = readGolden(`${FOLDER}/model.safetensors`).get(
          `${LINEAR}.weight`,
        )!;
        assert.deepEqual([found.length, found[0].length], [outputs, inputs]);
        let error = 0, square = 0;
        for (let n = 0; n < outputs; n++) {
          for (let k = 0; k < inputs; k++) {
            const value = decodeBf16(data[n * inputs + k] as number);
            error += (found[n][k] - value) ** 2;
            square += value ** 2;
          }
        }
        const share = Math.sqrt(error / square);
        assert.ok(share < (bits === 4 ? 0.2 : 0.012), `${share}`);
        await using model = await loadModel(out, { threads: 1, precision: "f32" });
        await using exact = await loadModel(readBack(out, bits), { threads: 1, precision: "f32" });
        const ids = Array.from({ length: 40 }, (_, i) => i * 7 % 23);
        const [a, b] = await Promise.all([model, exact].map(async (each) => {
          using sequence = each.createSequence();
          return (await sequence.forward(ids, { logits: "all" })).data;
        }));
        assert.ok(largestDifference(a, b) < 1e-4 * deviation(b), `${largestDifference(a, b)}`);
      }),
  );
}

goldenTest(
  "bf16-dense",
  "every sequence counts alike: in another order the codes are nearly the same",
  () =>
    inFolder(async (folder) => {
      const { sequences: count, sequenceLength: length } = SETTINGS;
      const pieces = Array.from({ length: count }, (_, i) => TEXT.slice(i * length, (i + 1) * length));
      const weightsOf = async (calibration: string, name: string) => {
        const out = `${folder}/${name}`;
        await quantizeModel(dense(), out, { ...SETTINGS, calibration, threads: 2 });
        return ["self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"].map((linear) =>
          readWeights(`${out}/model.safetensors`, `model.layers.0.${linear}`, 4).flat()
        );
      };
      const there = await weightsOf(pieces.join(""), "there");
      const back = await weightsOf(pieces.toReversed().join(""), "back");
      there.forEach((weights, i) => {
        const same = weights.filter((weight, at) => weight === back[i][at]).length / weights.length;
        // Sums in another order move a value that lies in the middle of two codes, and what comes after it.
        assert.ok(same > 0.97, `${same} of layer ${i}`);
      });
    }),
);

goldenTest("bf16-dense", "the same bytes for any number of threads", () =>
  inFolder(async (folder) => {
    const files: Uint8Array[] = [];
    for (const threads of [1, 2, 3]) {
      await quantizeModel(dense(), `${folder}/${threads}`, { ...SETTINGS, threads });
      files.push(Deno.readFileSync(`${folder}/${threads}/model.safetensors`));
    }
    assert.deepEqual(files[1], files[0]);
    assert.deepEqual(files[2], files[0]);
  }));

goldenTest(
  "bf16-dense",
  "what cannot be is refused by name, and nothing is left",
  () =>
    inFolder(async (folder) => {
      const out = `${folder}/out`, source = dense();
      const refused = (options: object, code: ErrorCode, parts: string[], model: ModelSource = source) =>
        assertRefused(
          () => quantizeModel(model, out, { ...SETTINGS, threads: 1, ...options }),
          code,
          ...parts,
        );
      await refused({ calibration: undefined }, "BAD_ARGUMENT", ["method", "calibration"]);
      await refused({ calibration: "abc" }, "BAD_ARGUMENT", ["64 tokens", "3"]);
      await refused({ bits: 3 }, "BAD_ARGUMENT", ["bits", "3"]);
      await refused({ groupSize: 20 }, "BAD_ARGUMENT", ["groupSize", "20"]);
      await refused({ groupSize: 128 }, "UNSUPPORTED", ["down_proj", "128", "192"]);
      await refused({ method: "rtn", actOrder: true }, "BAD_ARGUMENT", ["actOrder"]);
      const controller = new AbortController();
      const stopped = quantizeModel(source, out, {
        ...SETTINGS,
        threads: 2,
        signal: controller.signal,
        onProgress: () => controller.abort(new Error("enough")),
      });
      await assert.rejects(stopped, /enough/);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
      Deno.mkdirSync(out);
      await refused({}, "BAD_ARGUMENT", ["out"]);
    }),
);

/** The golden's file with one weight of a tensor as these bits, in bf16. */
function withWeight(name: string, bits: number): Uint8Array<ArrayBuffer> {
  const bytes = Deno.readFileSync(`${FOLDER}/model.safetensors`), view = new DataView(bytes.buffer);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  view.setUint16(8 + length + header[name].data_offsets[0] + 2 * 37, bits, true);
  return bytes;
}

goldenTest(
  "bf16-dense",
  "a weight that no code can mean is refused with the module's name",
  () =>
    inFolder(async (folder) => {
      // The last module that is rounded: no activation after it would tell.
      for (const [bits, found] of [[0x7fc0, "NaN"], [0xff80, "infinite"], [0x7f00, "scales"]] as const) {
        for (const method of ["rtn", "gptq"] as const) {
          await assertRefused(
            () =>
              quantizeModel(dense(withWeight(`${LINEAR}.weight`, bits)), `${folder}/out`, {
                ...SETTINGS,
                method,
                threads: 1,
              }),
            "BAD_TENSOR",
            LINEAR,
            found,
          );
        }
      }
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }),
);

goldenTest(
  "gguf-f16",
  "a model that is not in safetensors is refused, though its weights are floats",
  () =>
    inFolder(async (folder) => {
      for (const method of ["rtn", "gptq"] as const) {
        const options = { ...SETTINGS, method, threads: 1 };
        await assertRefused(
          () => quantizeModel(goldenPath("gguf-f16"), `${folder}/out`, options),
          "UNSUPPORTED",
          "model.gguf",
          "safetensors",
        );
      }
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }),
);
