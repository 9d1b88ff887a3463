import { deepStrictEqual } from "node:assert/strict";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused } from "../errors.ts";

const source = memoryModelSource(
  new Map([["a.bin", new Uint8Array([1, 2, 3, 4])], ["empty", new Uint8Array(0)]]),
);

Deno.test("memoryModelSource() lists and reads ranges", async () => {
  deepStrictEqual([...await source.list()], [["a.bin", 4], ["empty", 0]]);
  deepStrictEqual([...await source.read("a.bin", 1, 3)], [2, 3]);
  deepStrictEqual([...await source.read("empty", 0, 0)], []);
  const target = new Uint8Array(2);
  await source.readInto!("a.bin", 2, target);
  deepStrictEqual([...target], [3, 4]);
});

Deno.test("memoryModelSource() refuses other files and ranges", async () => {
  await assertRefused(() => source.read("b.bin", 0, 1), "FILE_NOT_FOUND", "b.bin");
  for (const [begin, end] of [[0, 5], [-1, 2], [3, 2], [0.5, 2], [NaN, 2], [0, NaN]]) {
    await assertRefused(() => source.read("a.bin", begin, end), "BAD_FILE", "a.bin");
  }
});
