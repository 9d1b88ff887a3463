/** A hub that lies: each answer is refused in one line, nothing is written that is not what it must be, and nothing goes on for ever. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { pull } from "../../src/hub/pull.ts";
import { RemoraError } from "../../src/core/errors.ts";
import { assertRefused, refusalOf } from "../errors.ts";
import { COMMIT, scenesRepository, severalRepository, standInFile } from "./fixture.ts";
import { platformWith, withHub } from "./hub.ts";

Deno.test("a redirect is followed a few times, and never to a place that is not encrypted", async () => {
  const elsewhere = (location: (url: URL) => string) => (input: RequestInfo | URL) =>
    Promise.resolve(
      new Response(null, { status: 302, headers: { location: location(new URL(String(input))) } }),
    );
  const cases: [(url: URL) => string, string][] = [
    [(url) => url.href, "at most 5 redirects"],
    [(url) => url.href.replace("https:", "http:"), "stays encrypted"],
    [() => "file:///etc/passwd", "an http(s) URL"],
    [() => "data:,x", "an http(s) URL"],
    [(url) => url.href.replace("//", "//user:secret@"), "without a user's name and password"],
  ];
  const home = Deno.makeTempDirSync();
  try {
    for (const [location, expected] of cases) {
      const platform = platformWith({ HF_HOME: home, HF_ENDPOINT: "https://hub.test" });
      const asked = pull(platform, "owner/scenes", { fetch: elsewhere(location), firstWait: 1 });
      await assertRefused(() => asked, "FILE_NOT_FOUND", expected);
    }
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});

Deno.test("a hostile hub writes nothing, anywhere", async () => {
  const file = (path: unknown, other = {}) => ({
    type: "file",
    path,
    size: 2,
    oid: "0".repeat(40),
    ...other,
  });
  const config = file("config.json");
  const listings: [unknown, string][] = [
    [[file("../config.json")], "inside the repository"],
    [[file("/etc/passwd")], "inside the repository"],
    [[file("a/../../b.gguf")], "inside the repository"],
    [[file("a\u0000.gguf")], "inside the repository"],
    [[file("..\\a.gguf")], "inside the repository"],
    [[file("C:a.gguf")], "inside the repository"],
    [[file("\ud800.gguf")], "inside the repository"],
    [[file(7)], "inside the repository"],
    [[file("nul.gguf")], "every system"],
    [[file("con/a.gguf")], "every system"],
    [[file("com¹.gguf")], "every system"],
    [[file("a./b.gguf")], "every system"],
    [[file("a /b.gguf")], "every system"],
    [[file(`${"x".repeat(251)}.gguf`)], "every system"],
    [[file(`${"é".repeat(126)}.gguf`)], "every system"],
    [[config, file("A.safetensors"), file("a.safetensors")], "the same as a.safetensors but for its case"],
    [[config, file("\u00e9.safetensors"), file("e\u0301.safetensors")], "the same as"],
    [[config, file("model.safetensors"), file("tokenizer.json"), file("tokenizer.json")], "each file once"],
    [[file("a.gguf", { size: -1 })], "a size"],
    [[file("a.gguf", { size: 2 ** 60 })], "a size"],
    [[file("a.gguf", { size: 1.5 })], "a size"],
    [[file("a.gguf", { size: "2" })], "a size"],
    [[file("a.gguf", { oid: "../../x" })], "hexadecimal"],
    [[file("a.gguf", { lfs: { oid: "../../x", size: 2 } })], "hexadecimal"],
    [[file("a.gguf", { lfs: { oid: "0".repeat(40), size: 2 } })], "hexadecimal"],
    [{}, "an array"],
    [[7], "an object"],
    [[], "found no files"],
  ];
  const home = Deno.makeTempDirSync();
  const platform = platformWith({ HF_HOME: home, HF_ENDPOINT: "https://hub.test" });
  const pullFrom = (answer: (url: URL) => Response) => () =>
    pull(platform, "owner/name", {
      fetch: (input) => Promise.resolve(answer(new URL(String(input)))),
      firstWait: 1,
    });
  try {
    for (const [listing, expected] of listings) {
      const answers = pullFrom((url) =>
        Response.json(url.pathname.includes("/tree/") ? listing : { sha: COMMIT })
      );
      const error = await answers().then(() => undefined, (error) => error);
      ok(error instanceof RemoraError && error.message.includes(expected), `${expected}: ${error}`);
    }
    for (const sha of ["../../x", 7, undefined, "C0FFEE".repeat(7)]) {
      await assertRefused(pullFrom(() => Response.json({ sha })), "BAD_FILE", "40 digits");
    }
    await assertRefused(pullFrom(() => new Response("{")), "BAD_FILE", "JSON");
    await assertRefused(pullFrom(() => new Response("x".repeat(33 << 20))), "BAD_FILE", "at most");
    const endless = (next: (url: URL) => string) =>
      pullFrom((url) =>
        url.pathname.includes("/tree/")
          ? Response.json([], { headers: { link: `<${next(url)}>; rel="next"` } })
          : Response.json({ sha: COMMIT })
      );
    await assertRefused(endless((url) => url.href), "BAD_FILE", "at most 1000 pages");
    const many = (entry: (i: number) => unknown) => {
      const page = Array.from({ length: 40_000 }, (_, i) => entry(i));
      return pullFrom((url) =>
        url.pathname.includes("/tree/")
          ? Response.json(page, { headers: { link: `<${url.href}>; rel="next"` } })
          : Response.json({ sha: COMMIT })
      );
    };
    await assertRefused(many((i) => file(`${i}`)), "BAD_FILE", "at most 100000 files");
    await assertRefused(many(() => ({ type: "directory" })), "BAD_FILE", "at most 100000 files");
    await assertRefused(endless(() => "https://other.test/"), "BAD_FILE", "at the same place");
    deepStrictEqual([...Deno.readDirSync(home)], []);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});

Deno.test("an answer that is not what the listing promised is refused", async () => {
  const { id, commit, revisions, files } = scenesRepository();
  await withHub({ repositories: [{ id, commit, revisions, files }] }, async ({ platform }) => {
    const cases: [(answer: Response) => Response, string][] = [
      [(answer) => new Response(answer.body, { headers: { "content-length": "5" } }), "with 5"],
      [
        (answer) => new Response(answer.body, { status: 206, headers: { "content-range": "bytes 0-9/10" } }),
        "HTTP 206",
      ],
      [(answer) => new Response(answer.body, { headers: { "content-encoding": "gzip" } }), "HTTP 200"],
      [() => new Response(null, { status: 416 }), "HTTP 416"],
    ];
    for (const [change, expected] of cases) {
      const spoiled: typeof fetch = async (input, init) => {
        const answer = await fetch(input, init);
        return answer.ok && !String(input).includes("/api/") ? change(answer) : answer;
      };
      await assertRefused(
        () => pull(platform, id, { fetch: spoiled, firstWait: 1 }),
        expected === "HTTP 416" ? "FILE_NOT_FOUND" : "BAD_FILE",
        expected,
      );
    }
    const long: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      return String(input).includes("/api/") || !answer.ok ? answer : new Response("x".repeat(5_000_000));
    };
    await assertRefused(
      () => pull(platform, id, { fetch: long, firstWait: 1 }),
      "FILE_NOT_FOUND",
      "more bytes",
    );
  });
});

Deno.test("a commit that was asked for is not another", async () => {
  const { id, commit, revisions, files } = scenesRepository();
  const asked = "0".repeat(40);
  await withHub(
    { repositories: [{ id, commit, revisions: [...revisions, asked], files }] },
    async ({ pull }) => {
      await assertRefused(() => pull(`${id}@${asked}`), "BAD_FILE", asked, commit);
    },
  );
});

Deno.test("an index cannot ask for what no model has", async () => {
  const { id, commit, revisions, files } = scenesRepository();
  const weights = files["model.safetensors"];
  delete files["model.safetensors"];
  const cases: [string[], string][] = [
    [["x.safetensors", "x.safetensors/y.safetensors"], "x.safetensors, a file, as its folder"],
    [["x.safetensors", "../../../x.safetensors"], "no such file"],
    [Array.from({ length: 10_001 }, (_, i) => `${i}.safetensors`), "at most 10000 files"],
  ];
  for (const [names, expected] of cases) {
    const index = { weight_map: Object.fromEntries(names.map((name) => [name, name])) };
    const shards = names.slice(0, 2).filter((name) => !name.startsWith("..")).map((name) => [name, weights]);
    const all = {
      ...files,
      ...Object.fromEntries(shards),
      "model.safetensors.index.json": standInFile(JSON.stringify(index)),
    };
    await withHub({ repositories: [{ id, commit, revisions, files: all }] }, async ({ home, pull }) => {
      const error = await refusalOf(() => pull(id));
      ok(error.message.includes(expected), error.message);
      // Nothing but the index itself was fetched.
      const root = `${home}/hub/models--owner--scenes`;
      deepStrictEqual([...Deno.readDirSync(`${root}/blobs`)].length, 1);
      deepStrictEqual([...Deno.readDirSync(`${root}/snapshots/${commit}`)], []);
    });
  }
});

Deno.test("a hundred thousand models in parts are looked through, and named by a few", async () => {
  const entries = Array.from({ length: 99_000 }, (_, i) => ({
    type: "file",
    path: `${i}-00001-of-10000.gguf`,
    size: 2,
    oid: "0".repeat(40),
  }));
  const answer: typeof fetch = (input) => {
    const url = new URL(String(input));
    if (!url.pathname.includes("/tree/")) return Promise.resolve(Response.json({ sha: COMMIT }));
    const begin = Number(url.searchParams.get("cursor") ?? 0), end = begin + 33_000;
    const next = `<${url.origin}${url.pathname}?cursor=${end}>; rel="next"`;
    const headers: Record<string, string> = end < entries.length ? { link: next } : {};
    return Promise.resolve(Response.json(entries.slice(begin, end), { headers }));
  };
  const home = Deno.makeTempDirSync();
  try {
    const platform = platformWith({ HF_HOME: home, HF_ENDPOINT: "https://hub.test" });
    const error = await refusalOf(() => pull(platform, "owner/name", { fetch: answer, firstWait: 1 }));
    ok(error.message.includes("Cannot choose") && error.message.length < 2_000, error.message);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});

Deno.test("what is told of a hub's names is printable", () =>
  withHub(
    { repositories: [severalRepository(["a-Q4_K_M.gguf", "b\u009b31m\u202e.gguf"])] },
    async ({ pull }) => {
      const notices: string[] = [];
      await pull("owner/several", { onNotice: (text) => notices.push(text) });
      deepStrictEqual(notices, [
        "owner/several has several quantisations: Q4_K_M is taken; others are b\\u009b31m\\u202e.gguf",
      ]);
    },
  ));

Deno.test("bodies that are compressed, or without an end, end at what may be read", async () => {
  const zeros = new Uint8Array(1 << 20);
  const endless = (count: number) => {
    let left = count;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => left-- > 0 ? controller.enqueue(zeros) : controller.close(),
    });
  };
  const bomb = new Uint8Array(
    await new Response(endless(64).pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
  ok(bomb.length < 100_000);
  const zipped = () => new Response(bomb, { headers: { "content-encoding": "gzip" } });
  const config = { type: "file", path: "config.json", size: 2, oid: "0".repeat(40) };
  const weights = { ...config, path: "model.safetensors" };
  const api = (url: URL) =>
    Response.json(url.pathname.includes("/tree/") ? [config, weights] : { sha: COMMIT });
  const drops = () => {
    const drip = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      controller.enqueue(zeros.subarray(0, 1));
    };
    return new Response(new ReadableStream({ pull: drip }));
  };
  const cases: [(url: URL) => Response, string][] = [
    [drops, "an answer within 0.2 s"],
    // Nobody asked for it, so it is not even unpacked; a client that does (Node's) counts what comes out.
    [zipped, "not UTF-8"],
    [() => new Response(endless(Infinity)), "at most 8388608 bytes"],
    [(url) => url.pathname.startsWith("/api/") ? api(url) : zipped(), "as the hub lists it"],
    [(url) => url.pathname.startsWith("/api/") ? api(url) : new Response(endless(Infinity)), "more bytes"],
  ];
  for (const [answer, expected] of cases) {
    const home = Deno.makeTempDirSync();
    // A real server: it is the client's own decoding that is looked at.
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => answer(new URL(request.url)),
    );
    try {
      const answerTimeMax = answer === drops ? 200 : undefined;
      const platform = platformWith({ HF_HOME: home, HF_ENDPOINT: `http://127.0.0.1:${server.addr.port}` });
      const error = await refusalOf(() => pull(platform, "owner/name", { firstWait: 1, answerTimeMax }));
      ok(error.message.includes(expected), error.message);
    } finally {
      await server.shutdown();
      Deno.removeSync(home, { recursive: true });
    }
  }
});
