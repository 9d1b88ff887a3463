/**
 * Every text architecture and stored format: logits and hidden states computed by transformers in f32 on weights decoded
 * by an independent reader. The tolerances are those of the goldens' own README.
 */
import assert from "node:assert/strict";
import { loadModel } from "../../mod.ts";
import {
  ARCHITECTURES,
  argmax,
  cosine,
  deviation,
  divergence,
  largestDifference,
  readGolden,
  STORED_FORMATS,
} from "../goldens.ts";
import { goldenPath, goldenTest } from "../shared.ts";

function expectedOf(name: string) {
  const arrays = readGolden(`${goldenPath(name)}/expected.safetensors`);
  const ids = arrays.get("input_ids")!.data as number[];
  const logits = arrays.get("logits")!.data as Float32Array;
  return { arrays, ids, logits, vocabSize: logits.length / ids.length };
}

for (const name of [...ARCHITECTURES, ...STORED_FORMATS]) {
  goldenTest(name, "f32 logits, hidden states and greedy ids equal the reference", async () => {
    const { arrays, ids, logits } = expectedOf(name);
    await using model = await loadModel(goldenPath(name), { threads: 1, precision: "f32" });
    using sequence = model.createSequence();
    const traced = new Map<string, Float32Array>();
    const result = await sequence.forward(ids, {
      logits: "all",
      trace: (step, { data }) => traced.set(step, data),
    });
    assert.equal(result.data.length, logits.length);
    assert.ok(largestDifference(result.data, logits) <= 1e-3 * deviation(logits));
    for (const [expectedName, { data }] of arrays) {
      if (!expectedName.startsWith("hidden.")) continue;
      const ours = traced.get(expectedName.replace("hidden.layer.", "layers.").replace("hidden.", ""));
      assert.ok(ours, expectedName);
      assert.ok(largestDifference(ours, data) <= 1e-3 * deviation(data), expectedName);
    }
    const greedy = arrays.get("greedy_ids")!.data as number[];
    let row = result.data.subarray(-result.vocabSize);
    for (const [i, id] of greedy.entries()) {
      assert.equal(argmax(row), id, `greedy token ${i}`);
      row = (await sequence.forward([id])).data;
    }
  });

  goldenTest(name, "int8 logits stay within the README's bounds", async () => {
    const { ids, logits, vocabSize } = expectedOf(name);
    await using model = await loadModel(goldenPath(name), { threads: 1 });
    using sequence = model.createSequence();
    const { data } = await sequence.forward(ids, { logits: "all" });
    const divergences = ids.map((_, t) => {
      const expected = logits.subarray(t * vocabSize, (t + 1) * vocabSize);
      const got = data.subarray(t * vocabSize, (t + 1) * vocabSize);
      assert.ok(cosine(expected, got) >= 0.995, `cosine ${cosine(expected, got)} at position ${t}`);
      return divergence(expected, got);
    });
    assert.ok(divergences.reduce((sum, value) => sum + value) / ids.length <= 0.02);
  });
}

for (const precision of ["int8", "f32"] as const) {
  Deno.test(`${precision}: threads, kernels and the division into calls do not change a bit`, async () => {
    const { ids } = expectedOf("arch-gemma3-text");
    const bitsOf = async (threads: number, kernels: "relaxed" | "strict", cut: number) => {
      await using model = await loadModel(goldenPath("arch-gemma3-text"), {
        threads,
        kernels,
        precision,
      });
      using sequence = model.createSequence();
      const rows: number[] = [];
      for (let begin = 0; begin < ids.length; begin += cut) {
        const { data } = await sequence.forward(ids.slice(begin, begin + cut), { logits: "all" });
        rows.push(...new Uint32Array(data.buffer, data.byteOffset, data.length));
      }
      return rows;
    };
    const reference = await bitsOf(1, "relaxed", ids.length);
    for (const threads of [1, 2, 3]) {
      for (const kernels of ["relaxed", "strict"] as const) {
        for (const cut of [ids.length, 1, 7]) {
          assert.deepEqual(await bitsOf(threads, kernels, cut), reference, `${threads} ${kernels} ${cut}`);
        }
      }
    }
  });
}
