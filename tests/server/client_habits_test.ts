/**
 * What clients of other servers write out of habit, and what they read out of answers.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { NAME, type Serving, serving } from "./serving.ts";

const MESSAGES = [{ role: "user", content: "Is there a star?" }];

async function ask({ url }: Serving, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text.startsWith("{") ? JSON.parse(text) : undefined;
  return { status: response.status, text, answer, error: answer?.error };
}
const chat = (server: Serving, more: Record<string, unknown>) =>
  ask(server, "/v1/chat/completions", { model: NAME, messages: MESSAGES, max_tokens: 3, ...more });
const eventsOf = (text: string) => [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json));

Deno.test("a field that is null is as good as none, known or not, at every level", async () => {
  await using server = await serving();
  const call = {
    id: "1",
    type: "function",
    function: { name: "f", arguments: "{}", extra: null },
    extra: null,
  };
  const taken: Record<string, unknown>[] = [
    { functions: null, function_call: null, audio: null, web_search_options: null, anything: null },
    { messages: [{ role: "user", content: "Is there a star?", tool_calls: null, id: null }] },
    {
      messages: [
        ...MESSAGES,
        { role: "assistant", content: "Yes.", tool_calls: [call], provider_specific_fields: null },
        ...MESSAGES,
      ],
    },
    { stream_options: { anything: null } },
    { tools: [{ type: "function", function: { name: "f", extra: null }, extra: null }] },
  ];
  for (const more of taken) equal((await chat(server, more)).status, 200, JSON.stringify(more));
  const refused: [more: Record<string, unknown>, param: string][] = [
    [{ anything: 0 }, "anything"],
    [{ functions: [] }, "functions"],
    [{ messages: [{ role: "user", content: "x", id: "" }] }, "messages[0].id"],
  ];
  for (const [more, param] of refused) {
    const { status, error } = await chat(server, more);
    deepEqual([status, error.param, error.code], [400, param, "unknown_parameter"]);
  }
  // Within a schema null is a value.
  const schema = { type: "object", properties: { a: { const: null } }, required: ["a"] };
  const response_format = { type: "json_schema", json_schema: { name: "x", schema, strict: null } };
  const { answer } = await chat(server, { response_format, max_tokens: 40 });
  match(answer.choices[0].message.content, /^\{\s*"a"\s*:\s*null\b/);
});

Deno.test("top_p 0 leaves the likeliest token", async () => {
  await using server = await serving();
  const greedy = await chat(server, { temperature: 0, max_tokens: 12 });
  const none = await chat(server, { temperature: 1.5, top_p: 0, max_tokens: 12 });
  equal(none.answer.choices[0].message.content, greedy.answer.choices[0].message.content);
});

Deno.test("seeds of 64 bits are taken, give the same answer again, and differ", async () => {
  await using server = await serving();
  const drawn = async (seed: string) => {
    const sampling = `"temperature":2,"max_tokens":12,"n":2,"seed":${seed}`;
    const body = `{"model":"${NAME}","messages":${JSON.stringify(MESSAGES)},${sampling}}`;
    const { answer } = await ask(server, "/v1/chat/completions", body);
    return answer.choices.map((choice: { message: unknown }) => choice.message);
  };
  const seeds = ["9223372036854775807", "-9223372036854775808", "9007199254740991", "1234567890123456789"];
  const answers = [];
  for (const seed of seeds) {
    const answer = await drawn(seed);
    deepEqual(await drawn(seed), answer);
    answers.push(JSON.stringify(answer));
  }
  ok(new Set(answers).size >= seeds.length - 1, "the first two are one number of 53 bits but for their sign");
});

Deno.test("top_logprobs without logprobs is refused, unless it asks for none", async () => {
  await using server = await serving();
  equal((await chat(server, { logprobs: false, top_logprobs: 0 })).status, 200);
  const { status, error } = await chat(server, { logprobs: false, top_logprobs: 1 });
  deepEqual([status, error.param], [400, "top_logprobs"]);
});

Deno.test("the bytes of tokens are those of the text, where several tokens make a character too", async () => {
  await using server = await serving();
  const text = "naïve 日本語 😀";
  const asked = { guided_choice: [text], logprobs: true, top_logprobs: 3, max_tokens: 60 };
  const { answer } = await chat(server, asked);
  const [{ message, logprobs }] = answer.choices;
  equal(message.content, text);
  const bytesOf = (tokens: { bytes: number[] }[]) => new Uint8Array(tokens.flatMap(({ bytes }) => bytes));
  const decoded = (tokens: { bytes: number[] }[]) => new TextDecoder().decode(bytesOf(tokens));
  ok(decoded(logprobs.content).startsWith(text));
  ok(
    logprobs.content.some(({ token }: { token: string }) => token.includes("\ufffd")),
    "no parts of characters",
  );

  const streamed = eventsOf((await chat(server, { ...asked, stream: true })).text);
  const tokens = streamed.flatMap(({ choices: [choice] }) => choice?.logprobs?.content ?? []);
  ok(decoded(tokens).startsWith(text));

  const completed = await ask(server, "/v1/completions", {
    model: NAME,
    prompt: "x",
    guided_choice: [text],
    logprobs: 5,
    max_tokens: 60,
  });
  const named: string[] = completed.answer.choices[0].logprobs.tokens;
  const spelled = named.flatMap((name) => {
    const parts = /^bytes:((?:\\x[0-9a-f]{2})+)$/.exec(name)?.[1].match(/[0-9a-f]{2}/g);
    return parts ? parts.map((part) => parseInt(part, 16)) : [...new TextEncoder().encode(name)];
  });
  ok(new TextDecoder().decode(new Uint8Array(spelled)).startsWith(text));
  ok(named.some((name) => name.startsWith("bytes:")));
});

Deno.test("in a stream the role comes alone, and probabilities beside the text of their token", async () => {
  await using server = await serving();
  const { text } = await chat(server, { stream: true, logprobs: true, temperature: 0, n: 2 });
  const chunks = eventsOf(text).map(({ choices: [choice] }) => choice);
  for (const { delta, logprobs } of chunks) {
    equal("role" in delta, delta.content === "" && logprobs === null);
    if (delta.content) {
      equal(logprobs.content.map(({ token }: { token: string }) => token).join(""), delta.content);
    }
  }
});

Deno.test("arguments of calls are objects, whatever the schema of the parameters leaves out", async () => {
  await using server = await serving();
  const toolOf = (parameters: unknown) => [{ type: "function", function: { name: "paint", parameters } }];
  const open = [
    {},
    { properties: { a: { enum: [1] } }, required: ["a"], additionalProperties: false },
    { type: ["object", "null"] },
    { $ref: "#/$defs/a", $defs: { a: { maxProperties: 1 } } },
    { anyOf: [{ properties: { a: true } }, { type: "string" }] },
  ];
  for (const parameters of open) {
    const { answer, status } = await chat(server, {
      tools: toolOf(parameters),
      tool_choice: "required",
      max_tokens: 60,
    });
    equal(status, 200);
    const [{ function: { arguments: text } }] = answer.choices[0].message.tool_calls;
    match(text, /^\{/, JSON.stringify(parameters));
  }
  const { status, error } = await chat(server, {
    tools: toolOf({ type: "string" }),
    tool_choice: "required",
  });
  equal(status, 400);
  match(error.message, /paint.*object.*"string"/);
});

Deno.test("Anthropic's streams say at their beginning how long the prompt is", async () => {
  await using server = await serving();
  const body = { model: NAME, max_tokens: 3, messages: MESSAGES, stream: true };
  const counted = await ask(server, "/v1/messages/count_tokens", { model: NAME, messages: MESSAGES });
  // The second time the prompt is known.
  for (let time = 0; time < 2; time++) {
    const events = eventsOf((await ask(server, "/v1/messages", body)).text);
    const usageIn = (type: string) => {
      const event = events.find((event) => event.type === type);
      return event.usage ?? event.message.usage;
    };
    for (const usage of [usageIn("message_start"), usageIn("message_delta")]) {
      equal(usage.input_tokens + usage.cache_read_input_tokens, counted.answer.input_tokens);
    }
  }
});

Deno.test("an answer that is begun is refused where Anthropic's API would go on with it", async () => {
  await using server = await serving();
  const messages = [...MESSAGES, { role: "assistant", content: "Yes, a" }];
  const { status, error } = await ask(server, "/v1/messages", { model: NAME, max_tokens: 3, messages });
  equal(status, 400);
  match(error.message, /messages: the last one must be the user's/);
  // OpenAI's takes it for a turn that is over.
  equal((await chat(server, { messages })).status, 200);
});

Deno.test("a body that is compressed is refused as such", async () => {
  await using server = await serving();
  const body = { model: NAME, messages: MESSAGES };
  const { status, error } = await ask(server, "/v1/chat/completions", body, { "content-encoding": "gzip" });
  equal(status, 415);
  match(error.message, /gzip/);
});
