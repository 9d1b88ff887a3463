/** Blocks give the same bytes as reading does, with fewer reads. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { BlockCache } from "../../src/io/block_cache.ts";

const MIB = 1 << 20;
const FILE = Uint8Array.from({ length: 5 * MIB + 12_345 }, (_, i) => (i * 2654435761) >>> 24);

function counting(read?: (begin: number) => void) {
  const reads: [begin: number, length: number][] = [];
  const cache = new BlockCache(async (name, begin, target) => {
    strictEqual(name, "a");
    reads.push([begin, target.length]);
    await new Promise((resolve) => setTimeout(resolve, reads.length % 3));
    read?.(begin);
    target.set(FILE.subarray(begin, begin + target.length));
  });
  return { cache, reads };
}

Deno.test("BlockCache gives the file's bytes for reads of all sizes, also at once", async () => {
  const { cache } = counting();
  const places = Array.from({ length: 300 }, (_, i) => {
    const length = [0, 1, 100, 70_000, MIB - 1, MIB, MIB + 5][i % 7];
    return { begin: (i * 7_777_777) % (FILE.length - length), length };
  });
  await Promise.all(places.map(async ({ begin, length }) => {
    const target = new Uint8Array(length);
    await cache.readInto("a", begin, target, FILE.length);
    deepStrictEqual(target, FILE.slice(begin, begin + length), `${length} bytes from ${begin}`);
  }));
});

Deno.test("BlockCache reads a block once for its small reads, and a long stretch by itself", async () => {
  const { cache, reads } = counting();
  for (let begin = 0; begin + 1000 < 2 * MIB; begin += 1000) {
    await cache.readInto("a", begin, new Uint8Array(1000), FILE.length);
  }
  deepStrictEqual(reads, [[0, MIB], [MIB, MIB]]);
  await cache.readInto("a", 10, new Uint8Array(3 * MIB), FILE.length);
  await cache.readInto("a", FILE.length - 5, new Uint8Array(5), FILE.length);
  deepStrictEqual(reads.slice(2), [[10, 3 * MIB], [5 * MIB, 12_345]]);
});

Deno.test("BlockCache asks again for what failed", async () => {
  let isDown = true;
  const { cache, reads } = counting(() => {
    if (isDown) throw new Error("down");
  });
  const read = () => cache.readInto("a", 0, new Uint8Array(8), FILE.length);
  await rejects(read, /down/);
  isDown = false;
  await read();
  ok(reads.length === 2);
});
