/**
 * Checkpoints that other people's tools wrote and that were not understood once: each is a situation, and stands for a kind. Right
 * values are the reference's.
 */
import assert from "node:assert/strict";
import { loadModel } from "../../mod.ts";
import { refusalOf } from "../errors.ts";
import { argmax, deviation, largestDifference, readGolden } from "../goldens.ts";
import { caseList, hasShared, sharedPath } from "../shared.ts";

interface Case {
  case: string;
  path: string;
  situation: string;
  must: string;
}

/** What a refusal must name, where one is asked for; what a notice must name, where one is. */
const NAMED: Record<string, RegExp> = {
  "files-bin-only": /pytorch_model\.bin.*safetensors/,
  "gemma3-bidirectional": /use_bidirectional_attention/,
};
const NOTICED: Record<string, RegExp> = {
  "json-infinity": /not known and not used: time_step_limit, router_jitter$/,
  "sym-label-wrong": /sym/,
  "g-idx-all-zero": /g_idx/,
  "files-stale-single-beside-index": /^model\.safetensors is not used/,
};

for (
  const { case: name, path, situation } of caseList("loading", "cases", "loading", "manifest.json")
    .cases as Case[]
) {
  const title = `${name}: ${situation} (needs ../shared)`;
  const folder = sharedPath("cases", "loading", path);
  if (NAMED[name]) {
    Deno.test({ name: title, ignore: !hasShared }, async () => {
      const { message } = await refusalOf(() => loadModel(folder, { threads: 1 }));
      assert.match(message, NAMED[name]);
    });
    continue;
  }
  Deno.test({ name: title, ignore: !hasShared }, async () => {
    const arrays = readGolden(sharedPath("cases", "loading", name, "expected.safetensors"));
    const numbers = (of: string) => arrays.get(of)!.data as number[];
    const ids = numbers("input_ids"), logits = arrays.get("logits")!.data as Float32Array;
    const tolerance = 1e-3 * deviation(logits);
    const notices: string[] = [];
    const onNotice = (text: string) => notices.push(text);
    await using model = await loadModel(folder, { threads: 1, precision: "f32", onNotice });
    for (const size of [ids.length, 10, 7, 1]) {
      using sequence = model.createSequence();
      let row: Float32Array = new Float32Array();
      for (let begin = 0; begin < ids.length; begin += size) {
        const { data } = await sequence.forward(ids.slice(begin, begin + size), { logits: "all" });
        row = data.subarray(-model.info.vocabularySize);
        if (size === ids.length) {
          assert.ok(largestDifference(data, logits) <= tolerance, "logits of the prompt");
        }
      }
      const greedy = arrays.get("greedy_logits")!.data as Float32Array;
      for (const [i, id] of numbers("greedy_ids").entries()) {
        const expected = greedy.subarray(i * row.length, (i + 1) * row.length);
        assert.ok(
          largestDifference(row, expected) <= tolerance,
          `logits of token ${i} after calls of ${size}`,
        );
        assert.equal(argmax(row), id, `token ${i} after calls of ${size}`);
        row = (await sequence.forward([id])).data;
      }
    }
    if (NOTICED[name]) assert.match(notices.join("\n"), NOTICED[name]);
    else assert.deepEqual(notices, []);
  });
}
