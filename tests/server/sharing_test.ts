/**
 * One engine for many: answers at once are those of one after the other, a long prompt lets others go on, prompts that begin alike
 * are computed once.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { type GenerateChunk, loadModel } from "../../mod.ts";
import { SequencePool } from "../../src/server/engine/sequence_pool.ts";
import { hasShared, sharedPath } from "../shared.ts";
import { NAME, PICTURE, SCENES, type Serving, serving } from "./serving.ts";

const SMOLLM2 = "models/SmolLM2-135M-Instruct-GPTQ-Int4";

async function ask({ url }: Serving, body: Record<string, unknown>) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: NAME, ...body }),
  });
  equal(response.status, 200);
  return await response.json();
}

Deno.test("24 requests at once, drawn, constrained and with pictures, have the answers of one after the other", async () => {
  await using server = await serving({ maxConcurrent: 8, maxQueue: 24 });
  const image = {
    type: "image_url",
    image_url: { url: `data:image/png;base64,${Deno.readFileSync(PICTURE).toBase64()}` },
  };
  const bodies = Array.from({ length: 24 }, (_, i) => ({
    messages: [{
      role: "user",
      content: i % 4 === 0 ? [image, { type: "text", text: `Is there a star? ${i}` }] : `Tell ${i}.`,
    }],
    max_tokens: 10 + i,
    seed: i,
    temperature: i % 3,
    ...(i % 5 === 0 && { response_format: { type: "json_object" } }),
  }));
  const textOf = (answer: { choices: { message: { content: string } }[] }) =>
    answer.choices[0].message.content;
  const alone: string[] = [];
  for (const body of bodies) alone.push(textOf(await ask(server, body)));
  deepEqual((await Promise.all(bodies.map((body) => ask(server, body)))).map(textOf), alone);
});

Deno.test("what prompts have in common is found again, system prompts and pictures, whoever asks", async () => {
  await using server = await serving();
  const system = { role: "system", content: "There is a scene of shapes in many colours. ".repeat(10) };
  const asked = async (content: unknown) => {
    const { usage } = await ask(server, { messages: [system, { role: "user", content }], max_tokens: 2 });
    return usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens;
  };
  await asked("Is there a star?");
  ok(await asked("Is there a cross?") < 20);
  const image = {
    type: "image_url",
    image_url: { url: `data:image/png;base64,${Deno.readFileSync(PICTURE).toBase64()}` },
  };
  await asked([image, { type: "text", text: "Is there a star?" }]);
  ok(await asked([image, { type: "text", text: "And a circle?" }]) < 20);
});

Deno.test("requests that look for a sequence at once never get the same one", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  using pool = new SequencePool(model, 4);
  const prepared = await model.prepare({ prompt: "There is a scene of many shapes and colours. ".repeat(4) });
  const known = await Promise.all([40, 30, 20].map(async (length) => {
    const sequence = await pool.take(prepared);
    await sequence.forward(prepared.promptIds.slice(0, length), { logits: "none" });
    return sequence;
  }));
  for (const sequence of known) pool.give(sequence);
  const taken = await Promise.all([1, 2, 3, 4].map(() => pool.take(prepared)));
  equal(new Set(taken).size, 4);
  // Each got the best that was left.
  deepEqual(taken.map(({ length }) => length), [40, 30, 20, 0]);
  for (const sequence of taken) pool.give(sequence);
});

Deno.test({
  name: `a long prompt does not stall who generates${hasShared ? "" : " (needs ../shared)"}`,
  ignore: !hasShared,
  async fn() {
    await using server = await serving({}, sharedPath(SMOLLM2), 4096);
    const { model } = server;
    const prompt = "The quick brown fox jumps over the lazy dog. ".repeat(250);
    let isReading = false, besidePrompt = 0;
    const generating = (async () => {
      const chunks: GenerateChunk[] = [];
      for await (
        const chunk of model.generate({
          prompt: "Once upon a time",
          maxTokens: 150,
          temperature: 0,
          ignoreEnd: true,
        })
      ) {
        chunks.push(chunk);
        if (isReading) besidePrompt++;
        if (chunks.length === 20) void reading();
      }
      return chunks.flatMap(({ tokenIds }) => tokenIds);
    })();
    const { promise, resolve } = Promise.withResolvers<void>();
    async function reading(): Promise<void> {
      isReading = true;
      await model.complete({ prompt, maxTokens: 1 });
      isReading = false;
      resolve();
    }
    const [ids] = await Promise.all([generating, promise]);
    // In one pass it would be none or one.
    ok(besidePrompt >= 5, `${besidePrompt} tokens came while the prompt was computed`);
    const expected = await model.complete({
      prompt: "Once upon a time",
      maxTokens: 150,
      temperature: 0,
      ignoreEnd: true,
    });
    deepEqual(ids, expected.tokenIds);
  },
});
