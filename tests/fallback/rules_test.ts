/**
 * Who is asked after what, one rule a test. The model of the repository stands beside upstreams that do what a test says.
 */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { createFallback, type FallbackOptions, loadModel } from "../../mod.ts";
import { SCENES } from "../server/serving.ts";
import { CHAT, chat, deadUrl, JSON_FIELDS, proxying } from "./proxying.ts";
import { rawExchange, type RawResponse } from "./raw_client.ts";
import {
  beginChunks,
  chunk,
  dead,
  type Exchange,
  respond,
  type Script,
  scriptedUpstream,
} from "./scripted_upstream.ts";

const LOCAL = {
  model: () => loadModel(SCENES, { threads: 1 }),
  modelName: "tiny",
  standsInFor: ["scenes"],
} satisfies Partial<FallbackOptions>;

const ask = (url: string, body = chat(), fields = JSON_FIELDS) =>
  rawExchange(url, CHAT, { method: "POST", fields, body });
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Who answered, in the words of the header. */
function marks({ status, field }: RawResponse): string {
  const names = ["x-remora-served-by", "x-remora-fallback-reason", "x-remora-attempts"];
  return [status, ...names.map((name) => field(name) ?? "-")].join(" | ");
}

const status = (line: string, ...fields: string[]): Script => (exchange) =>
  respond(exchange, `{"error":{"message":"of the upstream"}}`, { status: line, fields });

/** Every way in which an upstream fails before the first byte, and the word for it. */
const FAILURES: [reason: string, script: Script][] = [
  ["status_500", status("500 Oh")],
  ["status_502", status("502 Oh")],
  ["status_503", status("503 Loading")],
  ["connection_reset", (exchange) => Promise.resolve(exchange.reset())],
  ["connection_reset", async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n");
    await pause(20);
    exchange.reset();
  }],
  ["connection_reset", async (exchange) => {
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    await chunk(exchange, `data: {"half": `);
    await pause(20);
    exchange.reset();
  }],
  ["bad_response", async (exchange) => {
    await exchange.write("no HTTP at all\r\n\r\n");
    exchange.reset();
  }],
];

Deno.test("whatever fails before the first byte is answered by the model, with the reason", async () => {
  await using upstream = scriptedUpstream(dead);
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url], circuitFailures: 1000 });
  for (const [reason, script] of FAILURES) {
    upstream.script = script;
    const response = await ask(proxy.url);
    equal(marks(response), `200 | local | ${reason} | 2`);
    const body = JSON.parse(response.text);
    deepEqual([body.object, body.model, body.choices[0].message.content], ["chat.completion", "tiny", "yes"]);
  }
  equal(upstream.requests.length, FAILURES.length);
});

Deno.test("no connection, no such name, no certificate to trust", async () => {
  await using secure = scriptedUpstream(status("200 OK"), { tls: selfSigned() });
  for (
    const [url, reason] of [
      [deadUrl(), "connection_refused"],
      ["http://no-such-host.invalid", "name_not_found"],
      [secure.url, "tls_failure"],
    ]
  ) {
    await using proxy = proxying({ ...LOCAL, upstreams: [url] });
    equal(marks(await ask(proxy.url)), `200 | local | ${reason} | 2`);
  }
  deepEqual(secure.requests, []);
});

Deno.test("slowness is not death, unless a limit is asked for", async () => {
  const slow: Script = async (exchange) => {
    await pause(300);
    await respond(exchange, "slow");
  };
  await using upstream = scriptedUpstream(slow);
  await using patient = proxying({
    ...LOCAL,
    upstreams: [upstream.url],
    silenceMilliseconds: 50,
    probeMilliseconds: 1000,
  });
  equal((await ask(patient.url)).text, "slow");
  await using hasty = proxying({ ...LOCAL, upstreams: [upstream.url], firstByteMilliseconds: 100 });
  equal(marks(await ask(hasty.url)), "200 | local | first_byte_timeout | 2");
});

Deno.test("who is silent and gives no sign of life is dead", async () => {
  await using upstream = scriptedUpstream(dead);
  await using proxy = proxying({
    ...LOCAL,
    upstreams: [upstream.url],
    silenceMilliseconds: 50,
    probeMilliseconds: 50,
  });
  equal(marks(await ask(proxy.url)), "200 | local | silent | 2");
});

