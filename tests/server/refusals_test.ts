/**
 * What is refused before it costs anything, and in which words.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { NAME, type Serving, serving } from "./serving.ts";

/** Far more than a refusal takes on a busy machine, far less than the work that is refused. */
const REFUSAL_MILLISECONDS_MAX = 3_000;
const MESSAGES = [{ role: "user", content: "Is there a star?" }];

async function ask({ url }: Serving, path: string, body: unknown) {
  const begin = performance.now();
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  return { status: response.status, answer, error: answer.error, time: performance.now() - begin };
}
const chat = (server: Serving, more: Record<string, unknown>) =>
  ask(server, "/v1/chat/completions", { model: NAME, messages: MESSAGES, max_tokens: 3, ...more });
const texts = (count: number) => Array.from({ length: count }, (_, i) => `item ${i}`);
const ofSchema = (schema: unknown) => ({
  response_format: { type: "json_schema", json_schema: { name: "x", schema } },
});

Deno.test("schemas and choices beyond the limits are refused by name, those within are answered, both soon", async () => {
  await using server = await serving();
  const refused: [more: Record<string, unknown>, named: RegExp][] = [
    [ofSchema({ enum: texts(100_000) }), /enum/],
    [ofSchema({ const: "x".repeat(200_000) }), /const/],
    [ofSchema({ type: "string", pattern: "a".repeat(5_000) }), /conditions on one text/],
    [ofSchema({ properties: Object.fromEntries(texts(8_000).map((name) => [name, true])) }), /properties/],
    [{ guided_choice: texts(100_000) }, /choice/],
    [{ guided_choice: ["x".repeat(200_000)] }, /choice/],
    [{ guided_regex: "a".repeat(20_000) }, /expression/],
    [ofSchema({ $ref: "#/%ZZ" }), /\$ref/],
  ];
  for (const [more, named] of refused) {
    const { status, error, time } = await chat(server, more);
    equal(status, 400, `${named}`);
    match(error.message, named);
    ok(time < REFUSAL_MILLISECONDS_MAX, `${named}: ${time} ms`);
  }
  for (const more of [ofSchema({ enum: texts(5_000) }), { guided_choice: texts(5_000) }]) {
    const { status, time } = await chat(server, more);
    equal(status, 200);
    ok(time < REFUSAL_MILLISECONDS_MAX, `${time} ms`);
  }
});

Deno.test("texts that cannot fit are refused before they are made tokens", async () => {
  await using server = await serving();
  const long = "a star, ".repeat(2_500_000);
  const messages = [{ role: "user", content: long }];
  const bodies: [path: string, body: Record<string, unknown>, param: string][] = [
    ["/v1/chat/completions", { messages }, "messages"],
    ["/v1/completions", { prompt: long }, "prompt"],
    ["/v1/responses", { input: long }, "input"],
    ["/v1/messages", { messages, max_tokens: 3 }, "messages"],
    ["/v1/embeddings", { input: long }, "input"],
    ["/tokenize", { prompt: long }, "prompt"],
  ];
  for (const [path, body, param] of bodies) {
    const { status, error, time } = await ask(server, path, { model: NAME, ...body });
    equal(status, 400, path);
    if (path !== "/v1/messages") {
      deepEqual([error.code, error.param], ["context_length_exceeded", param], path);
    }
    ok(time < REFUSAL_MILLISECONDS_MAX, `${path}: ${time} ms`);
  }
});

Deno.test("what routers write into every request is taken, and refused where it asks for something else", async () => {
  await using server = await serving();
  // As vllm-router 0.1.17 passes requests on.
  const common = {
    no_stop_trim: false,
    ignore_eos: false,
    skip_special_tokens: true,
    return_hidden_states: false,
  };
  const ofChats = {
    logprobs: false,
    continue_final_message: false,
    separate_reasoning: true,
    stream_reasoning: true,
    include_reasoning: true,
  };
  equal((await chat(server, { ...common, ...ofChats })).status, 200);
  const completion = { model: NAME, prompt: "There are", max_tokens: 3, echo: false, ...common };
  equal((await ask(server, "/v1/completions", completion)).status, 200);
  for (const [name, value] of Object.entries({ ...common, ...ofChats })) {
    if (["ignore_eos", "skip_special_tokens", "logprobs"].includes(name)) continue;
    const { status, error } = await chat(server, { [name]: !value });
    deepEqual([status, error.param], [400, name]);
    match(error.message, new RegExp(`expected ${value}, but got ${!value}`));
  }
});

Deno.test("what is wrong with a field is said in words, and which field it is", async () => {
  await using server = await serving();
  const wrong: [more: Record<string, unknown>, param: string, said: string][] = [
    [{ max_tokens: 1.5 }, "max_tokens", "expected an integer, but got 1.5"],
    [{ seed: 1.5 }, "seed", "expected an integer, but got 1.5"],
    [{ max_tokens: 0 }, "max_tokens", "expected at least 1, but got 0"],
    [{ messages: [] }, "messages", "expected at least 1 message, but got 0"],
    [{ stop: [""] }, "stop[0]", "expected a non-empty string"],
    [{ temperature: 3 }, "temperature", "expected at most 2, but got 3"],
  ];
  for (const [more, param, said] of wrong) {
    const { status, error } = await chat(server, more);
    deepEqual([status, error.param], [400, param]);
    ok(error.message.includes(said), error.message);
  }
  const { error } = await ask(server, "/v1/chat/completions", []);
  match(error.message, /expected an object/);
});

Deno.test("a call that is cut is no text, however early", async () => {
  await using server = await serving();
  const tools = [{ type: "function", function: { name: "paint", parameters: { type: "object" } } }];
  for (const toolChoice of ["required", { type: "function", function: { name: "paint" } }]) {
    for (let count = 1; count <= 12; count++) {
      const { answer } = await chat(server, { tools, tool_choice: toolChoice, max_tokens: count });
      equal(answer.choices[0].message.content, null);
    }
  }
});
