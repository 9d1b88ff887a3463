/**
 * A server with a budget answers in pieces: clients that send the state back get the answer of a server without one, and nobody
 * gets anything from a state that was not made for the request.
 */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import OpenAI from "npm:openai@7.59.0";
import { ask } from "../../examples/answer_in_pieces.ts";
import { createHandler, type Handler, loadModel, RemoraError, type ServerOptions } from "../../mod.ts";
import { streamChat } from "../../src/server/page/stream.js";
import { NAME, pictureUrl, SCENES, serving } from "./serving.ts";

const KEY = "k".repeat(32);
const BUDGET: ServerOptions = { budget: { tokens: 5, promptTokens: 7 }, stateKey: KEY };
const CHAT = "/v1/chat/completions", TEXT = "/v1/completions";
const SCHEMA = {
  type: "object",
  properties: { colour: { enum: ["red", "green"] }, count: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["colour", "count"],
  additionalProperties: false,
};
const messages = [{ role: "user", content: "Describe a picture with a red star above a circle." }];
/** So that no prompt begins as another one, which would be known already. */
const about = (name: string) => [{ role: "user", content: `${name}: describe a picture with a star.` }];
const drawn = { temperature: 1.2, seed: 17 };

/** Requests, each to be answered in pieces and in one go. */
const BODIES: Record<string, [path: string, body: Record<string, unknown>]> = {
  "a drawn answer": [CHAT, { messages, ...drawn, ignore_eos: true, max_tokens: 18 }],
  "a short answer": [CHAT, { messages: about("Short"), temperature: 0 }],
  "probabilities": [CHAT, {
    messages: about("Likely"),
    ...drawn,
    ignore_eos: true,
    max_tokens: 12,
    logprobs: true,
    top_logprobs: 2,
  }],
  "a stop string": [CHAT, {
    messages: about("Stop"),
    ...drawn,
    ignore_eos: true,
    max_tokens: 30,
    stop: "zzz",
  }],
  "JSON by a schema": [CHAT, {
    messages: about("JSON"),
    ...drawn,
    response_format: { type: "json_schema", json_schema: { name: "scene", schema: SCHEMA } },
  }],
  "a call": [CHAT, {
    messages: about("Call"),
    ...drawn,
    tools: [{ type: "function", function: { name: "paint", parameters: SCHEMA } }],
    tool_choice: "required",
    parallel_tool_calls: false,
  }],
  "a picture": [CHAT, {
    messages: [{
      role: "user",
      content: [{ type: "text", text: "Look:" }, { type: "image_url", image_url: { url: pictureUrl() } }, {
        type: "text",
        text: "Describe the picture.",
      }],
    }],
    max_tokens: 40,
  }],
  "a text that goes on": [TEXT, {
    prompt: "There is a red star above",
    ...drawn,
    ignore_eos: true,
    max_tokens: 14,
  }],
  "a text with an echo and ids": [TEXT, {
    prompt: [5, 6, 7, 8, 9, 10, 11, 12, 13],
    echo: true,
    max_tokens: 9,
  }],
  "a text with probabilities": [TEXT, {
    prompt: "A green circle is",
    ...drawn,
    ignore_eos: true,
    logprobs: 2,
    max_tokens: 9,
  }],
};

function post(handler: Handler, path: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return handler(
    new Request(`http://server${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
  );
}

// deno-lint-ignore no-explicit-any -- answers as they come
type Json = any;

async function postJson(handler: Handler, path: string, body: Record<string, unknown>): Promise<Json> {
  return await (await post(handler, path, { model: NAME, ...body })).json();
}

/** Asks until there is no state; every piece. */
async function pieces(handlers: Handler[], path: string, body: Record<string, unknown>): Promise<Json[]> {
  const answers: Json[] = [];
  for (let state: string | undefined, i = 0;; i++) {
    const answer = await postJson(handlers[i % handlers.length], path, { ...body, remora_state: state });
    equal(answer.error, undefined, answer.error?.message);
    answers.push(answer);
    if (!answer.remora) return answers;
    equal(answer.choices[0].finish_reason, "length");
    state = answer.remora.state;
  }
}

/** Without what is new in every answer, and without what says how much was computed before. */
function same(answer: Json): unknown {
  const text = JSON.stringify({
    ...answer,
    id: "",
    created: 0,
    usage: { ...answer.usage, prompt_tokens_details: 0 },
  });
  return JSON.parse(text.replaceAll(/"call_\w+"/g, '"call"'));
}

/** The data of a stream's events, whole streams one after the other. */
async function streamed(handler: Handler, path: string, body: Record<string, unknown>): Promise<Json[]> {
  const events: Json[] = [];
  let state: string | undefined;
  while (true) {
    const response = await post(handler, path, { model: NAME, ...body, stream: true, remora_state: state });
    equal(response.status, 200);
    const lines = (await response.text()).split("\n\n").filter((line) => line !== "");
    equal(lines.pop(), "data: [DONE]");
    const chunks = lines.map((line) => JSON.parse(line.slice("data: ".length)));
    state = chunks.at(-1)!.remora?.state;
    events.push(...chunks.filter(({ remora }) => !remora));
    if (state === undefined) return events;
    equal(chunks.at(-1)!.choices[0].finish_reason, "length");
  }
}

Deno.test("the last piece is the answer of one go, and streams in pieces are one stream", async (test) => {
  await using model = await loadModel(SCENES, { threads: 1 });
  await using other = await loadModel(SCENES, { threads: 2 });
  const whole = createHandler({ [NAME]: model });
  // As two processes, where each piece may come to another one.
  const handlers = [createHandler({ [NAME]: other }, BUDGET), createHandler({ [NAME]: model }, BUDGET)];
  for (const [name, [path, body]] of Object.entries(BODIES)) {
    await test.step(name, async () => {
      if (body.stop) {
        // A text in the middle of the answer, so that a piece ends within it.
        const { content } = (await postJson(whole, path, body)).choices[0].message;
        Object.assign(body, { stop: [content.slice(20, 27), "zzz"] });
      }
      const expected = await postJson(whole, path, body);
      const answers = await pieces(handlers, path, body);
      ok(answers.length > 1);
      deepEqual(same(answers.at(-1)), same(expected));
      const streamedWhole = await streamed(whole, path, body);
      const streamedPieces = await streamed(handlers[0], path, body);
      deepEqual(streamedPieces.map(same), streamedWhole.map(same));
    });
  }
});

Deno.test("a piece computes no more than its budget, of prompts and of answers", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const handler = createHandler({ [NAME]: model }, BUDGET);
  const answers = await pieces([handler], CHAT, { messages, ...drawn, ignore_eos: true, max_tokens: 18 });
  const { prompt_tokens: prompt } = answers[0].usage;
  const counts = answers.map(({ usage }) => usage.completion_tokens);
  const reading = counts.filter((count) => count === 0).length;
  equal(reading, Math.ceil(prompt / 7) - 1);
  deepEqual(counts.slice(reading), [5, 10, 15, 18]);
  answers.slice(0, reading).forEach(({ choices }) => equal(choices[0].message.content, ""));
});

Deno.test("the client of twenty lines, and OpenAI's own", async () => {
  await using server = await serving(BUDGET);
  await using free = await serving();
  const body = { model: NAME, messages, ...drawn, ignore_eos: true, max_tokens: 18 };
  const expected = await ask(free.url + CHAT, body);
  deepEqual(same(await ask(server.url + CHAT, body)), same(expected));
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  let text = "", state: string | undefined;
  do {
    const stream = await client.chat.completions.create(
      { ...body, stream: true, remora_state: state } as unknown as OpenAI.ChatCompletionCreateParamsStreaming,
    );
    state = undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0].delta.content ?? "";
      state = (chunk as { remora?: { state: string } }).remora?.state;
    }
  } while (state);
  equal(text, expected.choices[0].message.content);
});

Deno.test("the page asks on until an answer is whole", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const body = { model: NAME, messages, ...drawn, ignore_eos: true, max_tokens: 18, stream: true };
  const { fetch } = globalThis;
  const shown = async (handler: Handler) => {
    globalThis.fetch = (path, init) => handler(new Request(`http://server${path}`, init));
    try {
      const options = { key: "", signal: new AbortController().signal };
      const asked = { ...body, stream_options: { include_usage: true } };
      return (await Array.fromAsync(streamChat(asked, options))).map(same);
    } finally {
      globalThis.fetch = fetch;
    }
  };
  deepEqual(
    await shown(createHandler({ [NAME]: model }, BUDGET)),
    await shown(createHandler({ [NAME]: model })),
  );
});

Deno.test("a store keeps the states; clients get their names", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const kept = new Map<string, Uint8Array>();
  const seconds = new Set<number>();
  const states = {
    get: (id: string) => Promise.resolve(kept.get(id)?.slice().buffer),
    put: (id: string, state: Uint8Array, time: number) =>
      Promise.resolve(seconds.add(time) && kept.set(id, state)),
  };
  const handler = createHandler({ [NAME]: model }, { ...BUDGET, states, stateSeconds: 60 });
  const [path, body] = BODIES["a drawn answer"];
  const answers = await pieces([handler], path, body);
  deepEqual(same(answers.at(-1)), same(await postJson(createHandler({ [NAME]: model }), path, body)));
  equal(kept.size, answers.length - 1);
  deepEqual([...seconds], [60]);
  const id = answers[0].remora.state;
  match(id, /^state_\w{24}$/);
  kept.get(id)![40] ^= 1;
  for (
    const [remora_state, named] of [[id, /damaged/], [`state_${"x".repeat(24)}`, /not kept/], [
      "../x",
      /no name/,
    ]] as const
  ) {
    const { error } = await postJson(handler, path, { ...body, remora_state });
    match(error.message, named);
  }
});

