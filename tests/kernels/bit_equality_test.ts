/**
 * The same bits whatever the threads, the build, the form of the dot, the number of rows in a call and the place in
 * memory: each run is compared with one thread of the strict build.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { assertSameBits, type Bench, kernelTest, type TeamOptions, withBench } from "./harness.ts";
import { type Results, ROWS_MAX, runEverything, runPacking } from "./program.ts";

const BASE: TeamOptions = { threads: 1, variant: "strict" };

const TEAMS: TeamOptions[] = [1, 2, 3].flatMap((threads) => [
  { threads, variant: "relaxed", wideDot: false },
  { threads, variant: "relaxed", wideDot: true },
  { threads, variant: "strict" },
]);

function assertSameResults(actual: Results, expected: Results): void {
  equal([...actual.keys()].join(), [...expected.keys()].join());
  for (const [name, rows] of actual) {
    rows.forEach((row, m) => {
      ok(row.every(Number.isFinite), `${name}, row ${m} is not finite`);
      assertSameBits(row, expected.get(name)![m], `${name}, row ${m}`);
    });
  }
}

for (const team of TEAMS) {
  const title = `${team.threads} threads, ${team.variant}${team.wideDot ? ", wide dot" : ""}`;
  Deno.test(`every kernel gives the same bits: ${title}`, async () => {
    const expected = await withBench((bench) => runEverything(bench), BASE);
    assertSameResults(await withBench((bench) => runEverything(bench), team), expected);
  });

  Deno.test(`every packing kernel gives the same bits: ${title}`, async () => {
    const expected = await withBench(runPacking, BASE);
    deepEqual(await withBench(runPacking, team), expected);
  });

  kernelTest(`a row's bits do not depend on the rows beside it: ${title}`, (bench) => {
    const expected = runEverything(bench);
    const ranges = Array.from({ length: ROWS_MAX - 1 }, (_, i) => [0, i + 1]);
    for (const [begin, end] of [...ranges, [16, 17], [3, 4], [5, 12]]) {
      const own = new Map([...expected].map(([name, rows]) => [name, rows.slice(begin, end)]));
      assertSameResults(runEverything(bench, begin, end), own);
    }
  }, team);
}

/** Where the next allocation will lie. */
function heapEnd({ kernels }: Bench): number {
  return kernels.heap.allocate(64) + 64;
}

/** Moves the end of the heap to `address`: only pages that are touched cost memory. */
function moveHeapTo(bench: Bench, address: number): void {
  bench.kernels.heap.allocate(address - heapEnd(bench));
  equal(heapEnd(bench), address + 64, "the heap is contiguous");
}

const TWO_GIB = 2 ** 31, FOUR_GIB = 2 ** 32;

for (const threads of [1, 2]) {
  Deno.test(`every kernel gives the same bits around 2 GiB and up to 4 GiB, ${threads} threads`, async () => {
    const team = { ...BASE, threads };
    const { expected, bytes } = await withBench((bench) => {
      const begin = heapEnd(bench);
      return { expected: runEverything(bench), bytes: heapEnd(bench) - begin };
    }, team);
    const borders = [0.2, 0.4, 0.6, 0.8].map((part) => TWO_GIB - Math.floor(bytes * part / 64) * 64);
    for (const address of [...borders, TWO_GIB + 2 ** 28, FOUR_GIB - bytes - 64]) {
      await withBench((bench) => {
        moveHeapTo(bench, address);
        assertSameResults(runEverything(bench), expected);
        ok(heapEnd(bench) > TWO_GIB);
      }, team);
    }
  });
}