Deno.test("an answer that breaks off after its first byte ends as it is: nothing is stitched together", async () => {
  await using upstream = scriptedUpstream(async (exchange) => {
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    await chunk(exchange, `data: {"a":1}\n\ndata: {"half`);
    await pause(20);
    exchange.reset();
  });
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url], circuitFailures: 1000 });
  const stream = await ask(proxy.url, chat({ stream: true }));
  const [first, last, ...rest] = stream.text.split("\n\n");
  deepEqual([first, rest, stream.isWhole], [`data: {"a":1}`, [""], true]);
  deepEqual(JSON.parse(last.replace("data: ", "")).error.code, "upstream_broke_off");
  const anthropic = await rawExchange(proxy.url, "/v1/messages", {
    method: "POST",
    fields: JSON_FIELDS,
    body: "{}",
  });
  match(anthropic.text, /event: error\ndata: {"type":"error","error":{"type":"api_error"/);
  const response = await rawExchange(proxy.url, "/v1/responses", {
    method: "POST",
    fields: JSON_FIELDS,
    body: "{}",
  });
  match(response.text, /event: error\ndata: {"type":"error",.*"code":"upstream_broke_off"/);

  upstream.script = async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{");
    await pause(20);
    exchange.reset();
  };
  const json = await ask(proxy.url);
  deepEqual([json.status, json.text, json.isWhole], [200, "{", false]);
});

Deno.test("a stream that stands still ends when a limit is asked for, or no sign of life comes", async () => {
  const still: Script = async (exchange) => {
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    await chunk(exchange, "data: {}\n\n");
    await dead(exchange);
  };
  await using upstream = scriptedUpstream(still);
  await using hasty = proxying({ upstreams: [upstream.url], betweenBytesMilliseconds: 80 });
  match((await ask(hasty.url)).text, /idle_timeout/);
  await using frozen = scriptedUpstream(async (exchange) => {
    frozen.script = dead;
    await still(exchange);
  });
  await using watchful = proxying({
    upstreams: [frozen.url],
    silenceMilliseconds: 50,
    probeMilliseconds: 50,
  });
  match((await ask(watchful.url)).text, /broke off in the middle of the answer: silent/);
});

Deno.test("429 passes through, unless asked for", async () => {
  await using upstream = scriptedUpstream(status("429 Many", "retry-after: 3"));
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url] });
  const passed = await ask(proxy.url);
  deepEqual([marks(passed), passed.field("retry-after")], ["429 | upstream | - | 1", "3"]);
  await using asked = proxying({ ...LOCAL, upstreams: [upstream.url], failOverOnRateLimit: true });
  equal(marks(await ask(asked.url)), "200 | local | status_429 | 2");
  // The upstream said when to come back.
  equal(marks(await ask(asked.url)), "200 | local | circuit_open | 1");
});

Deno.test("other statuses pass through as they are, and wrong JSON too: nobody looks into answers", async () => {
  await using upstream = scriptedUpstream(status("400 Bad"));
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url] });
  for (const line of ["400 Bad", "401 Who", "404 Where", "418 Tea"]) {
    upstream.script = status(line);
    equal(marks(await ask(proxy.url)), `${line.slice(0, 3)} | upstream | - | 1`);
  }
  upstream.script = (exchange) => respond(exchange, `{"choices": [`);
  equal((await ask(proxy.url)).text, `{"choices": [`);
  equal(proxy.circuits.length, 0);
});

Deno.test("upstreams are asked in order, the model last; if all fail, the first answer that there was is the client's", async () => {
  await using first = scriptedUpstream(status("503 First", "retry-after: 1"));
  await using second = scriptedUpstream((exchange) => respond(exchange, "second"));
  await using proxy = proxying({ upstreams: [first.url, second.url], circuitFailures: 1000 });
  equal(marks(await ask(proxy.url)), "200 | upstream | status_503 | 2");
  second.script = status("500 Second");
  const none = await ask(proxy.url);
  // The first was not asked again before its time; nobody else was left.
  equal(marks(none), "500 | upstream | circuit_open | 1");
  match(none.text, /of the upstream/);
  equal(proxy.records.at(-1)?.upstream, second.url);
  await pause(1050);
  equal(marks(await ask(proxy.url)), "503 | upstream | status_503 | 2");
});

