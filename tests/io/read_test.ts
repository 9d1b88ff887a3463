import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { isSafeFileName } from "../../src/io/file_name.ts";
import { readBytesInto, readJsonObject } from "../../src/io/read.ts";
import type { ModelSource } from "../../src/io/source.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused } from "../errors.ts";

Deno.test("readBytesInto() copies through windows of at most 4 MiB where a source has no readInto()", async () => {
  const size = 9 * 2 ** 20 + 5;
  const lengths: number[] = [];
  const source: ModelSource = {
    list: () => new Map([["f", size]]),
    read: (_, begin, end) => {
      lengths.push(end - begin);
      return Uint8Array.from({ length: end - begin }, (_, i) => (begin + i) % 251);
    },
  };
  const target = new Uint8Array(new SharedArrayBuffer(size - 3));
  await readBytesInto(source, "f", 3, target);
  deepStrictEqual(lengths, [2 ** 22, 2 ** 22, 2 ** 20 + 2]);
  strictEqual(target.findIndex((value, i) => value !== (i + 3) % 251), -1);
});

Deno.test("readJsonObject() refuses files that are too large or no objects", async () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  const files = new Map([["a.json", encode('{"x":1}')], ["b.json", encode("[1]")]]);
  const source = memoryModelSource(files);
  const sizes = await source.list();
  deepStrictEqual(await readJsonObject(source, sizes, "a.json", { maxBytes: 7 }), { x: 1 });
  strictEqual(await readJsonObject(source, sizes, "c.json", { maxBytes: 7 }), undefined);
  await assertRefused(
    () => readJsonObject(source, sizes, "a.json", { maxBytes: 6 }),
    "BAD_CONFIG",
    "a.json",
    "6 bytes",
  );
  await assertRefused(
    () => readJsonObject(source, sizes, "b.json", { maxBytes: 9 }),
    "BAD_CONFIG",
    "an array of 1",
  );
});

Deno.test("isSafeFileName() keeps names inside the folder", () => {
  for (const name of ["a", "a.b", "a/b.safetensors", "..a", "a..", ".hidden", "ä b"]) {
    strictEqual(isSafeFileName(name), true, name);
  }
  for (
    const name of [
      "",
      "..",
      ".",
      "a/..",
      "../a",
      "/a",
      "a/",
      "a//b",
      "a\\b",
      "C:a",
      "c:/a",
      "a\0",
      "a\nb",
      "a/./b",
    ]
  ) {
    strictEqual(isSafeFileName(name), false, name);
  }
});
