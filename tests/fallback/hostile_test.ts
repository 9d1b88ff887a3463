/**
 * What clients and upstreams send that is odd, contradicts itself or never ends: nobody is told another request than was sent, nobody
 * waits for ever, and the proxy goes on.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { CHAT, chat, JSON_FIELDS, type Proxying, proxying } from "./proxying.ts";
import { rawExchange } from "./raw_client.ts";
import { dead, respond, type Script, type ScriptedUpstream, scriptedUpstream } from "./scripted_upstream.ts";

const encoder = new TextEncoder();
const HOST = "host: proxy\r\nconnection: close\r\n";
const post = (fields: string, body = "") => `POST ${CHAT} HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
const get = (fields: string, target = "/any") => `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`;

/** Sends bytes, more of them once the first answer came, and returns all that comes until the connection ends. */
async function sendRaw(url: string, text: string, more?: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) });
  await connection.write(encoder.encode(text));
  let seen = "";
  const piece = new Uint8Array(65_536);
  try {
    for (let count; (count = await connection.read(piece)) !== null;) {
      seen += new TextDecoder().decode(piece.subarray(0, count));
      if (more) await connection.write(encoder.encode(more));
      more = undefined;
    }
  } catch {
    // A reset is an end too.
  }
  return seen;
}

/** What the upstream tells of the request that it got. */
const echo: Script = (exchange) =>
  respond(exchange, exchange.method === "HEAD" ? "" : `<${new TextDecoder().decode(exchange.body)}>`);

/** A request, the status that the client sees and, where it went on, the body as the upstream got it. */
const REQUESTS: [name: string, text: string, status: number, body?: string][] = [
  ["two ways to tell the end", post("content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), 400],
  ["two lengths", post("content-length: 3\r\ncontent-length: 5\r\n", "hello"), 400],
  ["the same length twice", post("content-length: 5\r\ncontent-length: 5\r\n", "hello"), 200, "hello"],
  [
    "a length that Connection names",
    post("connection: content-length\r\ncontent-length: 5\r\n", "hello"),
    200,
    "hello",
  ],
  ["another coding", post("transfer-encoding: identity\r\ncontent-length: 5\r\n", "hello"), 400],
  [
    "chunk extensions and trailers",
    post("transfer-encoding: chunked\r\n", `5;a="b;c"\r\nhello\r\n0;z\r\nx-t: 1\r\n\r\n`),
    200,
    "hello",
  ],
  ["an expectation", post("expect: 100-continue\r\ncontent-length: 0\r\n"), 200, ""],
  ["a folded field", get("x-a: 1\r\n  2\r\n"), 400],
  ["a space before the colon", get("x-a : 1\r\n"), 400],
  ["a zero byte", get("x-a: a\0b\r\n"), 400],
  ["a field of 1 MB", get(`x-a: ${"a".repeat(1 << 20)}\r\n`), 400],
  ["500 fields", get("x-a: 1\r\n".repeat(500)), 400],
  ["two hosts", `GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n`, 400],
  ["a host that is none", `GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n`, 400],
  ["a port that is none", get("", "http://evil@e:99999/x"), 400],
  ["a GET with a body", `${get("content-length: 5\r\n")}hello`, 400],
  ["a tunnel", `CONNECT a:443 HTTP/1.1\r\n${HOST}\r\n`, 501],
  ["a WebSocket", get("upgrade: websocket\r\n"), 501],
  ["another upgrade", get("connection: upgrade\r\nupgrade: h2c\r\n"), 200, ""],
  ["HTTP/1.0", `POST ${CHAT} HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello`, 200, "hello"],
  ["a handshake of TLS", "\x16\x03\x01\x02\r\n\r\n", 400],
];

Deno.test("requests that are odd or contradict themselves are refused, or arrive as one request", async () => {
  await using upstream = scriptedUpstream(echo);
  await using proxy = proxying({ upstreams: [upstream.url] });
  for (const [name, text, status, body] of REQUESTS) {
    const before = upstream.requests.length;
    const seen = await sendRaw(proxy.url, text);
    equal(/^HTTP\/1\.[01] (\d+)/.exec(seen)?.[1], `${status}`, `${name}: ${seen.slice(0, 200)}`);
    equal(upstream.requests.length - before, body === undefined ? 0 : 1, name);
    if (body !== undefined) ok(seen.endsWith(`<${body}>`), `${name}: ${seen}`);
  }
  const waiting = post("expect: 100-continue\r\ncontent-length: 5\r\n");
  match(await sendRaw(proxy.url, waiting, "hello"), /^HTTP\/1\.1 100 [^]*HTTP\/1\.1 200 [^]*<hello>$/);
  await sendRaw(proxy.url, get("cookie: a=1\r\ncookie: b=2\r\n"));
  const cookies = upstream.requests.at(-1)!.fields.filter(([name]) => name.toLowerCase() === "cookie");
  deepEqual(cookies.map(([, value]) => value), ["a=1; b=2"]);
  deepEqual(proxy.circuits, []);
});

/** 400 requests made of pieces that belong together and of pieces that do not. */
Deno.test("400 requests of random pieces: each arrives once or not at all, and the proxy goes on", async () => {
  await using upstream = scriptedUpstream(echo);
  await using proxy = proxying({ upstreams: [upstream.url], circuitFailures: 1_000_000 });
  let seed = 7;
  const pick = <T>(values: readonly T[]): T => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return values[Math.floor(seed / 2 ** 32 * values.length)];
  };
  const FIELDS = [
    "",
    "content-length: 5\r\n",
    "content-length: 05\r\n",
    "content-length: +5\r\n",
    "content-length: 5, 5\r\n",
    "transfer-encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding: chunked, chunked\r\n",
    "te: trailers\r\n",
    "connection: host, x-a\r\n",
    "host: other\r\n",
    "accept-encoding: \xff\r\n",
    "x-a: \t\r\n",
    "\r\n",
    "x-remora-served-by: local\r\n",
  ];
  const BODIES = [
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "0\r\n\r\n",
    "5\nhello\n0\n\n",
    "ffffffffffffffff\r\n",
    "-1\r\n",
  ];
  for (let turn = 0; turn < 400; turn++) {
    const line = `${pick(["GET", "POST", "HEAD", "OPTIONS", "PUT", "get", "P@ST"])} ${
      pick([CHAT, "/x?a=%00", "*", "//x", "/\\..\\x", "x"])
    } HTTP/${pick(["1.1", "1.1", "1.0", "2.0"])}\r\n`;
    const text = `${line}${HOST}x-turn: ${turn}\r\n` + pick(FIELDS) + pick(FIELDS) + "\r\n" + pick(BODIES);
    // The client says no more: whoever waits for the rest of a body is told so by the end.
    const answers = await halfClosed(proxy.url, text);
    ok(answers <= 1, `${JSON.stringify(text)}: ${answers} answers`);
  }
  await settled(upstream, proxy);
  const turns = upstream.requests.slice(0, -1).map(({ fields }) =>
    fields.find(([name]) => name === "x-turn")?.[1]
  );
  ok(turns.length > 40 && !turns.includes(undefined), "a request arrived that nobody sent");
  equal(new Set(turns).size, turns.length, "a request arrived twice");
});

/** Sends bytes and the end, and counts answers. */
async function halfClosed(url: string, text: string): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) });
  let seen = "";
  const piece = new Uint8Array(65_536);
  try {
    await connection.write(encoder.encode(text));
    // Time to be answered: a client that has ended its half is taken for one that has left.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await connection.closeWrite();
    for (let count; (count = await connection.read(piece)) !== null;) {
      seen += new TextDecoder().decode(piece.subarray(0, count));
    }
  } catch {
    // A reset is an end too.
  }
  return seen.match(/^HTTP\/1\.[01] [2-5]/gm)?.length ?? 0;
}