Deno.test("what the model cannot do gets the upstream's answer, else 502 with the reason", async () => {
  await using upstream = scriptedUpstream(status("503 Loading"));
  const long = chat({ messages: [{ role: "user", content: "star ".repeat(5000) }] });
  const cases: [string, string, string][] = [
    [CHAT, long, "context_length_exceeded"],
    [CHAT, chat({ model: "an-adapter" }), "model_not_found"],
    [CHAT, chat({ audio: {} }), "unknown_parameter"],
    [CHAT, chat({ logit_bias: { "5": 1 } }), "another_model"],
    ["/v1/completions", JSON.stringify({ model: "scenes", prompt: [1, 2, 3] }), "another_model"],
    ["/v1/embeddings", JSON.stringify({ model: "scenes", input: "star" }), "another_model"],
    ["/tokenize", JSON.stringify({ model: "scenes", prompt: "star" }), "another_model"],
    ["/v1/audio/transcriptions", "x", "not_an_endpoint"],
  ];
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url], circuitFailures: 1000 });
  await using alone = proxying({ ...LOCAL, upstreams: [deadUrl()], circuitFailures: 1000 });
  for (const [path, body, reason] of cases) {
    const passed = await rawExchange(proxy.url, path, { method: "POST", fields: JSON_FIELDS, body });
    match(marks(passed), new RegExp(`^503 \\| upstream \\| status_503; local=${reason} \\| `));
    match(passed.text, /of the upstream/);
    const refused = await rawExchange(alone.url, path, { method: "POST", fields: JSON_FIELDS, body });
    match(marks(refused), new RegExp(`^502 \\| - \\| connection_refused; local=${reason} \\| `));
    deepEqual(Object.keys(JSON.parse(refused.text).error), ["message", "type", "param", "code"]);
  }
});

Deno.test("the same model may answer what has a meaning only between equal models", async () => {
  await using proxy = proxying({ ...LOCAL, upstreams: [deadUrl()], isSameModel: true });
  const post = (path: string, body: unknown) =>
    rawExchange(proxy.url, path, { method: "POST", fields: JSON_FIELDS, body: JSON.stringify(body) });
  match(marks(await post("/tokenize", { model: "scenes", prompt: "star" })), /^200 \| local/);
  match(
    marks(await post("/v1/completions", { model: "scenes", prompt: [1, 2], max_tokens: 2 })),
    /^200 \| local/,
  );
});

Deno.test("a path that nobody here knows is tried although the circuit is open, rather than refused", async () => {
  await using upstream = scriptedUpstream(status("500 Oh"));
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url], circuitFailures: 1 });
  await ask(proxy.url);
  deepEqual(proxy.circuits, ["open: status_500"]);
  upstream.script = (exchange) => respond(exchange, "here again");
  const passed = await rawExchange(proxy.url, "/some/path");
  deepEqual([passed.text, marks(passed)], [
    "here again",
    "200 | upstream | circuit_open; local=not_an_endpoint | 1",
  ]);
});

Deno.test("a circuit opens, spares the upstream, probes it and closes", async () => {
  let health = 503;
  await using upstream = scriptedUpstream(status("500 Oh"));
  await using proxy = proxying({
    ...LOCAL,
    upstreams: [upstream.url],
    circuitOpenMilliseconds: 200,
    healthPath: "/alive",
  });
  const script: Script = (exchange) =>
    exchange.target === "/alive"
      ? respond(exchange, "", { status: `${health} X` })
      : status("500 Oh")(exchange);
  upstream.script = script;
  for (let i = 0; i < 3; i++) equal(marks(await ask(proxy.url)), "200 | local | status_500 | 2");
  equal(marks(await ask(proxy.url)), "200 | local | circuit_open | 1");
  await pause(220);
  equal(marks(await ask(proxy.url)), "200 | local | circuit_open | 1");
  deepEqual(proxy.circuits, ["open: status_500", "probing", "open: probe failed"]);
  health = 200;
  await pause(220);
  upstream.script = (exchange) => exchange.target === "/alive" ? script(exchange) : respond(exchange, "well");
  equal(marks(await ask(proxy.url)), "200 | upstream | - | 1");
  deepEqual(proxy.circuits.slice(3), ["probing", "half-open", "closed"]);
});

