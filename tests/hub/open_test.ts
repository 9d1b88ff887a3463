import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { memoryModelSource } from "../../src/io/memory.ts";
import { openSource } from "../../src/hub/open.ts";
import type { ModelSource } from "../../src/io/source.ts";
import { assertRefused } from "../errors.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";

/** A fetch that answers every request with 404 and notes the addresses. */
function recorder(): { urls: string[]; fetch: typeof fetch } {
  const urls: string[] = [];
  return {
    urls,
    fetch: (input) => {
      urls.push(String(input));
      return Promise.resolve(
        new Response(null, {
          status: /(?<!1_Pooling)\/config\.json$/.test(String(input)) ? 200 : 404,
          headers: { "content-length": "2" },
        }),
      );
    },
  };
}

Deno.test("openSource() opens directories given as path or URL", async () => {
  const path = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${path}/config.json`, "{}");
    for (const place of [path, new URL(`file://${path}/`), `file://${path}`]) {
      const source = await openSource(denoPlatform, place, { offline: true });
      deepStrictEqual([...await source.list()], [["config.json", 2]]);
    }
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("openSource() returns the caller's own source, and refuses what is none", async () => {
  const own = memoryModelSource(new Map());
  strictEqual(await openSource(denoPlatform, own), own);
  for (const wrong of [null, 7, {}, { list: () => new Map() }]) {
    await assertRefused(
      () => openSource(denoPlatform, wrong as unknown as ModelSource),
      "BAD_ARGUMENT",
      "list() and read()",
    );
  }
});

Deno.test("openSource() resolves hub ids", async () => {
  const resolved: [string, string][] = [
    ["owner/name", "https://huggingface.co/owner/name/resolve/main/config.json"],
    ["own-er/na.me-4bit@v1.0", "https://huggingface.co/own-er/na.me-4bit/resolve/v1.0/config.json"],
    ["owner/name@refs/pr/1", "https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/config.json"],
  ];
  for (const [id, url] of resolved) {
    const { urls, fetch } = recorder();
    // The host's permission decides where the name may not be looked up; here it may be.
    const source = await openSource(denoPlatform, id, { fetch });
    strictEqual(source.label, id);
    deepStrictEqual([...await source.list()], [["config.json", 2]]);
    strictEqual(urls[0], url);
  }
});

Deno.test("openSource() prefers a directory over a hub id", async () => {
  const before = Deno.cwd();
  const path = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${path}/owner/name`, { recursive: true });
    Deno.writeTextFileSync(`${path}/owner/name/a.txt`, "abc");
    Deno.chdir(path);
    const { urls, fetch } = recorder();
    deepStrictEqual([...await (await openSource(denoPlatform, "owner/name", { fetch })).list()], [[
      "a.txt",
      3,
    ]]);
    deepStrictEqual(urls, []);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("openSource() refuses a file that is no model, also one with a hub id's name, saying what may be given", async () => {
  const before = Deno.cwd();
  const path = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${path}/owner`);
    Deno.writeTextFileSync(`${path}/owner/x.bin`, "GGUF");
    Deno.chdir(path);
    const { urls, fetch } = recorder();
    for (const name of ["owner/x.bin", `${path}/owner/x.bin`]) {
      const words = ["a folder", "a GGUF file", ".gguf", "a URL", "the hub"];
      await assertRefused(() => openSource(denoPlatform, name, { fetch }), "BAD_ARGUMENT", name, ...words);
    }
    deepStrictEqual(urls, []);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("openSource() opens http folders", async () => {
  for (const place of ["http://models.test/a/b", new URL("https://models.test/a/b/")]) {
    const { urls, fetch } = recorder();
    deepStrictEqual([...await (await openSource(denoPlatform, place, { fetch })).list()], [[
      "config.json",
      2,
    ]]);
    strictEqual(urls[0].replace("https", "http"), "http://models.test/a/b/config.json");
  }
});

Deno.test("openSource() opens a GGUF file alone, and all parts of one that was split", async () => {
  const path = Deno.makeTempDirSync();
  const parts = [1, 2].map((part) => `x-0000${part}-of-00002.gguf`);
  try {
    for (const name of ["one.gguf", "other.gguf", ...parts]) Deno.writeTextFileSync(`${path}/${name}`, name);
    const listOf = async (name: string) => [...(await (await openSource(denoPlatform, name)).list()).keys()];
    deepStrictEqual(await listOf(`${path}/one.gguf`), ["one.gguf"]);
    deepStrictEqual(await listOf(`file://${path}/${parts[1]}`), parts);
    const source = await openSource(denoPlatform, `${path}/one.gguf`);
    deepStrictEqual(new TextDecoder().decode(await source.read("one.gguf", 1, 3)), "ne");
    source.close?.();
    Deno.removeSync(`${path}/${parts[0]}`);
    await assertRefused(() => openSource(denoPlatform, `${path}/${parts[1]}`), "FILE_NOT_FOUND", parts[0]);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
  const { urls, fetch } = recorder();
  const web = await openSource(denoPlatform, "https://models.test/a/x-00001-of-00002.gguf", { fetch });
  await assertRefused(() => web.list(), "FILE_NOT_FOUND", "x-00001-of-00002.gguf");
  deepStrictEqual(urls, parts.map((name) => `https://models.test/a/${name}`));
});

Deno.test("openSource() stays off the network when told to", async () => {
  await assertRefused(
    () => openSource(denoPlatform, "owner/no-such-name", { offline: true }),
    "FILE_NOT_FOUND",
    "offline",
    "download",
  );
  await assertRefused(
    () => openSource(denoPlatform, "https://models.test/a", { offline: true }),
    "BAD_ARGUMENT",
    "offline",
  );
});

Deno.test("openSource() refuses other places", async () => {
  await assertRefused(
    () => openSource(denoPlatform, "models/no-such.gguf"),
    "FILE_NOT_FOUND",
    "no-such.gguf",
  );
  for (const place of ["ftp://models.test/a", "https://", "http:", new URL("data:,x")]) {
    await assertRefused(() => openSource(denoPlatform, place), "BAD_ARGUMENT", "another kind of URL");
  }
  for (const place of ["https://web.test/%zz.gguf", "file:///%ff/model.gguf", "file:///%"]) {
    await assertRefused(() => openSource(denoPlatform, place), "BAD_ARGUMENT", "percent signs");
  }
  for (const place of ["./no/such", "/no/such", "no-such", "a/b/c", "../no/such", ""]) {
    await assertRefused(() => openSource(denoPlatform, place), "FILE_NOT_FOUND", place);
  }
});

Deno.test({
  name: "openSource() asks for no permission to tell a directory from a hub id",
  permissions: { read: false, net: false },
  fn: async () => {
    const flags = ["--allow-read=owner/name", "--allow-net=huggingface.co"];
    await assertRefused(() => openSource(denoPlatform, "owner/name"), "FILE_NOT_FOUND", ...flags);
    await assertRefused(
      () => openSource(denoPlatform, "owner/name", { offline: true }),
      "FILE_NOT_FOUND",
      flags[0],
    );
  },
});
