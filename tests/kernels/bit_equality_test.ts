/**
 * The same bits whatever the threads, the build, the form of the dot, the number of rows in a call and the place in
 * memory: each run is compared with one thread of the strict build.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { OPERATIONS } from "../../kernels/shared/operations.ts";
import {
  assertSameBits,
  type Bench,
  describeSetup,
  type KernelSetup,
  kernelTest,
  withBench,
} from "./harness.ts";
import { operationOf, type RowResults, ROWS_MAX, runByRows, runWhole } from "./program.ts";

const BASE: KernelSetup = { threads: 1, variant: "strict" };

const SETUPS: KernelSetup[] = [1, 2, 3].flatMap((threads) => [
  { threads, variant: "relaxed" },
  { threads, variant: "relaxed", dot32: true },
  { threads, variant: "relaxed", isWide: true },
  { threads, variant: "relaxed", dot32: true, isWide: true },
  { threads, variant: "strict" },
]);

Deno.test("every operation of the table is run", async () => {
  const names = await withBench((bench) => [...runByRows(bench).keys(), ...runWhole(bench).keys()], BASE);
  const run = new Set(names.map(operationOf)), known = new Set<string>(OPERATIONS.map(({ name }) => name));
  deepEqual([...known.difference(run)], [], "each needs a case in tests/kernels/program.ts");
  deepEqual([...run.difference(known)], [], "these are no operations");
});

function assertSameRows(actual: RowResults, expected: RowResults): void {
  equal([...actual.keys()].join(), [...expected.keys()].join());
  for (const [name, rows] of actual) {
    equal(rows.length, expected.get(name)!.length, name);
    rows.forEach((row, m) => {
      ok(row.every(Number.isFinite), `${name}, row ${m} is not finite`);
      assertSameBits(row, expected.get(name)![m], `${name}, row ${m}`);
    });
  }
}

for (const setup of SETUPS) {
  const title = `${setup.threads} threads, ${describeSetup(setup)}`;
  Deno.test(`every operation on rows gives the same bits: ${title}`, async () => {
    const expected = await withBench((bench) => runByRows(bench), BASE);
    assertSameRows(await withBench((bench) => runByRows(bench), setup), expected);
  });

  Deno.test(`every other operation gives the same bits: ${title}`, async () => {
    const expected = await withBench(runWhole, BASE);
    deepEqual(await withBench(runWhole, setup), expected);
  });

  kernelTest(`a row's bits do not depend on the other rows of a call: ${title}`, (bench) => {
    const expected = runByRows(bench);
    const ranges = Array.from({ length: ROWS_MAX - 1 }, (_, i) => [0, i + 1]);
    for (const [begin, end] of [...ranges, [16, 17], [3, 4], [5, 12]]) {
      const own = new Map([...expected].map(([name, rows]) => [name, rows.slice(begin, end)]));
      assertSameRows(runByRows(bench, begin, end), own);
    }
  }, setup);
}

/** Where the next allocation will lie. */
function endOf({ kernels }: Bench): number {
  return kernels.memory.allocate(64) + 64;
}

/** Moves the end of what is allocated to `address`: only pages that are touched cost memory. */
function moveTo(bench: Bench, address: number): void {
  bench.kernels.memory.allocate(address - endOf(bench));
  equal(endOf(bench), address + 64, "the memory is contiguous");
}

const TWO_GIB = 2 ** 31, FOUR_GIB = 2 ** 32;

/** Runs `run` across 2 GiB at several places, above it and up to the end, and compares with where memory begins. */
async function compareAddresses<Results>(
  setup: KernelSetup,
  run: (bench: Bench) => Results,
  compare: (actual: Results, expected: Results) => void,
): Promise<void> {
  const { expected, bytes } = await withBench((bench) => {
    const begin = endOf(bench);
    return { expected: run(bench), bytes: endOf(bench) - begin };
  }, setup);
  const borders = [0.2, 0.4, 0.6, 0.8].map((part) => TWO_GIB - Math.floor(bytes * part / 64) * 64);
  for (const address of [...borders, TWO_GIB + 2 ** 28, FOUR_GIB - bytes - 64]) {
    await withBench((bench) => {
      moveTo(bench, address);
      compare(run(bench), expected);
      ok(endOf(bench) > TWO_GIB);
    }, setup);
  }
}

for (const setup of SETUPS) {
  const title = `${setup.threads} threads, ${describeSetup(setup)}`;
  Deno.test(`every operation gives the same bits around 2 GiB and up to 4 GiB: ${title}`, async () => {
    await compareAddresses(setup, (bench) => runByRows(bench), assertSameRows);
    await compareAddresses(setup, runWhole, deepEqual);
  });
}
