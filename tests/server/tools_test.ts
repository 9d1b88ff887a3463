/**
 * Tools, thinking and structured answers through `openai`, `@anthropic-ai/sdk` and the Responses API.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import Anthropic from "npm:@anthropic-ai/sdk@1.14.0";
import OpenAI from "npm:openai@7.59.0";
import { NAME, pictureUrl, type Serving, serving } from "./serving.ts";

const PARAMETERS = {
  type: "object" as const,
  properties: {
    colour: { enum: ["red", "green", "blue"] },
    count: { type: "integer", minimum: 1, maximum: 9 },
  },
  required: ["colour", "count"],
  additionalProperties: false,
};
const TOOLS = [
  {
    type: "function" as const,
    function: { name: "paint", description: "Paints.", parameters: PARAMETERS, strict: true },
  },
  {
    type: "function" as const,
    function: { name: "erase", parameters: { type: "object", properties: {}, additionalProperties: false } },
  },
];
const MESSAGES = [{ role: "user" as const, content: "Paint two red stars." }];

function checkPainting(text: string): void {
  const { colour, count } = JSON.parse(text);
  ok(PARAMETERS.properties.colour.enum.includes(colour));
  ok(Number.isInteger(count) && count >= 1 && count <= 9);
}

const openai = ({ url }: Serving) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = ({ url }: Serving) => new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });

Deno.test("openai: a named tool is called with arguments that fit, whole and as a stream", async () => {
  await using server = await serving();
  const client = openai(server);
  const body = {
    model: NAME,
    messages: MESSAGES,
    tools: TOOLS,
    tool_choice: { type: "function" as const, function: { name: "paint" } },
    parallel_tool_calls: false,
    temperature: 0,
  };
  const whole = await client.chat.completions.create(body);
  const [{ message, finish_reason }] = whole.choices;
  equal(finish_reason, "tool_calls");
  equal(message.tool_calls?.length, 1);
  const [call] = message.tool_calls!;
  ok(call.type === "function" && call.function.name === "paint");
  checkPainting(call.function.arguments);
  const streamed = await client.chat.completions.stream(body).finalChatCompletion();
  const [again] = streamed.choices[0].message.tool_calls!;
  ok(again.type === "function");
  deepEqual(again.function.arguments, call.function.arguments);
});

Deno.test("openai: required calls one of the tools, none calls none, and results go back", async () => {
  await using server = await serving();
  const client = openai(server);
  const body = { model: NAME, messages: MESSAGES, tools: TOOLS, parallel_tool_calls: false };
  const { choices: [{ message }] } = await client.chat.completions.create({
    ...body,
    tool_choice: "required",
  });
  const [call] = message.tool_calls!;
  ok(["paint", "erase"].includes((call as { function: { name: string } }).function.name));
  const after = await client.chat.completions.create({
    ...body,
    tool_choice: "none",
    max_tokens: 8,
    messages: [...MESSAGES, message, { role: "tool", tool_call_id: call.id, content: "done" }],
  });
  equal(after.choices[0].message.tool_calls, undefined);
});

Deno.test("openai: responses, whole and streamed, with a function and with a schema", async () => {
  await using server = await serving();
  const client = openai(server);
  const plain = await client.responses.create({
    model: NAME,
    input: "Describe the picture.",
    max_output_tokens: 10,
    temperature: 0,
  });
  const expected = await server.model.complete({
    messages: [{ role: "user", content: "Describe the picture." }],
    maxTokens: 10,
    temperature: 0,
  });
  equal(plain.output_text, expected.text);
  const events: string[] = [];
  const stream = await client.responses.create({
    model: NAME,
    input: "Describe the picture.",
    max_output_tokens: 10,
    temperature: 0,
    stream: true,
  });
  let text = "";
  for await (const event of stream) {
    events.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  equal(text, expected.text);
  equal(events[0], "response.created");
  ok(["response.completed", "response.incomplete"].includes(events.at(-1)!));
  const called = await client.responses.create({
    model: NAME,
    input: [{
      role: "user",
      content: [{ type: "input_text", text: "Paint." }, {
        type: "input_image",
        image_url: pictureUrl(),
        detail: "auto",
      }],
    }],
    tools: [{ type: "function", name: "paint", parameters: PARAMETERS, strict: true }],
    tool_choice: "required",
    parallel_tool_calls: false,
  });
  const call = called.output.find((item) => item.type === "function_call")!;
  equal(call.name, "paint");
  checkPainting(call.arguments);
  const parsed = await client.responses.parse({
    model: NAME,
    input: "Paint.",
    text: { format: { type: "json_schema", name: "painting", schema: PARAMETERS, strict: true } },
  });
  checkPainting(parsed.output_text);
});

Deno.test("anthropic: messages, a stream, a picture, a tool, and counted tokens", async () => {
  await using server = await serving();
  const client = anthropic(server);
  const body = {
    model: NAME,
    max_tokens: 12,
    messages: [{ role: "user" as const, content: "Describe the picture." }],
    temperature: 0,
  };
  const expected = await server.model.complete({ messages: body.messages, maxTokens: 12, temperature: 0 });
  const whole = await client.messages.create(body);
  deepEqual(whole.content.map((block) => block.type === "text" && block.text), [expected.text]);
  equal(whole.usage.output_tokens, expected.usage.completionTokens);
  const streamed = await client.messages.stream(body).finalMessage();
  deepEqual(streamed.content.map((block) => block.type === "text" && block.text), [expected.text]);
  equal(streamed.stop_reason, whole.stop_reason);
  const { input_tokens } = await client.messages.countTokens({ model: NAME, messages: body.messages });
  equal(input_tokens, expected.usage.promptTokens);
  const [, data] = pictureUrl().split(",");
  const seen = await client.messages.create({
    ...body,
    tools: [{ name: "paint", input_schema: PARAMETERS, strict: true }],
    tool_choice: { type: "tool", name: "paint", disable_parallel_tool_use: true },
    max_tokens: 400,
    messages: [{
      role: "user",
      content: [{ type: "image", source: { type: "base64", media_type: "image/png", data } }, {
        type: "text",
        text: "Paint it.",
      }],
    }],
  });
  equal(seen.stop_reason, "tool_use");
  const use = seen.content.find((block) => block.type === "tool_use")!;
  equal(use.name, "paint");
  checkPainting(JSON.stringify(use.input));
  const stopped = await client.messages.create({ ...body, stop_sequences: [expected.text.slice(3, 6)] });
  equal(stopped.stop_reason, "stop_sequence");
  equal(stopped.stop_sequence, expected.text.slice(3, 6));
});

Deno.test("anthropic: errors have Anthropic's shape", async () => {
  await using server = await serving({ apiKeys: ["right"] });
  const client = anthropic(server);
  const body = { model: NAME, max_tokens: 4, messages: MESSAGES };
  try {
    await client.messages.create(body);
    throw new Error("nothing was refused");
  } catch (error) {
    ok(error instanceof Anthropic.AuthenticationError);
  }
  const right = new Anthropic({ baseURL: server.url, apiKey: "right", maxRetries: 0 });
  try {
    await right.messages.create({ ...body, model: "other" });
    throw new Error("nothing was refused");
  } catch (error) {
    ok(error instanceof Anthropic.NotFoundError);
  }
});
