/**
 * What is written, read by GPTQModel, and by transformers with compressed-tensors: the same logits as ours. `READERS_PYTHON` names a Python that
 * has them (tools/format_fixtures/read_logits.py).
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { convertModel, loadModel, quantizeModel } from "../../mod.ts";
import { deviation, largestDifference } from "../goldens.ts";
import { goldenPath } from "../shared.ts";

const PYTHON = Deno.env.get("READERS_PYTHON");
const READER = fileURLToPath(new URL("../../tools/format_fixtures/read_logits.py", import.meta.url));
const IDS = Array.from({ length: 30 }, (_, i) => i * 7 % 250);

/** GPTQModel loads nothing without one. */
const TOKENIZER = {
  version: "1.0",
  added_tokens: [],
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true, trim_offsets: true },
  decoder: { type: "ByteLevel", add_prefix_space: false, use_regex: true, trim_offsets: true },
  model: { type: "BPE", vocab: { a: 0 }, merges: [] },
};

async function assertReadAlike(folder: string): Promise<void> {
  Deno.writeTextFileSync(`${folder}/tokenizer.json`, JSON.stringify(TOKENIZER));
  const ofClass = { tokenizer_class: "PreTrainedTokenizerFast" };
  Deno.writeTextFileSync(`${folder}/tokenizer_config.json`, JSON.stringify(ofClass));
  const command = new Deno.Command(PYTHON!, {
    args: [READER, folder, IDS.join(","), `${folder}/theirs`],
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  assert.ok(success, new TextDecoder().decode(stderr).slice(-2000));
  const theirs = new Float32Array(Deno.readFileSync(`${folder}/theirs`).buffer);
  await using model = await loadModel(folder, { threads: 1, precision: "f32" });
  using sequence = model.createSequence();
  const { data } = await sequence.forward(IDS, { logits: "all" });
  assert.equal(theirs.length, data.length);
  const difference = largestDifference(theirs, data) / deviation(data);
  // GPTQModel computes in f16.
  assert.ok(difference < 0.02, `${difference} deviations`);
}

for (
  const [title, make] of [
    ["gptq by rtn", (out) => quantizeModel(goldenPath("bf16-dense"), out, { method: "rtn", groupSize: 32 })],
    [
      "compressed-tensors from gptq",
      (out) => convertModel(goldenPath("gptq-v1-sym-g32"), out, { to: "compressed-tensors" }),
    ],
    ["gptq from compressed-tensors", (out) => convertModel(goldenPath("ct-actorder"), out, { to: "gptq" })],
  ] as [string, (out: string) => Promise<void>][]
) {
  Deno.test({
    name: `others read ${title} as we do${PYTHON ? "" : " (needs READERS_PYTHON)"}`,
    ignore: PYTHON === undefined,
    async fn() {
      const folder = Deno.makeTempDirSync();
      try {
        await make(`${folder}/out`);
        await assertReadAlike(`${folder}/out`);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}
