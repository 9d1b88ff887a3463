/**
 * A model that lies in several memories has the bits of one that lies in one: memories so small that every few layers need
 * another, for text and for pictures, and places beyond 2 GiB.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../mod.ts";
import { placeParts } from "../../src/weights/placement.ts";
import { assertRefused } from "../errors.ts";
import { readGolden } from "../goldens.ts";
import { goldenPath, goldenTest } from "../shared.ts";
import { smallestBanks } from "../smallest_banks.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

for (const threads of [1, 3]) {
  for (const precision of ["int8", "f32"] as const) {
    Deno.test(`the embedded model in many memories, ${threads} threads, ${precision}: the same bits`, async () => {
      const options = { threads, precision, contextSize: 128 };
      const picture = Deno.readFileSync(`${SCENES}/reference/tall-chat.png`);
      const ask = async (bankBytes?: number) => {
        await using model = await loadModel(SCENES, { ...options, bankBytes });
        assert.equal(model.engine.memories > 1, bankBytes !== undefined);
        using sequence = model.createSequence();
        const ids = model.tokenizer.encode("<|begin_of_text|><|image|>Describe the picture.");
        const prompt = await sequence.forward(ids, { images: [picture], logits: "all" });
        const next = await sequence.forward([7], { attention: true });
        return [prompt.data, next.data, next.attention![0].weights];
      };
      const bankBytes = await smallestBanks(SCENES, options);
      assert.deepEqual(await ask(bankBytes), await ask());
    });
  }
}

for (const name of ["arch-gemma3-text", "arch-llama", "gptq-desc-act", "mllama-gptq-vision"]) {
  goldenTest(name, `in many memories: the same bits`, async () => {
    const path = goldenPath(name);
    const text = name.startsWith("mllama") ? "text.sequence" : "input_ids";
    const ids = readGolden(`${path}/expected.safetensors`).get(text)!.data as number[];
    const run = async (bankBytes?: number) => {
      await using model = await loadModel(path, { threads: 2, bankBytes });
      assert.equal(model.engine.memories > 1, bankBytes !== undefined);
      using sequence = model.createSequence();
      const first = await sequence.forward(ids.slice(0, 9), { logits: "all" });
      const rest = await sequence.forward(ids.slice(9), { logits: "all" });
      return [first.data, rest.data];
    };
    assert.deepEqual(await run(await smallestBanks(path, { threads: 2 })), await run());
  });
}

Deno.test("parts keep their order and fill one memory after the other", () => {
  const parts = [5, 3, 2, 6, 1, 1, 9, 1].map((bytes, i) => ({ name: `${i}`, bytes }));
  assert.deepEqual([...placeParts(parts, 10).values()], [0, 0, 0, 1, 1, 1, 2, 2]);
  assert.deepEqual([...placeParts(parts, 100).values()], Array(8).fill(0));
});

Deno.test("a part that no memory holds is refused by name and size", async () => {
  await assertRefused(
    () => placeParts([{ name: "layers.3", bytes: 11 }], 10),
    "OUT_OF_MEMORY",
    "layers.3",
    "11",
  );
});
