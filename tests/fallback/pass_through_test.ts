/**
 * Nothing changes on its way while the upstream answers: bytes are compared, as a client that knows nothing of HTTP libraries sees them.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { serving } from "../server/serving.ts";
import { CHAT, chat, JSON_FIELDS, proxying } from "./proxying.ts";
import { rawExchange, type RawRequest } from "./raw_client.ts";
import {
  beginChunks,
  chunk,
  type Exchange,
  respond,
  type Script,
  scriptedUpstream,
} from "./scripted_upstream.ts";

/** Fields that each connection has of its own. */
const OF_CONNECTION = new Set(["connection", "transfer-encoding", "date", "vary"]);

function fieldsOf(fields: readonly [string, string][]): string[] {
  return fields.filter(([name]) => !OF_CONNECTION.has(name) && !name.startsWith("x-remora-"))
    .map(([name, value]) => `${name}: ${value}`).sort();
}

/** The same numbers every time (mulberry32). */
function randomNumbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a real server says to each of these, to be said again by the scripted one. */
async function recordings(): Promise<{ target: string; type: string; body: Uint8Array<ArrayBuffer> }[]> {
  await using server = await serving();
  const json = { method: "POST", headers: { "content-type": "application/json" } };
  const asked: [string, RequestInit][] = [
    ["/v1/models", {}],
    ["/openapi.json", {}],
    ["/", {}],
    ["/no/such/path", {}],
    [CHAT, { ...json, body: chat() }],
    [CHAT, { ...json, body: chat({ stream: true, max_tokens: 20, ignore_eos: true }) }],
    [CHAT, { ...json, body: "{" }],
    ["/v1/completions", {
      ...json,
      body: JSON.stringify({ model: "scenes", prompt: "✿ star", max_tokens: 8, stream: true }),
    }],
    ["/v1/responses", {
      ...json,
      body: JSON.stringify({ model: "scenes", input: "star?", max_output_tokens: 8, stream: true }),
    }],
    ["/v1/messages", {
      ...json,
      body: JSON.stringify({
        model: "scenes",
        messages: [{ role: "user", content: "star?" }],
        max_tokens: 8,
        stream: true,
      }),
    }],
  ];
  return await Promise.all(asked.map(async ([target, init]) => {
    const response = await fetch(server.url + target, init);
    return { target, type: response.headers.get("content-type") ?? "", body: await response.bytes() };
  }));
}

async function packed(
  body: Uint8Array<ArrayBuffer>,
  format: CompressionFormat,
): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(new Blob([body]).stream().pipeThrough(new CompressionStream(format))).bytes();
}

/** Says recordings again: whole or in chunks that are cut anywhere, packed or not, with statuses and fields of all kinds. */
async function variation(
  recorded: Awaited<ReturnType<typeof recordings>>[number],
  random: () => number,
): Promise<Script> {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)];
  const encoding = pick(["", "", "gzip", "deflate"] as const);
  const body = encoding === "" ? recorded.body : await packed(recorded.body, encoding);
  const status = pick([
    "200 OK",
    "200 OK",
    "201 Created",
    "400 Bad Request",
    "404 Not Found",
    "429 Too Many Requests",
    "401 No",
  ]);
  const fields = [
    `content-type: ${recorded.type}`,
    ...(encoding === "" ? [] : [`content-encoding: ${encoding}`]),
    ...(random() < 0.3 ? ["set-cookie: a=1; Path=/", "set-cookie: b=2"] : []),
    ...(random() < 0.3 ? ["X-Request-Id: Req_1", 'ETag: W/"x"', "cache-control: no-cache"] : []),
    ...(random() < 0.2 ? ["connection: keep-alive, x-of-hop", "keep-alive: timeout=5", "x-of-hop: 1"] : []),
  ];
  if (random() < 0.4) return (exchange) => respond(exchange, body, { status, fields });
  const sizes = Array.from(
    { length: 64 },
    () => 1 + Math.floor(random() ** 3 * Math.max(300, body.length / 20)),
  );
  const pauses = random() < 0.3;
  return async (exchange) => {
    await beginChunks(exchange, fields, status);
    for (let at = 0, i = 0; at < body.length; at += sizes[i++ % 64]) {
      await chunk(exchange, body.subarray(at, at + sizes[i % 64]));
      if (pauses && i % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await chunk(exchange, "");
  };
}

Deno.test("200 exchanges through the proxy are those without it, byte for byte", async () => {
  const random = randomNumbers(17);
  const recorded = await recordings();
  await using upstream = scriptedUpstream(() => Promise.resolve());
  await using proxy = proxying({ upstreams: [upstream.url] });
  for (let turn = 0; turn < 200; turn++) {
    const recording = recorded[turn % recorded.length];
    upstream.script = await variation(recording, random);
    const asked: RawRequest = turn % 3 === 0 ? { fields: ["accept-encoding: gzip, br"] } : {
      method: "POST",
      fields: JSON_FIELDS,
      body: chat({ turn }),
      chunked: turn % 3 === 1 ? 7 : undefined,
    };
    const direct = await rawExchange(upstream.url, recording.target, asked);
    const passed = await rawExchange(proxy.url, recording.target, asked);
    equal(passed.status, direct.status);
    deepEqual(passed.body, direct.body, `exchange ${turn}`);
    equal(passed.isWhole && direct.isWhole, true, `exchange ${turn}`);
    deepEqual(
      fieldsOf(passed.fields),
      fieldsOf(direct.fields).filter((field) => !/^(keep-alive|x-of-hop):/.test(field)),
    );
    equal(passed.field("x-remora-served-by"), "upstream");
    equal(passed.field("x-remora-attempts"), "1");
    equal(passed.field("x-remora-fallback-reason"), undefined);
  }
});

/** The last request that came, as it came. */
function last(requests: readonly Exchange[]): Exchange {
  return requests.at(-1)!;
}

Deno.test("requests arrive as they were sent: method, path, query, fields, body", async () => {
  await using upstream = scriptedUpstream((exchange) => respond(exchange, "ok"));
  await using proxy = proxying({ upstreams: [`${upstream.url}/some/where/`] });
  const body = crypto.getRandomValues(new Uint8Array(300_000).subarray(0, 65_536));
  for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
    const hasBody = ["POST", "PUT", "PATCH", "DELETE"].includes(method);
    await rawExchange(proxy.url, "/un/known//path;v=1/%7Ex%2F?q=a+b&q=%zz&r", {
      method,
      fields: [
        "X-Any: one",
        "x-any: two",
        "Authorization: Bearer key",
        "cookie: a=1",
        "proxy-connection: close",
        "accept-encoding: zstd",
      ],
      ...(hasBody && { body, chunked: method === "PUT" ? 1000 : undefined }),
    });
    const got = last(upstream.requests);
    equal(got.method, method);
    equal(got.target, "/some/where/un/known//path;v=1/%7Ex%2F?q=a+b&q=%zz&r");
    const field = (name: string) =>
      got.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
    deepEqual(field("x-any").join(", "), "one, two");
    deepEqual(field("authorization"), ["Bearer key"]);
    deepEqual(field("accept-encoding"), ["zstd"]);
    deepEqual(field("proxy-connection"), []);
    deepEqual(field("host"), [new URL(upstream.url).host]);
    if (hasBody) deepEqual(got.body, body, method);
  }
});

