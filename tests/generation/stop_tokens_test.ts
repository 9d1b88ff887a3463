/**
 * Stop strings that are special tokens: these stand in no text, so that a search in the text would never find them.
 */
import assert from "node:assert/strict";
import { loadModel } from "../../mod.ts";
import { goldenPath } from "../shared.ts";

const SPECIAL = "<|begin_of_text|>";

Deno.test("an answer ends at a stop string that is a special token, and nothing of it is text", async () => {
  await using model = await loadModel(goldenPath("arch-llama"), { threads: 1 });
  const id = model.tokenizer.idOf(SPECIAL)!;
  // Two tokens of text, then the special one: it alone is likely from the third on.
  const first = await model.complete({ prompt: "Hello", maxTokens: 2, temperature: 0, ignoreEnd: true });
  const prompt = [...model.tokenizer.encode("Hello"), ...first.tokenIds];
  const request = { prompt, maxTokens: 4, temperature: 0, ignoreEnd: true, logitBias: { [id]: 100 } };
  for (const keepSpecialTokens of [false, true]) {
    const free = await model.complete({ ...request, keepSpecialTokens });
    assert.deepEqual(free.tokenIds, [id, id, id, id]);
    const stopped = await model.complete({ ...request, keepSpecialTokens, stop: ["no such text", SPECIAL] });
    assert.deepEqual([stopped.tokenIds, stopped.text, stopped.finishReason], [[id], "", "stop"]);
    const chunks = await Array.fromAsync(model.generate({ ...request, keepSpecialTokens, stop: SPECIAL }));
    assert.equal(chunks.at(-1)!.stop, SPECIAL);
  }
});

Deno.test("an answer that ends by itself names no stop string", async () => {
  await using model = await loadModel(goldenPath("arch-llama"), { threads: 1 });
  const ends = [...Array(model.tokenizer.vocabSize).keys()].filter((id) => model.tokenizer.isSpecial(id));
  for (const id of ends) {
    const text = model.tokenizer.tokenText(id);
    const chunks = await Array.fromAsync(
      model.generate({
        prompt: "Hello",
        maxTokens: 2,
        temperature: 0,
        logitBias: { [id]: 100 },
        stop: [text],
      }),
    );
    const { finishReason, stop, usage } = chunks.at(-1)!;
    assert.deepEqual([finishReason, usage!.completionTokens], ["stop", 1], text);
    assert.ok(stop === undefined || stop === text);
  }
});
