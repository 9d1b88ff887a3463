/**
 * The official `openai` package for JavaScript against a server here.
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import OpenAI from "npm:openai@7.59.0";
import { NAME, pictureUrl, type Serving, serving } from "./serving.ts";

const QUESTION = { role: "user" as const, content: "Describe the picture." };

function clientOf({ url }: Serving, options: Record<string, unknown> = {}): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, ...options });
}

Deno.test("openai: a chat completion, whole and as a stream, is the library's answer", async () => {
  await using server = await serving();
  const client = clientOf(server);
  const messages = [{ role: "user" as const, content: "How many objects are there?" }];
  const body = { model: NAME, messages, max_completion_tokens: 12, temperature: 0 };
  const expected = await server.model.complete({ messages, maxTokens: 12, temperature: 0 });
  const whole = await client.chat.completions.create(body);
  equal(whole.choices[0].message.content, expected.text);
  equal(whole.choices[0].finish_reason, expected.finishReason);
  equal(whole.usage?.completion_tokens, expected.usage.completionTokens);
  let streamed = "", usage = 0;
  for await (
    const chunk of await client.chat.completions.create({
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    })
  ) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage?.total_tokens ?? usage;
  }
  equal(streamed, expected.text);
  equal(usage, whole.usage?.total_tokens);
});

Deno.test("openai: a picture as a data URL is seen", async () => {
  await using server = await serving();
  const image = Uint8Array.fromBase64(pictureUrl().split(",")[1]);
  const expected = await server.model.complete({
    messages: [{
      role: "user",
      content: [{ type: "image", image }, { type: "text", text: QUESTION.content }],
    }],
    maxTokens: 40,
  });
  const answer = await clientOf(server).chat.completions.create({
    model: NAME,
    max_tokens: 40,
    messages: [{
      role: "user",
      content: [{ type: "image_url", image_url: { url: pictureUrl() } }, {
        type: "text",
        text: QUESTION.content,
      }],
    }],
  });
  equal(answer.choices[0].message.content, expected.text);
});

Deno.test("openai: n answers with their seeds are those of requests of their own", async () => {
  await using server = await serving();
  const client = clientOf(server);
  const body = { model: NAME, messages: [QUESTION], max_tokens: 8, temperature: 1.5 };
  const several = await client.chat.completions.create({ ...body, n: 3, seed: 7 });
  for (const [i, { message }] of several.choices.entries()) {
    const one = await client.chat.completions.create({ ...body, seed: 7 + i });
    equal(message.content, one.choices[0].message.content);
  }
});

Deno.test("openai: a JSON schema is kept to, also where max_tokens cuts", async () => {
  await using server = await serving();
  const client = clientOf(server);
  const schema = {
    type: "object",
    properties: {
      count: { type: "integer", minimum: 0, maximum: 9 },
      colour: { enum: ["red", "green", "blue"] },
    },
    required: ["count", "colour"],
    additionalProperties: false,
  };
  const body = {
    model: NAME,
    messages: [QUESTION],
    response_format: { type: "json_schema" as const, json_schema: { name: "scene", schema, strict: true } },
  };
  const answer = await client.chat.completions.parse(body);
  const { count, colour } = answer.choices[0].message.parsed as unknown as { count: number; colour: string };
  ok(Number.isInteger(count) && count >= 0 && count <= 9);
  ok(schema.properties.colour.enum.includes(colour));
  const cut = await client.chat.completions.create({ ...body, max_tokens: 2 });
  equal(cut.choices[0].finish_reason, "length");
});

Deno.test("openai: errors have their classes, codes and fields", async () => {
  await using server = await serving({ apiKeys: ["right"] });
  const client = clientOf(server, { apiKey: "right" });
  const body = { model: NAME, messages: [QUESTION] };
  const failing = async (run: () => PromiseLike<unknown>) => {
    try {
      await run();
    } catch (error) {
      ok(error instanceof OpenAI.APIError);
      return error;
    }
    throw new Error("nothing was refused");
  };
  const wrongKey = await failing(() => clientOf(server, { apiKey: "wrong" }).chat.completions.create(body));
  ok(wrongKey instanceof OpenAI.AuthenticationError);
  const unknownModel = await failing(() => client.chat.completions.create({ ...body, model: "other" }));
  ok(unknownModel instanceof OpenAI.NotFoundError);
  deepEqual([unknownModel.code, unknownModel.param], ["model_not_found", "model"]);
  const unknownField = await failing(() => client.chat.completions.create({ ...body, nonsense: 1 } as never));
  ok(unknownField instanceof OpenAI.BadRequestError);
  equal(unknownField.param, "nonsense");
  const wrongType = await failing(() => client.chat.completions.create({ ...body, temperature: 3 }));
  equal(wrongType.param, "temperature");
  await rejects(() => client.chat.completions.create(body, { timeout: 1 }), OpenAI.APIConnectionTimeoutError);
});

Deno.test("openai: embeddings as floats and base64, shortened, and the list of models", async () => {
  await using server = await serving();
  const client = clientOf(server);
  const body = { model: NAME, input: ["There is a star.", "There is a cross."] };
  const floats = await client.embeddings.create({ ...body, encoding_format: "float" });
  const packed = await client.embeddings.create(body);
  equal(floats.data.length, 2);
  for (const [i, { embedding }] of floats.data.entries()) {
    equal(embedding.length, server.model.info.hiddenSize);
    ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-5);
    ok(packed.data[i].embedding.every((value, at) => Math.abs(value - embedding[at]) < 1e-7));
  }
  const short = await client.embeddings.create({ ...body, dimensions: 8, encoding_format: "float" });
  equal(short.data[0].embedding.length, 8);
  deepEqual((await client.models.list()).data.map(({ id }) => id), [NAME]);
});

Deno.test("openai: a full server refuses with 429 and Retry-After, and the client's retries succeed", async () => {
  await using server = await serving({ maxConcurrent: 1, maxQueue: 0 });
  const body = { model: NAME, messages: [QUESTION], max_tokens: 200, temperature: 0, ignore_eos: true };
  const ask = (maxRetries: number) =>
    clientOf(server, { maxRetries }).chat.completions.create(body).then(
      ({ choices }) => choices[0].message.content,
      (error) => error,
    );
  const answers = await Promise.all([ask(8), ask(8), ask(8)]);
  equal(new Set(answers).size, 1);
  ok(typeof answers[0] === "string");
  const [first, second] = await Promise.all([ask(0), ask(0)]);
  equal(first, answers[0]);
  ok(second instanceof OpenAI.RateLimitError);
  ok(Number(second.headers?.get("retry-after")) >= 1);
});
