/** Files are replaced whole; what is no file is not replaced by one. */
import assert from "node:assert/strict";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import type { WritableFile } from "../../src/platform/platform.ts";
import { assertRefused } from "../errors.ts";
import { inFolder } from "../in_folder.ts";

const BYTES = new Uint8Array([1, 2, 3]);

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

const create = denoPlatform.files.create;
const writeOne = (
  directory: { write(name: string, fill: (file: WritableFile) => Promise<void>): Promise<void> },
) => directory.write("one", (file) => Promise.resolve(file.write(BYTES)));

Deno.test("of two that write at once the second is refused, and takes nothing from the first", () =>
  inFolder(async (folder) => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const path = `${folder}/file`, out = `${folder}/out`;
    const slow = [
      denoPlatform.files.replace(path, async (file) => {
        file.write(BYTES);
        await gate;
        file.write(BYTES);
      }),
      create(out, async (directory) => {
        await writeOne(directory);
        await gate;
      }),
    ];
    await assertRefused(() => replace(path), "BAD_FILE", "file.partial", "another process");
    await assertRefused(
      () => create(out, () => Promise.resolve()),
      "BAD_FILE",
      "out.partial",
      "another process",
    );
    open();
    await Promise.all(slow);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["file", "out"]);
    assert.deepEqual([...Deno.readDirSync(out)].map(({ name }) => name), ["one"]);
    assert.equal(Deno.statSync(path).size, 6);
  }));

Deno.test("what an attempt left that was killed is replaced, whatever it is; what a name has is not", () =>
  inFolder(async (folder) => {
    const out = `${folder}/out`, partial = `${out}.partial`, other = `${folder}/other`;
    Deno.mkdirSync(other);
    Deno.writeFileSync(`${other}/kept`, BYTES);
    const leftovers = [
      () => Deno.mkdirSync(`${partial}/deep/deeper`, { recursive: true }),
      () => Deno.writeFileSync(partial, BYTES),
      () => Deno.symlinkSync(other, partial),
      () => Deno.symlinkSync("nowhere", partial),
    ];
    for (const leave of leftovers) {
      leave();
      await create(out, writeOne);
      assert.deepEqual([...Deno.readDirSync(out)].map(({ name }) => name), ["one"]);
      Deno.removeSync(out, { recursive: true });
    }
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["other"]);
    assert.deepEqual([...Deno.readDirSync(other)].map(({ name }) => name), ["kept"]);
    await create(`${out}//`, writeOne);
    assert.deepEqual([...Deno.readDirSync(out)].map(({ name }) => name), ["one"]);
    Deno.removeSync(out, { recursive: true });
    await assertRefused(() => create("", writeOne), "BAD_ARGUMENT", "a name");
    Deno.symlinkSync("nowhere", out);
    await assertRefused(() => create(out, writeOne), "BAD_ARGUMENT", "a name that is free");
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
