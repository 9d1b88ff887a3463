import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { directorySource } from "../../src/io/directory.ts";
import { assertRefused } from "../errors.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";

const { files } = denoPlatform;

async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${path}/a.bin`, new Uint8Array([1, 2, 3, 4, 5]));
    await run(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

Deno.test("directorySource() lists files and links to files, those in folders too, not dead links", () =>
  withDirectory(async (path) => {
    Deno.mkdirSync(`${path}/sub`);
    Deno.writeTextFileSync(`${path}/sub/inner.bin`, "inner");
    Deno.symlinkSync(`${path}/sub/inner.bin`, `${path}/link.bin`);
    Deno.symlinkSync(`${path}/nowhere`, `${path}/dead.bin`);
    Deno.symlinkSync(`${path}/sub`, `${path}/folder`);
    const source = directorySource(files, path + "/");
    strictEqual(source.label, path + "/");
    deepStrictEqual(
      new Map(await source.list()),
      new Map([["a.bin", 5], ["link.bin", 5], ["sub/inner.bin", 5]]),
    );
    strictEqual(new TextDecoder().decode(await source.read("link.bin", 1, 4)), "nne");
    source.close!();
  }));

Deno.test("directorySource() reads ranges, also into shared memory, and again after close()", () =>
  withDirectory(async (path) => {
    const source = directorySource(files, new URL(`file://${path}`));
    deepStrictEqual([...await source.read("a.bin", 1, 4)], [2, 3, 4]);
    deepStrictEqual([...await source.read("a.bin", 5, 5)], []);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    await source.readInto!("a.bin", 3, new Uint8Array(memory.buffer, 7, 2));
    deepStrictEqual([...new Uint8Array(memory.buffer).slice(6, 10)], [0, 4, 5, 0]);
    source.close!();
    deepStrictEqual([...await source.read("a.bin", 0, 2)], [1, 2]);
    source.close!();
  }));

Deno.test("directorySource() reads beyond 4 GiB", () =>
  withDirectory(async (path) => {
    const begin = 2 ** 32 + 100;
    using file = Deno.openSync(`${path}/sparse.bin`, { create: true, write: true });
    file.truncateSync(begin + 10);
    file.seekSync(begin, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array([7, 8, 9]));
    const source = directorySource(files, path);
    deepStrictEqual([...await source.read("sparse.bin", begin, begin + 4)], [7, 8, 9, 0]);
    source.close!();
  }));

Deno.test("directorySource() refuses unlisted names, ranges outside, and files that shrink", () =>
  withDirectory(async (path) => {
    const source = directorySource(files, path);
    await assertRefused(() => source.read("../etc/passwd", 0, 1), "FILE_NOT_FOUND", "../etc/passwd");
    await assertRefused(() => source.read("a.bin", 0, 6), "BAD_FILE", "a.bin", "5 bytes");
    Deno.truncateSync(`${path}/a.bin`, 3);
    await assertRefused(() => source.read("a.bin", 1, 5), "BAD_FILE", "a.bin", "found 2 (truncated");
    source.close!();
  }));

Deno.test("directorySource() says what is wrong with the path", () =>
  withDirectory(async (path) => {
    await assertRefused(
      () => directorySource(files, `${path}/none`),
      "FILE_NOT_FOUND",
      `${path}/none`,
      "no such",
    );
    await assertRefused(
      () => directorySource(files, `${path}/a.bin`),
      "BAD_ARGUMENT",
      `${path}/a.bin`,
      "a folder",
      "another file",
    );
  }));

Deno.test({
  name: "directorySource() names the permission that would help",
  permissions: { read: [], write: false },
  fn: async () => {
    await assertRefused(
      () => directorySource(files, "/some/model"),
      "FILE_NOT_FOUND",
      "--allow-read=/some/model",
    );
  },
});

Deno.test("directorySource() lists the files of folders in the folder, hidden ones left out", async () => {
  const path = await Deno.makeTempDir();
  try {
    for (const folder of ["shards", ".git", "snapshots"]) Deno.mkdirSync(`${path}/${folder}`);
    await assertRefused(() => directorySource(files, path), "FILE_NOT_FOUND", path, "snapshots");
    for (const name of ["a", "shards/b", ".git/c"]) Deno.writeTextFileSync(`${path}/${name}`, name);
    const source = directorySource(files, path);
    deepStrictEqual([...await source.list()].sort(), [["a", 1], ["shards/b", 8]]);
    deepStrictEqual(new TextDecoder().decode(await source.read("shards/b", 0, 8)), "shards/b");
    source.close?.();
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
