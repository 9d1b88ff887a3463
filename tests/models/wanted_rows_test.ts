/**
 * The last layer computes only the rows whose logits are asked for. Truth: a sequence that asks for all of them.
 */
import assert from "node:assert/strict";
import { loadModel, type LoadOptions } from "../../mod.ts";
import { goldenPath, goldenTest } from "../shared.ts";

const CASES: [string, LoadOptions][] = [
  ["arch-llama", { threads: 2 }],
  ["arch-gemma3-text", { threads: 1 }],
  ["arch-qwen3", { threads: 1 }],
  ["arch-phi3", { threads: 2, kvCache: "f32" }],
  ["gptq-desc-act", { threads: 1, kernels: "strict" }],
  ["bf16-dense", { threads: 1, precision: "f32" }],
];

for (const [name, options] of CASES) {
  goldenTest(name, `logits of the last token, or of none, change no bit of what follows`, async () => {
    await using model = await loadModel(goldenPath(name), options);
    const ids = Array.from({ length: 37 }, (_, i) => (i * 7 + 3) % 50);
    using whole = model.createSequence();
    const { data, vocabSize } = await whole.forward(ids, { logits: "all" });
    const rowOf = (i: number) => data.slice(i * vocabSize, (i + 1) * vocabSize);

    using last = model.createSequence();
    assert.deepEqual((await last.forward(ids.slice(0, 30))).data, rowOf(29));
    assert.deepEqual((await last.forward(ids.slice(30))).data, rowOf(36));

    using none = model.createSequence();
    await none.forward(ids.slice(0, 5), { logits: "none" });
    await none.forward(ids.slice(5, 6), { logits: "none" });
    assert.deepEqual((await none.forward(ids.slice(6, 36))).data, rowOf(35));
    assert.deepEqual((await none.forward(ids.slice(36))).data, rowOf(36));
  });
}
