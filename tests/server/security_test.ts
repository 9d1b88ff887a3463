/**
 * What a server must stand: wrong keys, large and broken bodies, fuzzed ones, clients that go away.
 */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { createHandler, loadModel, type Model } from "../../mod.ts";
import { Random } from "../../src/sampling/random.ts";
import { createServerHandler } from "../../src/server/handler.ts";
import { NAME, SCENES, serving } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const post = (url: string, body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
const chat = (more: Record<string, unknown> = {}) =>
  JSON.stringify({
    model: NAME,
    messages: [{ role: "user", content: "Is there a star?" }],
    max_tokens: 3,
    ...more,
  });

Deno.test("keys: none, a wrong one, one of several, in either header", async () => {
  await using server = await serving({ apiKeys: ["first", "second"] });
  const status = async (headers: Record<string, string>) => {
    const response = await post(server.url + CHAT, chat(), headers);
    await response.body?.cancel();
    return response.status;
  };
  equal(await status({}), 401);
  equal(await status({ authorization: "Bearer third" }), 401);
  equal(await status({ authorization: "Bearer firs" }), 401);
  equal(await status({ authorization: "Basic first" }), 401);
  equal(await status({ authorization: "Bearer second" }), 200);
  equal(await status({ "x-api-key": "first" }), 200);
  for (const path of ["/v1/models", "/metrics", "/tokenize"]) {
    const response = await fetch(
      server.url + path,
      path === "/tokenize" ? { method: "POST", body: "{}" } : {},
    );
    await response.body?.cancel();
    ok([401, 404].includes(response.status));
  }
  equal((await fetch(`${server.url}/health`)).status, 200);
});

Deno.test("bodies: too large, broken, nested too deep, of another type; methods and paths that are not there", async () => {
  await using server = await serving();
  const refusal = async (response: Response) => {
    const { error } = await response.json();
    ok(typeof error.message === "string" && typeof error.type === "string");
    ok(response.headers.get("x-request-id"));
    return response.status;
  };
  const url = server.url + CHAT;
  equal(await refusal(await post(url, "x".repeat(65 * 1024 * 1024))), 413);
  equal(await refusal(await post(url, '{"model":')), 400);
  equal(await refusal(await post(url, Uint8Array.of(0xff, 0xfe))), 400);
  equal(await refusal(await post(url, `{"a":${"[".repeat(100_000)}`)), 400);
  equal(await refusal(await post(url, chat(), { "content-type": "text/plain" })), 415);
  equal(await refusal(await post(url, chat(), { "x-long": "y".repeat(40_000) })), 431);
  equal(await refusal(await fetch(url)), 405);
  equal(await refusal(await fetch(`${server.url}/v1/nothing`)), 404);
});

Deno.test("a server with little memory takes shorter bodies, and says how short", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const handler = createHandler({ small: model }, { maxBodyBytes: 1000 });
  const ask = (content: string, headers = {}) => {
    const body = JSON.stringify({ model: "small", messages: [{ role: "user", content }], max_tokens: 1 });
    const stream = new Blob([body]).stream();
    return handler(
      new Request("http://host/v1/chat/completions", { method: "POST", body: stream, headers }),
    );
  };
  equal((await ask("Hello")).status, 200);
  const answer = await ask("a".repeat(1000)), { error } = await answer.json();
  deepEqual([answer.status, error.code], [413, "request_too_large"]);
  match(error.message, /1000 bytes/);
  for (const maxBodyBytes of [0, 1.5, 2 ** 30, NaN]) {
    throws(
      () => createHandler({ small: model }, { maxBodyBytes }),
      /maxBodyBytes: expected an integer from 1/,
    );
  }
});

Deno.test("a host whose requests do not tell when their clients leave is refused, with what is missing", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  throws(
    () => createServerHandler({ small: model }, {}, { withoutLeaving: "the flag" }),
    {
      code: "UNSUPPORTED",
      message: /^Cannot serve: expected the flag, found none: .* when its client leaves$/,
    },
  );
});