Deno.test("without retries after sending, only what the upstream cannot have begun passes on", async () => {
  await using upstream = scriptedUpstream(status("500 Oh"));
  await using proxy = proxying({
    ...LOCAL,
    upstreams: [upstream.url],
    retryAfterSend: false,
    circuitFailures: 1000,
  });
  equal(marks(await ask(proxy.url)), "500 | upstream | status_500 | 1");
  upstream.script = (exchange) => Promise.resolve(exchange.reset());
  equal(marks(await ask(proxy.url)), "502 | - | connection_reset | 1");
  upstream.script = status("503 Loading");
  equal(marks(await ask(proxy.url)), "200 | local | status_503 | 2");
  await using refused = proxying({ ...LOCAL, upstreams: [deadUrl()], retryAfterSend: false });
  equal(marks(await ask(refused.url)), "200 | local | connection_refused | 2");
});

Deno.test("what may change something is never sent twice", async () => {
  await using first = scriptedUpstream((exchange) => Promise.resolve(exchange.reset()));
  await using second = scriptedUpstream((exchange) => respond(exchange, "second"));
  await using proxy = proxying({ upstreams: [first.url, second.url] });
  const load = (url: string) =>
    rawExchange(url, "/v1/load_lora_adapter", { method: "POST", fields: JSON_FIELDS, body: "{}" });
  equal(marks(await load(proxy.url)), "502 | - | connection_reset | 1");
  equal(second.requests.length, 0);
  await using refusing = proxying({ upstreams: [deadUrl(), second.url] });
  equal(marks(await load(refusing.url)), "200 | upstream | connection_refused | 2");
});

Deno.test("a body beyond the limit passes once, and nobody else is asked", async () => {
  await using upstream = scriptedUpstream((exchange: Exchange) =>
    respond(exchange, `${exchange.body.length}`)
  );
  await using proxy = proxying({ ...LOCAL, upstreams: [upstream.url], replayBytes: 1000 });
  const large = chat({ messages: [{ role: "user", content: "x".repeat(500_000) }] });
  equal((await ask(proxy.url, large)).text, `${large.length}`);
  upstream.script = status("503 Loading");
  equal(marks(await ask(proxy.url, large)), "503 | upstream | status_503 | 1");
});

