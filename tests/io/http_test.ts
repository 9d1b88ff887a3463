import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { httpSource } from "../../src/io/http.ts";
import type { ModelSource } from "../../src/io/source.ts";
import { assertRefused } from "../errors.ts";

const CONFIG = new TextEncoder().encode('{"model_type":"x"}');
const SHARD = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const INDEX = new TextEncoder().encode(JSON.stringify({
  weight_map: { a: "1 of 2.safetensors", b: "sub/2.safetensors", c: "../secret", d: "/etc/x" },
}));
const FILES = new Map([
  ["/m/config.json", CONFIG],
  ["/m/model.safetensors.index.json", INDEX],
  ["/m/1%20of%202.safetensors", SHARD],
  ["/m/sub/2.safetensors", SHARD],
  ["/secret", SHARD],
]);

/** A server as it should be: HEAD and single ranges. */
function serveFile(request: Request): Response {
  const bytes = FILES.get(new URL(request.url).pathname);
  if (bytes === undefined) return new Response(null, { status: 404 });
  const length = { "content-length": `${bytes.length}` };
  if (request.method === "HEAD") return new Response(null, { headers: length });
  const range = request.headers.get("range")?.match(/^bytes=(\d+)-(\d+)$/);
  if (!range) return new Response(bytes);
  const [begin, last] = [Number(range[1]), Number(range[2])];
  return new Response(bytes.slice(begin, last + 1), {
    status: 206,
    headers: { "content-range": `bytes ${begin}-${last}/${bytes.length}` },
  });
}

async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  run: (source: ModelSource, base: URL, paths: string[]) => Promise<void>,
): Promise<void> {
  const paths: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    paths.push(`${request.method} ${new URL(request.url).pathname}`);
    return handler(request);
  });
  const base = new URL(`http://127.0.0.1:${server.addr.port}/m`);
  try {
    await run(httpSource(base), base, paths);
  } finally {
    await server.shutdown();
  }
}

/** The good server, but ranges of shards are answered otherwise. */
function answeringShards(answer: (request: Request) => Response) {
  return (request: Request) =>
    request.method === "GET" && request.url.endsWith("2.safetensors") ? answer(request) : serveFile(request);
}

Deno.test("httpSource() finds known files and the shards of the index, never outside the folder", () =>
  withServer(serveFile, async (source, _, paths) => {
    deepStrictEqual(
      new Map(await source.list()),
      new Map([
        ["config.json", CONFIG.length],
        ["model.safetensors.index.json", INDEX.length],
        ["1 of 2.safetensors", 1000],
        ["sub/2.safetensors", 1000],
      ]),
    );
    ok(paths.every((path) => path.includes(" /m/")), paths.join());
  }));

Deno.test("httpSource() never joins pieces of two versions of a file", async () => {
  let version = 0, prefix = "";
  const changing = (request: Request) => {
    const answer = serveFile(request);
    answer.headers.set("etag", `${prefix}"${version++}"`);
    return answer;
  };
  await withServer(changing, async (source) => {
    await source.read("sub/2.safetensors", 0, 5);
    await assertRefused(
      () => source.read("sub/2.safetensors", 5, 9),
      "BAD_FILE",
      "sub/2.safetensors",
      "changed",
    );
  });
  // A weak tag says nothing of bytes.
  prefix = "W/";
  await withServer(changing, async (source) => {
    for (const begin of [0, 5]) {
      deepStrictEqual(await source.read("sub/2.safetensors", begin, 9), SHARD.slice(begin, 9));
    }
  });
});

Deno.test("httpSource() asks again for what it could not list", () => {
  let isBusy = true;
  const recovering = (request: Request) => isBusy ? new Response(null, { status: 503 }) : serveFile(request);
  return withServer(recovering, async (source) => {
    await assertRefused(async () => void await source.list(), "FILE_NOT_FOUND", "HTTP 503");
    isBusy = false;
    strictEqual((await source.list()).get("config.json"), CONFIG.length);
  });
});

Deno.test("httpSource() reads exactly the range", () =>
  withServer(serveFile, async (source, _, paths) => {
    deepStrictEqual(await source.read("sub/2.safetensors", 500, 505), SHARD.slice(500, 505));
    const target = new Uint8Array(new SharedArrayBuffer(1000));
    await source.readInto!("1 of 2.safetensors", 0, target);
    deepStrictEqual(new Uint8Array(target), SHARD);
    const requests = paths.length;
    strictEqual((await source.read("config.json", 3, 3)).length, 0);
    strictEqual(paths.length, requests, "an empty range asks nothing");
    await assertRefused(() => source.read("config.json", 0, 99), "BAD_FILE", "config.json");
    await assertRefused(() => source.read("../secret", 0, 1), "FILE_NOT_FOUND", "../secret");
  }));