Deno.test("forged, damaged, foreign and stale states are refused in one line", async (test) => {
  await using model = await loadModel(SCENES, { threads: 1 });
  await using words = await loadModel(SCENES, { threads: 1, kvCache: "f32" });
  const handler = createHandler({ [NAME]: model }, BUDGET);
  const [path, body] = BODIES["a drawn answer"];
  const first = await postJson(handler, path, body);
  const state: string = first.remora.state;
  const bytes = Uint8Array.fromBase64(state, { alphabet: "base64url" });
  const text = (value: Uint8Array) => value.toBase64({ alphabet: "base64url", omitPadding: true });
  const changed = (at: number) => text(bytes.with(at < 0 ? bytes.length + at : at, bytes.at(at)! ^ 4));
  const refused = async (named: RegExp, value: string, by = handler, more = {}) => {
    const response = await post(by, path, { model: NAME, ...body, ...more, remora_state: value });
    const { error } = await response.json();
    equal(response.status, 400);
    match(error.message, named);
    ok(!error.message.includes("\n"));
    equal(error.param, "remora_state");
    equal(error.type, "invalid_request_error");
    match(error.code, /^(invalid_state|state_expired)$/);
  };
  await test.step("any other bit", async () => {
    for (const at of [0, 8, 12, 20, 200, bytes.length >> 1, -33, -1]) await refused(/damaged/, changed(at));
  });
  await test.step("cut, longer, empty, no base64", async () => {
    for (
      const value of [text(bytes.subarray(0, -1)), text(bytes.subarray(0, 60)), text(new Uint8Array(100))]
    ) {
      await refused(/damaged/, value);
    }
    await refused(/damaged/, text(Uint8Array.from([...bytes, 0])));
    await refused(/damaged/, "");
    await refused(/base64url/, "ä");
    await refused(/base64url/, state.slice(0, -1) + "+");
  });
  await test.step("another key", async () => {
    const other = createHandler({ [NAME]: model }, { ...BUDGET, stateKey: "l".repeat(32) });
    await refused(/not made by this server/, state, other);
  });
  await test.step("another request, path or model", async () => {
    await refused(/another request/, state, handler, { seed: 18 });
    await refused(/another request/, state, handler, { messages: [...messages, ...messages] });
    await refused(/another request/, state, createHandler({ other: model, [NAME]: model }, BUDGET), {
      model: "other",
    });
    const { error } = await postJson(handler, TEXT, { prompt: "x", remora_state: state });
    match(error.message, /another request/);
    await refused(/another model or engine/, state, createHandler({ [NAME]: words }, BUDGET));
  });
  await test.step("the same, however it is asked for, goes on", async () => {
    const response = await post(handler, path, { model: NAME, ...body, stream: true, remora_state: state });
    equal(response.status, 200);
    await response.body!.cancel();
  });
  await test.step("too old", async () => {
    const { now } = Date;
    Date.now = () => now() + 601_000;
    try {
      await refused(/older than 600 s/, state);
    } finally {
      Date.now = now;
    }
  });
  await test.step("a server without a budget", async () => {
    const { error } = await postJson(createHandler({ [NAME]: model }), path, {
      ...body,
      remora_state: state,
    });
    match(error.message, /no budget/);
  });
});