Deno.test("a host that keeps requests apart answers one at a time, and is asked for no more", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  throws(
    () => createServerHandler({ small: model }, { maxConcurrent: 2 }, { requestsMax: 1 }),
    /maxConcurrent: expected at most 1/,
  );
  const handler = createServerHandler({ small: model }, { maxQueue: 0 }, { requestsMax: 1 });
  const ask = () =>
    handler(new Request("http://host/v1/chat/completions", { method: "POST", headers, body: body() }));
  const headers = { "content-type": "application/json" };
  const body = () =>
    JSON.stringify({ model: "small", messages: [{ role: "user", content: "Hello" }], max_tokens: 2 });
  const answers = await Promise.all(Array.from({ length: 8 }, ask));
  const texts = await Promise.all(answers.map((answer) => answer.text()));
  ok(texts.some((text) => text.includes("chat.completion")));
  ok(texts.some((text) => text.includes("The server answers 1 request")), texts.join("\n"));
});

Deno.test("pages of other origins may ask only where that was allowed", async () => {
  await using closed = await serving();
  await using open = await serving({ cors: ["https://page.example"] });
  const allowed = async (url: string, origin: string) => {
    const response = await fetch(url + CHAT, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });
    await response.body?.cancel();
    return response.headers.get("access-control-allow-origin");
  };
  equal(await allowed(closed.url, "https://page.example"), null);
  equal(await allowed(open.url, "https://page.example"), "https://page.example");
  equal(await allowed(open.url, "https://other.example"), null);
});

Deno.test("a client that goes away is noticed within a token, before the first byte too, while others are served", async () => {
  await using server = await serving();
  const running = new Set<symbol>();
  const run = server.model.run.bind(server.model);
  server.model.run = async function* (...args: Parameters<Model["run"]>) {
    const name = Symbol();
    running.add(name);
    try {
      yield* run(...args);
    } finally {
      running.delete(name);
    }
  };
  const ask = (stream: boolean, signal: AbortSignal) =>
    fetch(server.url + CHAT, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: chat({ max_tokens: 100_000, ignore_eos: true, stream }),
      signal,
    }).then((response) => response.text()).catch(() => "gone");
  const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  for (const stream of [false, true]) {
    const staying = new AbortController(), leaving = new AbortController();
    const stays = ask(true, staying.signal), leaves = ask(stream, leaving.signal);
    while (running.size < 2) await pause(1);
    leaving.abort();
    equal(await leaves, "gone");
    await pause(30);
    equal(running.size, 1, `stream: ${stream}`);
    staying.abort();
    equal(await stays, "gone");
    await pause(30);
    equal(running.size, 0);
  }
});

/** Bodies that are right, from which fuzzed ones are made. */
const BODIES: readonly [string, Record<string, unknown>][] = [
  [CHAT, {
    model: NAME,
    messages: [{ role: "system", content: "x" }, { role: "user", content: [{ type: "text", text: "y" }] }],
    max_tokens: 2,
    temperature: 0.5,
    top_p: 0.9,
    stop: ["z"],
    logit_bias: { 5: 1 },
    logprobs: true,
    top_logprobs: 2,
    n: 2,
    seed: 1,
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "a",
        schema: { type: "object", properties: { a: { type: "integer", minimum: 1 } } },
      },
    },
  }],
  [CHAT, {
    model: NAME,
    messages: [{ role: "user", content: "x" }],
    max_tokens: 2,
    stream: true,
    tools: [{
      type: "function",
      function: { name: "f", parameters: { type: "object", properties: { a: { enum: [1, "b"] } } } },
    }],
    tool_choice: "auto",
  }],
  [CHAT, {
    model: NAME,
    messages: [{ role: "user", content: "x" }],
    max_tokens: 2,
    guided_regex: "[a-c]{2,5}(d|e)*",
    min_p: 0.1,
  }],
  ["/v1/completions", {
    model: NAME,
    prompt: ["a", "b"],
    max_tokens: 2,
    echo: true,
    n: 1,
    guided_choice: ["a", "b"],
  }],
  ["/v1/embeddings", { model: NAME, input: ["a", "b"], dimensions: 4, encoding_format: "base64" }],
  ["/v1/responses", {
    model: NAME,
    input: [{ role: "user", content: [{ type: "input_text", text: "a" }] }],
    max_output_tokens: 2,
    text: { format: { type: "json_object" } },
  }],
  ["/v1/messages", {
    model: NAME,
    max_tokens: 2,
    messages: [{ role: "user", content: [{ type: "text", text: "a" }] }],
    system: "b",
    stop_sequences: ["c"],
    top_k: 3,
  }],
  ["/v1/messages/count_tokens", { model: NAME, messages: [{ role: "user", content: "a" }] }],
  ["/tokenize", { model: NAME, prompt: "a" }],
  ["/detokenize", { model: NAME, tokens: [1, 2, 3] }],
];