Deno.test("upstreams that say odd things: each is an answer, or a failure with a reason", async () => {
  await using upstream = scriptedUpstream(dead);
  await using proxy = proxying({ upstreams: [upstream.url], circuitFailures: 1_000_000 });
  const small = "content-length: 2\r\n\r\nok";
  const cases: [name: string, bytes: string, status: number, reason?: string][] = [
    [
      "many hints",
      `${"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n".repeat(20)}HTTP/1.1 200 OK\r\n${small}`,
      200,
    ],
    ["a continue", `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${small}`, 200],
    [
      "a switch that nobody asked for",
      "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
      502,
    ],
    ["a redirect", `HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n${small}`, 302],
    ["two ways to tell the end", `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${small}`, 502],
    ["two lengths", `HTTP/1.1 200 OK\r\ncontent-length: 1\r\n${small}`, 502],
    ["a chunk that is none", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 502],
    ["a status that is none", `HTTP/1.1 99 No\r\n${small}`, 502],
    ["a status of 999", `HTTP/1.1 999 No\r\n${small}`, 502],
    ["a header without an end", `HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(200_000)}`, 502],
    ["the end of the connection as the body's", "HTTP/1.0 200 OK\r\n\r\nok", 200],
  ];
  for (const [name, bytes, status] of cases) {
    upstream.script = async (exchange) => {
      await exchange.write(bytes).catch(() => {});
      exchange.reset();
    };
    const answer = await rawExchange(proxy.url, CHAT, { method: "POST", fields: JSON_FIELDS, body: chat() });
    equal(answer.status, status, `${name}: ${answer.text.slice(0, 200)}`);
    if (status === 502) equal(JSON.parse(answer.text).error.code, "no_upstream", name);
    else deepEqual([answer.text, answer.isWhole], ["ok", true], name);
  }
});

Deno.test("a request that was given up on a kept connection is not sent again over another", async () => {
  await using upstream = scriptedUpstream(echo);
  await using proxy = proxying({ upstreams: [upstream.url], circuitFailures: 1_000_000 });
  for (let turn = 0; turn < 5; turn++) {
    upstream.script = echo;
    equal((await rawExchange(proxy.url, CHAT, { method: "POST", body: "kept" })).text, "<kept>");
    upstream.script = async (exchange) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await echo(exchange);
    };
    await fetch(proxy.url + CHAT, { method: "POST", body: "left", signal: AbortSignal.timeout(10) }).catch(
      () => {},
    );
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  const left = upstream.requests.filter(({ body }) => new TextDecoder().decode(body) === "left");
  equal(left.length, 5);
});

Deno.test("clients that hang up anywhere leave nothing behind, and open no circuit", async () => {
  await using upstream = scriptedUpstream(echo);
  await using proxy = proxying({ upstreams: [upstream.url] });
  const whole = post(`content-length: 5\r\n`, "hello");
  for (let cut = 1; cut <= whole.length; cut += 3) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(proxy.url).port) });
    await connection.write(encoder.encode(whole.slice(0, cut)));
    connection.close();
  }
  await settled(upstream, proxy);
  deepEqual(proxy.circuits, []);
});

/** Whatever was under way is over when the next is. */
async function settled(upstream: ScriptedUpstream, proxy: Proxying): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  equal((await rawExchange(proxy.url, CHAT, { method: "POST", body: "x" })).text, "<x>");
  ok(upstream.requests.length > 0);
}
