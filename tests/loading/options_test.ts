/** More threads than cores: the same bits, and an end. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inspectModel, loadModel } from "../../mod.ts";
import { chooseOptions } from "../../src/loading/options.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { assertRefused } from "../errors.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

Deno.test("many more threads than cores: the same bits for a prompt, a picture and an answer", async () => {
  const picture = Deno.readFileSync(`${SCENES}/reference/tall-chat.png`);
  const ask = async (threads: number) => {
    await using model = await loadModel(SCENES, { threads });
    assert.equal(model.engine.threads, threads);
    const messages = [{ role: "user", content: "Describe the picture." }];
    return await model.complete({ messages, images: [picture], maxTokens: 8, temperature: 0, logprobs: 3 });
  };
  assert.deepEqual(await ask(3 * navigator.hardwareConcurrency + 2), await ask(1));
});

Deno.test("several models with threads of their own take turns on the same cores", async () => {
  const prompt = "There are two stars.";
  const answers = await Promise.all([2, 3, 4].map(async (threads) => {
    await using model = await loadModel(SCENES, { threads });
    return await model.complete({ prompt, maxTokens: 8, temperature: 0, logprobs: 1 });
  }));
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
});

Deno.test("threads are what is asked for, or no more than the host counts", async () => {
  const threadsFor = (threads?: number, platform = denoPlatform) =>
    chooseOptions({ threads }, platform).threads;
  assert.equal(threadsFor(7), 7);
  const chosen = threadsFor();
  assert.ok(chosen >= 1 && chosen <= navigator.hardwareConcurrency);
  for (const processors of [1, 3]) {
    assert.equal(threadsFor(undefined, { ...denoPlatform, processors: () => processors }), processors);
  }
  assert.equal(threadsFor(undefined, { ...denoPlatform, processors: () => 4096 }), 256);
  for (const wrong of [0, -1, 1.5, 257, NaN]) {
    await assertRefused(() => threadsFor(wrong), "BAD_ARGUMENT", `${wrong}`);
  }
});

Deno.test("more threads than the host has processors are told, as many are not", async () => {
  const processors = navigator.hardwareConcurrency, told: string[][] = [];
  for (const threads of [processors, processors + 1]) {
    const notices: string[] = [];
    await inspectModel(SCENES, { threads, onNotice: (text) => notices.push(text) });
    told.push(notices);
  }
  const [none, [notice, ...others]] = told;
  assert.deepEqual([none, others], [[], []]);
  assert.match(
    notice,
    new RegExp(`threads: ${processors + 1}, and the host counts ${processors} processors`),
  );
});
