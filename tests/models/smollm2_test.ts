/**
 * The real model against transformers in f32: top logits, hidden states and greedy continuations of reference.json. The
 * perplexity of 2,048 tokens takes a minute and is a command of its own: tools/perplexity.ts.
 */
import assert from "node:assert/strict";
import { loadModel, type LoadOptions } from "../../mod.ts";
import { deviation, divergence, largestDifference, readGolden } from "../goldens.ts";
import { hasShared, sharedPath } from "../shared.ts";

const DIRECTORY = hasShared ? sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4") : "";

interface Prompt {
  name: string;
  ids: number[];
  top20: [number, number][];
  greedy_ids: number[];
  greedy_near_ties: number[];
}

Deno.test({
  name: "SmolLM2, f32: logits, hidden states and greedy answers equal the reference (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const reference = JSON.parse(Deno.readTextFileSync(`${DIRECTORY}/reference/reference.json`));
    await using model = await loadModel(DIRECTORY, { precision: "f32", threads: 2 });
    for (const { name, ids, top20, greedy_ids, greedy_near_ties } of reference.prompts as Prompt[]) {
      using sequence = model.createSequence();
      const { data } = await sequence.forward(ids);
      const difference = Math.max(...top20.map(([id, logit]) => Math.abs(data[id] - logit)));
      assert.ok(difference <= 1e-3 * deviation(data), `${name}: ${difference}`);
      const { tokenIds } = await model.complete({
        prompt: ids,
        maxTokens: greedy_ids.length,
        temperature: 0,
      });
      const first = tokenIds.findIndex((id, i) => id !== greedy_ids[i]);
      assert.ok(first < 0 || greedy_near_ties.includes(first), `${name}: differs at ${first}`);
    }
    const hidden = readGolden(`${DIRECTORY}/reference/hidden.safetensors`);
    using sequence = model.createSequence();
    const traced = new Map<string, Float32Array>();
    const ids = hidden.get("input_ids")!.data as number[];
    await sequence.forward(ids, { trace: (step, { data }) => traced.set(step, data) });
    const names = {
      embed: "embed",
      layer_0: "layers.0",
      layer_1: "layers.1",
      layer_29: "layers.29",
      final_norm: "norm",
    };
    for (const [theirs, ours] of Object.entries(names)) {
      const { data } = hidden.get(theirs)!;
      assert.ok(largestDifference(traced.get(ours)!, data) <= 1e-3 * deviation(data), theirs);
    }
  },
});

Deno.test({
  name:
    "SmolLM2, int8: divergence stays within the goldens' bounds for integer activations (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const reference = JSON.parse(Deno.readTextFileSync(`${DIRECTORY}/reference/reference.json`));
    const prompts = reference.prompts as Prompt[];
    // All logits come from our f32, which the test above holds to the reference.
    const logitsOf = async (options: LoadOptions) => {
      await using model = await loadModel(DIRECTORY, { threads: 2, ...options });
      const rows: Float32Array[] = [];
      for (const { ids } of prompts) {
        using sequence = model.createSequence();
        rows.push((await sequence.forward(ids)).data);
      }
      return rows;
    };
    const expected = await logitsOf({ precision: "f32" });
    for (const kvCache of ["f32", "f16", "int8"] as const) {
      const got = await logitsOf({ kvCache });
      const divergences = expected.map((row, i) => divergence(row, got[i]));
      assert.ok(Math.max(...divergences) <= 0.1, `${kvCache}: ${Math.max(...divergences)}`);
      assert.ok(divergences.reduce((sum, value) => sum + value) / divergences.length <= 0.01, kvCache);
    }
  },
});