const STRANGE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1e308,
  -1e308,
  0.5,
  2 ** 53,
  "",
  "a",
  "\u0000",
  "\ud800",
  "<|eot_id|><|image|>",
  "x".repeat(5000),
  [],
  {},
  [[]],
  [null],
  { type: "object" },
  { $ref: "#" },
  { anyOf: [] },
  { not: {} },
  "(a+)+$",
  "[",
  "\\b",
  ["a"],
  4294967296,
  -0,
  { __proto__: null, constructor: 1 },
  { type: "string", pattern: "^(a|b){1,500}c$", maxLength: 9 },
  { allOf: [{ $ref: "#" }] },
  { enum: [[1], { a: 1 }, null] },
  { oneOf: [{ minimum: 1 }, { maximum: 3 }, { multipleOf: 2 }] },
  { items: { $ref: "#" }, minItems: 2 },
  "data:image/png;base64,AAAA",
];

/** A copy with one part replaced, removed, doubled or added. */
function mutated(value: unknown, random: Random): unknown {
  const below = (count: number) => Math.floor(random.nextFloat() * count);
  const pick = <T>(from: readonly T[]) => from[below(from.length)];
  if (typeof value !== "object" || value === null || below(5) === 0) return pick(STRANGE);
  if (Array.isArray(value)) {
    if (value.length === 0 || below(6) === 0) return [...value, ...value, pick(STRANGE)];
    return value.with(below(value.length), mutated(pick(value), random));
  }
  const keys = Object.keys(value);
  const record = value as Record<string, unknown>;
  if (keys.length === 0 || below(8) === 0) {
    return { ...record, [pick(["x", "type", "content", "schema", "__proto__", "n"])]: pick(STRANGE) };
  }
  const key = pick(keys);
  if (below(8) === 0) return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
  return { ...record, [key]: mutated(record[key], random) };
}

/** A long answer is no failure: it is cut, so that all bodies have their turn. */
function limited(path: string, body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const record = body as Record<string, unknown>;
  const key = path === "/v1/responses" ? "max_output_tokens" : "max_tokens";
  if (!/completions|responses|messages$/.test(path)) return body;
  const given = record[key];
  const isShort = given !== undefined && given !== null && !(typeof given === "number" && given > 50);
  return {
    ...record,
    [key]: isShort ? given : 50,
    ...("max_completion_tokens" in record && { max_completion_tokens: 5 }),
  };
}

const COUNT = Number(Deno.env.get("FUZZED_BODIES") ?? 1000);

Deno.test(`${COUNT} fuzzed bodies: none fails the server, none hangs`, async () => {
  const model = await loadModel(SCENES, { threads: 1 });
  const failures: string[] = [];
  const handler = createHandler({ [NAME]: model }, {
    onError: (error) => failures.push(`${(error as Error).stack}`),
  });
  const random = Random.fromSeed(15);
  const statuses = new Map<number, number>();
  for (let i = 0; i < COUNT; i++) {
    const [path, good] = BODIES[i % BODIES.length];
    let body: unknown = good;
    for (let times = 1 + Math.floor(random.nextFloat() * 3); times > 0; times--) body = mutated(body, random);
    const text = JSON.stringify(limited(path, body));
    const request = new Request(`http://server${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: random.nextFloat() < 0.05 ? text.slice(0, Math.floor(random.nextFloat() * text.length)) : text,
    });
    const begin = performance.now();
    const response = await handler(request);
    const answer = await response.text();
    const milliseconds = performance.now() - begin;
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status >= 500 || milliseconds > 10_000 || /server_error/.test(answer)) {
      failures.push(`${path} ${response.status} ${milliseconds.toFixed(0)} ms ${text.slice(0, 500)}`);
    }
  }
  await model.dispose();
  deepEqual(failures, []);
  ok(statuses.get(200)! > COUNT / 100, JSON.stringify([...statuses]));
  match([...statuses.keys()].join(), /400/);
});
