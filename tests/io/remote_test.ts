/** A source read in blocks: the same bytes, and failures by the same names. */
import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { remoteModelSource } from "../../src/io/remote.ts";

const FILE = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 2654435761) >>> 24);

function place(shorter = 0) {
  const reads: [begin: number, end: number][] = [];
  const source = remoteModelSource({
    label: "the bucket",
    list: () => Promise.resolve(new Map([["a", FILE.length]])),
    read: (_name, begin, end) => {
      reads.push([begin, end]);
      return Promise.resolve(FILE.slice(begin, end - shorter));
    },
  });
  return { source, reads };
}

Deno.test("a remote source asks for blocks and gives the bytes that were asked for", async () => {
  const { source, reads } = place();
  strictEqual(source.label, "the bucket");
  for (let begin = 0; begin + 999 <= FILE.length; begin += 999) {
    const target = new Uint8Array(999);
    await source.readInto!("a", begin, target);
    deepStrictEqual(target, FILE.slice(begin, begin + 999));
  }
  deepStrictEqual(reads, [[0, 1 << 20], [1 << 20, 2 << 20], [2 << 20, FILE.length]]);
});

Deno.test("a remote source refuses what is not listed and what comes short", async () => {
  const { source } = place();
  await rejects(async () => await source.readInto!("a", FILE.length - 1, new Uint8Array(2)), {
    code: "BAD_FILE",
  });
  await rejects(async () => await source.read("b", 0, 1), { name: "RemoraError" });
  const short = place(1).source;
  await rejects(async () => await short.readInto!("a", 0, new Uint8Array(2)), { code: "BAD_FILE" });
});