Deno.test("responses without a body, hints before them and trailers after them", async () => {
  await using upstream = scriptedUpstream(() => Promise.resolve());
  await using proxy = proxying({ upstreams: [upstream.url] });
  const answers = async (bytes: string, method = "GET") => {
    upstream.script = ({ write }) => write(bytes);
    return await rawExchange(proxy.url, "/any", { method });
  };
  const head = await answers("HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n", "HEAD");
  equal(head.field("content-length"), "77");
  const none = await answers("HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n");
  deepEqual([none.status, none.field("x-a"), none.body.length], [204, "1", 0]);
  const same = await answers("HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n");
  deepEqual([same.status, same.field("etag"), same.body.length], [304, "x", 0]);
  const moved = await answers("HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
  deepEqual([moved.status, moved.field("location")], [307, "/elsewhere"]);
  const hinted = await answers(
    "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
  );
  deepEqual([hinted.status, hinted.text, hinted.field("link")], [200, "ok", undefined]);
  const trailed = await answers(
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
  );
  deepEqual([trailed.text, trailed.isWhole, trailed.field("trailer")], ["ok", true, undefined]);
});

Deno.test("nobody upstream says who answered, and WebSockets are refused by name", async () => {
  await using upstream = scriptedUpstream((exchange) =>
    respond(exchange, "ok", { fields: ["x-remora-served-by: local", "x-remora-other: 1"] })
  );
  await using proxy = proxying({ upstreams: [upstream.url] });
  const { fields } = await rawExchange(proxy.url, "/any");
  deepEqual(fields.filter(([name]) => name.startsWith("x-remora-")).sort(), [
    ["x-remora-attempts", "1"],
    ["x-remora-served-by", "upstream"],
  ]);
  const refused = await rawExchange(proxy.url, "/v1/realtime", { fields: ["upgrade: websocket"] });
  equal(refused.status, 501);
  match(refused.text, /upgrade_not_supported/);
});

Deno.test("events pass as they come, not when all are there", async () => {
  const next = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using upstream = scriptedUpstream(async (exchange) => {
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    for (const { promise } of next) {
      await chunk(exchange, "data: {}\n\n");
      await promise;
    }
    await chunk(exchange, "data: [DONE]\n\n");
    await chunk(exchange, "");
  });
  await using proxy = proxying({ upstreams: [upstream.url] });
  const response = await fetch(proxy.url + CHAT, { method: "POST", body: chat({ stream: true }) });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (const { resolve } of next) {
    equal((await reader.read()).value, "data: {}\n\n");
    resolve();
  }
  equal((await reader.read()).value, "data: [DONE]\n\n");
  ok((await reader.read()).done);
});

Deno.test("a client that goes away ends the upstream's work", async () => {
  const gone = Promise.withResolvers<void>();
  await using upstream = scriptedUpstream(async (exchange) => {
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    try {
      while (true) {
        await chunk(exchange, "data: {}\n\n");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } catch {
      gone.resolve();
    }
  });
  await using proxy = proxying({ upstreams: [upstream.url] });
  const response = await fetch(proxy.url + CHAT, { method: "POST", body: chat({ stream: true }) });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await gone.promise;
  deepEqual(proxy.circuits, []);
});

Deno.test("a kept connection that the upstream closed meanwhile is no failure", async () => {
  await using upstream = scriptedUpstream(async (exchange) => {
    await respond(exchange, "ok", { fields: ["connection: keep-alive"] });
    setTimeout(() => exchange.reset(), Math.random() * 4);
  });
  await using proxy = proxying({ upstreams: [upstream.url] });
  for (let turn = 0; turn < 200; turn++) {
    const { status, field } = await rawExchange(proxy.url, CHAT, { method: "POST", body: chat() });
    deepEqual([status, field("x-remora-fallback-reason")], [200, undefined]);
  }
  deepEqual(proxy.circuits, []);
});