Deno.test("httpSource() stops reading from a server that ignores ranges", async () => {
  let pulled = 0;
  const endless = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(65536));
        },
      }),
    );
  await withServer(answeringShards(endless), async (source) => {
    await assertRefused(
      () => source.read("sub/2.safetensors", 0, 10),
      "BAD_FILE",
      "sub/2.safetensors",
      "206",
      "HTTP 200",
    );
  });
  ok(pulled < 200, `${pulled}`);
});

Deno.test("httpSource() refuses answers that are not the range asked for", async () => {
  const partial = (length: number, range?: string, headers: HeadersInit = {}) =>
    new Response(new Uint8Array(length), {
      status: 206,
      headers: { ...headers, ...(range !== undefined && { "content-range": range }) },
    });
  const answers: [string, () => Response][] = [
    ["no Content-Range", () => partial(10)],
    ["another begin", () => partial(10, "bytes 1-10/1000")],
    ["another end", () => partial(10, "bytes 0-8/1000")],
    ["another total", () => partial(10, "bytes 0-9/1001")],
    ["too short", () => partial(9, "bytes 0-9/1000")],
    ["too long", () => partial(11, "bytes 0-9/1000")],
    ["compressed", () => partial(10, "bytes 0-9/1000", { "content-encoding": "br" })],
    [
      "another status",
      () => new Response(SHARD.slice(0, 10), { headers: { "content-range": "bytes 0-9/1000" } }),
    ],
    ["not found", () => new Response("gone", { status: 404 })],
    ["server error", () => new Response("oh no", { status: 500 })],
  ];
  for (const [what, answer] of answers) {
    await withServer(answeringShards(answer), async (source) => {
      const error = await assertRefused(() => source.read("sub/2.safetensors", 0, 10), "BAD_FILE");
      strictEqual(error.file, "sub/2.safetensors", what);
    });
  }
});

Deno.test("httpSource() takes an unknown total", () =>
  withServer(
    answeringShards(() =>
      new Response(SHARD.slice(0, 10), { status: 206, headers: { "content-range": "bytes 0-9/*" } })
    ),
    async (source) => deepStrictEqual(await source.read("sub/2.safetensors", 0, 10), SHARD.slice(0, 10)),
  ));

Deno.test("httpSource() asks a server without HEAD by a one-byte range", () =>
  withServer(
    (request) => request.method === "HEAD" ? new Response(null, { status: 405 }) : serveFile(request),
    async (source) => strictEqual((await source.list()).get("config.json"), CONFIG.length),
  ));

Deno.test("httpSource() follows redirects and sends headers", async () => {
  const seen = new Set<string | null>();
  const redirecting = (request: Request) => {
    seen.add(request.headers.get("authorization"));
    const url = new URL(request.url);
    if (!url.pathname.startsWith("/alias/")) return serveFile(request);
    return Response.redirect(new URL(url.pathname.replace("/alias/", "/m/"), url), 302);
  };
  await withServer(redirecting, async (_, base) => {
    const source = httpSource(new URL("/alias", base), { headers: { authorization: "Bearer t" } });
    deepStrictEqual(await source.read("config.json", 0, CONFIG.length), CONFIG);
  });
  deepStrictEqual([...seen], ["Bearer t"]);
});

Deno.test("httpSource() reports refusals, empty folders and silent hosts", async () => {
  await withServer(() => new Response(null, { status: 401 }), async (source) => {
    await assertRefused(() => source.list(), "FILE_NOT_FOUND", "config.json", "HTTP 401", "Authorization");
  });
  await withServer(() => new Response(null, { status: 404 }), async (source, base) => {
    await assertRefused(() => source.list(), "FILE_NOT_FOUND", base.href);
  });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  const place = `127.0.0.1:${listener.addr.port}/m/`;
  const source = httpSource(new URL(`http://user:secret@${place}?token=secret`));
  const { message } = await assertRefused(
    () => source.list(),
    "FILE_NOT_FOUND",
    `http://${place}config.json`,
    "onnection refused",
  );
  ok(!message.includes("secret"));
});

Deno.test("httpSource() stops when the signal fires", async () => {
  const reason = new Error("enough");
  await rejects(
    async () => await httpSource(new URL("http://127.0.0.1/m"), { signal: AbortSignal.abort(reason) }).list(),
    reason,
  );
  const controller = new AbortController();
  const hanging = answeringShards(() =>
    new Response(
      new ReadableStream({
        start(stream) {
          stream.enqueue(new Uint8Array(1));
          setTimeout(() => controller.abort(reason), 20);
        },
      }),
      { status: 206, headers: { "content-range": "bytes 0-9/1000" } },
    )
  );
  await withServer(hanging, async (_, base) => {
    const source = httpSource(base, { signal: controller.signal });
    await rejects(async () => await source.read("sub/2.safetensors", 0, 10), reason);
  });
});

Deno.test({
  name: "httpSource() names the permission that would help",
  permissions: { net: false },
  fn: async () => {
    const source = httpSource(new URL("http://127.0.0.1:8000/m"));
    await assertRefused(() => source.list(), "FILE_NOT_FOUND", "--allow-net=127.0.0.1");
  },
});