Deno.test("what has no pieces is answered within the budget, or refused by name", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const handler = createHandler({ [NAME]: model }, { ...BUDGET, budget: { tokens: 5, promptTokens: 100 } });
  const refused = async (path: string, body: Record<string, unknown>, named: RegExp) => {
    const response = await post(handler, path, { model: NAME, ...body });
    equal(response.status, 400);
    match((await response.json()).error.message, named);
  };
  const long = "star ".repeat(200);
  await refused(CHAT, { messages, n: 2 }, /one answer to one prompt/);
  await refused(TEXT, { prompt: ["a", "b"] }, /one answer to one prompt/);
  await refused("/v1/responses", { input: "Is there a star?" }, /any number of tokens of answer, at most 5/);
  await refused("/v1/responses", { input: "Is there a star?", max_output_tokens: 16 }, /16 tokens of answer/);
  await refused(
    "/v1/messages",
    { messages: [{ role: "user", content: long }], max_tokens: 5 },
    /tokens of prompt/,
  );
  await refused("/v1/embeddings", { input: long }, /tokens of prompt, at most 100/);
  for (
    const [path, body] of [
      ["/v1/messages", { messages: [{ role: "user", content: "Is there a star?" }], max_tokens: 5 }],
      ["/v1/embeddings", { input: "star" }],
    ] as const
  ) equal((await post(handler, path, { model: NAME, ...body })).status, 200, path);
});

Deno.test("a budget without a key, and a key without a budget, are refused before anything is served", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const { budget } = BUDGET;
  const refused: [ServerOptions, RegExp][] = [
    [{ budget }, /stateKey of 32 bytes or more.*found none/],
    [{ budget, stateKey: "short" }, /found 5 bytes/],
    [{ budget: { tokens: 0, promptTokens: 1 }, stateKey: KEY }, /budget\.tokens/],
    [{ budget, stateKey: KEY, stateSeconds: 0 }, /stateSeconds/],
    [{ stateKey: KEY }, /stateKey: expected a budget beside it/],
  ];
  for (const [options, named] of refused) {
    throws(() => createHandler(model, options), (error) => {
      ok(error instanceof RemoraError && error.code === "BAD_ARGUMENT");
      match(error.message, named);
      return true;
    });
  }
});
