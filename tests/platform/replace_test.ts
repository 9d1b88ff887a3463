/** Files are replaced whole; what is no file is not replaced by one. */
import assert from "node:assert/strict";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { assertRefused } from "../errors.ts";

const BYTES = new Uint8Array([1, 2, 3]);

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await run(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function replace(path: string): Promise<void> {
  return denoPlatform.files.replace(path, (file) => Promise.resolve(file.write(BYTES)));
}

Deno.test("a file is made or replaced, and nothing stays beside it", () =>
  inFolder(async (folder) => {
    for (let round = 0; round < 2; round++) {
      await replace(`${folder}/file`);
      assert.deepEqual(Deno.readFileSync(`${folder}/file`), BYTES);
      assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["file"]);
    }
  }));

Deno.test({
  name: "a device stays one, and a full one is told of",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (folder) => {
      for (const name of ["full", "null"]) Deno.symlinkSync(`/dev/${name}`, `${folder}/${name}`);
      await assertRefused(() => replace(`${folder}/full`), "BAD_FILE", "No space left");
      await replace(`${folder}/null`);
      for (const name of ["full", "null"]) assert.ok(Deno.lstatSync(`${folder}/${name}`).isSymlink, name);
    }),
});