/** The model stands in for what an upstream lists at the time. */
function standingInByList(models: () => string) {
  const upstream = scriptedUpstream((exchange) =>
    respond(exchange, exchange.target === "/v1/models" ? models() : "{}")
  );
  const proxy = proxying({
    ...LOCAL,
    standsInFor: undefined,
    upstreams: [upstream.url],
    circuitFailures: 1000,
  });
  return {
    upstream,
    asked: async (model: string) => marks(await ask(proxy.url, chat({ model }))),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

Deno.test("names: those that are given, else the upstreams' models that are no adapters", async () => {
  const models = JSON.stringify({ data: [{ id: "scenes", parent: null }, { id: "sql", parent: "scenes" }] });
  await using stage = standingInByList(() => models);
  const { upstream, asked } = stage;
  equal(await asked("scenes"), "200 | upstream | - | 1");
  await pause(50);
  upstream.script = status("500 Oh");
  equal(await asked("scenes"), "200 | local | status_500 | 2");
  equal(await asked("tiny"), "200 | local | status_500 | 2");
  equal(await asked("sql"), "500 | upstream | status_500; local=model_not_found | 1");
  equal(await asked("elsewhere"), "500 | upstream | status_500; local=model_not_found | 1");
});

Deno.test("an upstream that lists no models while it starts does not make the model refuse everybody", async () => {
  let models = `{"data": []}`;
  await using stage = standingInByList(() => models);
  const { upstream, asked } = stage;
  equal(await asked("scenes"), "200 | upstream | - | 1");
  await pause(50);
  const well = upstream.script;
  upstream.script = status("500 Oh");
  equal(await asked("scenes"), "200 | local | status_500 | 2");
  // It is asked again soon, not after the minute for which a list counts.
  models = JSON.stringify({ data: [{ id: "scenes" }] });
  upstream.script = well;
  await pause(1000);
  equal(await asked("scenes"), "200 | upstream | - | 1");
  await pause(50);
  upstream.script = status("500 Oh");
  equal(await asked("elsewhere"), "500 | upstream | status_500; local=model_not_found | 1");
});

Deno.test("the true name of the model, or the one that was asked for", async () => {
  for (const keepModelName of [false, true]) {
    await using proxy = proxying({ ...LOCAL, upstreams: [deadUrl()], keepModelName });
    const name = keepModelName ? "scenes" : "tiny";
    equal(JSON.parse((await ask(proxy.url)).text).model, name);
    const stream = (await ask(proxy.url, chat({ stream: true }))).text.trim().split("\n\n").slice(0, -1);
    ok(stream.length > 2 && stream.every((event) => JSON.parse(event.replace("data: ", "")).model === name));
  }
});

Deno.test("a lazy model is loaded by the first failure and given back when nobody asks", async () => {
  let loads = 0;
  const model = () => (loads++, loadModel(SCENES, { threads: 1 }));
  await using proxy = proxying({
    ...LOCAL,
    model,
    upstreams: [deadUrl()],
    lazy: true,
    idleMilliseconds: 150,
  });
  equal(proxy.handler.localState, "unloaded");
  const answers = await Promise.all(Array.from({ length: 4 }, () => ask(proxy.url)));
  deepEqual([loads, answers.map(({ status }) => status)], [1, [200, 200, 200, 200]]);
  equal(proxy.handler.localState, "ready");
  await pause(300);
  equal(proxy.handler.localState, "unloaded");
  equal((await ask(proxy.url)).status, 200);
  equal(loads, 2);
});

Deno.test("while the model loads requests wait, or are told when to come back", async () => {
  const load = Promise.withResolvers<void>();
  const model = () => load.promise.then(() => loadModel(SCENES, { threads: 1 }));
  await using waiting = proxying({ ...LOCAL, model, upstreams: [deadUrl()] });
  await using refusing = proxying({ ...LOCAL, model, upstreams: [deadUrl()], whileLoading: "refuse" });
  const refused = await ask(refusing.url);
  deepEqual([marks(refused), refused.field("retry-after")], [
    "503 | - | connection_refused; local=model_loading | 2",
    "2",
  ]);
  equal((await rawExchange(refusing.url, "/health")).status, 503);
  const answer = ask(waiting.url);
  load.resolve();
  equal((await answer).status, 200);
  await refusing.handler.ready();
  equal((await ask(refusing.url)).status, 200);
  equal((await rawExchange(refusing.url, "/health")).status, 200);
});

Deno.test("a model that cannot be loaded is told of, and the upstream's error is the client's", async () => {
  await using upstream = scriptedUpstream(status("503 Loading"));
  const errors: unknown[] = [];
  const model = () => Promise.reject(new Error("no such model"));
  await using proxy = proxying({
    ...LOCAL,
    model,
    upstreams: [upstream.url],
    onError: (error) => errors.push(error),
  });
  equal(marks(await ask(proxy.url)), "503 | upstream | status_503; local=model_failed | 2");
  match(`${errors[0]}`, /no such model/);
});

Deno.test("keys: upstreams ask for theirs, the model for ours", async () => {
  await using upstream = scriptedUpstream((exchange) => respond(exchange, "{}"));
  await using proxy = proxying({
    ...LOCAL,
    upstreams: [upstream.url],
    apiKeys: ["ours"],
    circuitFailures: 1000,
  });
  equal((await ask(proxy.url)).status, 200);
  upstream.script = (exchange) => Promise.resolve(exchange.reset());
  equal(marks(await ask(proxy.url)), "401 | - | connection_reset; local=invalid_api_key | 2");
  equal((await ask(proxy.url, chat(), [...JSON_FIELDS, "authorization: Bearer ours"])).status, 200);
  equal((await rawExchange(proxy.url, "/x-remora/status")).status, 401);
  equal((await rawExchange(proxy.url, "/x-remora/health")).status, 200);
});

Deno.test("addresses that cannot be meant are refused by name", async () => {
  for (
    const [upstream, wanted] of [
      ["ftp://host", /http or https/],
      ["host:8000", /http or https/],
      ["http://host/v1", /without \/v1/],
      ["http://user:secret@host", /without a user/],
      ["http://host/?a=1", /without a query/],
    ] as const
  ) {
    await rejects(async () => void await createFallback({ upstreams: [upstream] }), wanted);
  }
  await rejects(async () => void await createFallback({ upstreams: [] }), /expected an upstream, found none/);
});

/** A certificate that nobody has signed but itself, made for these tests. */
function selfSigned(): { cert: string; key: string } {
  const read = (name: string) => Deno.readTextFileSync(new URL(`certificate/${name}`, import.meta.url));
  return { cert: read("localhost.crt"), key: read("localhost.key") };
}
