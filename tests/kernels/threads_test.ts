/**
 * Threads: they start, meet, fail and end as told. That nothing is left behind is what the test runner's own sanitizers
 * check: each test closes its kernels.
 */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { KernelMemory } from "../../kernels/host/memory.ts";
import type { Kernels } from "../../kernels/host/kernels.ts";
import { kernelModuleAtOnce } from "../../kernels/host/modules.ts";
import { WorkerPool } from "../../kernels/host/worker_pool.ts";
import { COMMAND_ADDRESS, COMMAND_WORDS } from "../../kernels/shared/layout.ts";
import { RESERVED_OPERATIONS } from "../../kernels/shared/operations.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { assertRefused } from "../errors.ts";
import { kernelTest, startKernels, strided } from "./harness.ts";

/** An address beyond every memory that these tests grow. */
const NOWHERE = 0xf000_0000;

/** Adds `rows` × 4 floats to themselves. */
function double(kernels: Kernels, address: number, rows: number): void {
  const target = strided(address, 4);
  kernels.addScaled({ source: target, sourceType: "f32", rows, width: 4, factor: 1, target });
}

/** Adds ones to `rows` × 4 ones and says whether all became twos. */
function addWorks(kernels: Kernels, rows: number): boolean {
  const bytes = rows * 16;
  const target = kernels.memory.allocate(bytes);
  kernels.memory.floatsAt(target, rows * 4).fill(1);
  double(kernels, target, rows);
  const all = kernels.memory.floatsAt(target, rows * 4).every((x) => x === 2);
  kernels.memory.free(target, bytes);
  return all;
}

for (const threads of [1, 2, 3, 8]) {
  kernelTest(`${threads} threads share rows of every number`, ({ kernels }) => {
    for (let rows = 1; rows <= 20; rows++) ok(addWorks(kernels, rows), `${rows} rows`);
  }, { threads });
}

for (const threads of [2, 8]) {
  kernelTest(`a thousand operations of ${threads} threads take no more than seconds`, ({ kernels }) => {
    const begin = performance.now();
    for (let i = 0; i < 1000; i++) ok(addWorks(kernels, 16));
    // With more threads than cores each meeting costs some switches between them: microseconds, not time slices.
    const milliseconds = performance.now() - begin;
    ok(milliseconds < 10_000, `${milliseconds} ms`);
  }, { threads });
}

for (const threads of [1, 2, 3]) {
  kernelTest(
    `what runs beside an operation of ${threads} threads runs once, and before the work has ended`,
    ({ kernels }) => {
      const events: string[] = [];
      const other = () => events.push("other");
      kernels.beside(other, () => {
        ok(addWorks(kernels, 16));
        ok(addWorks(kernels, 16));
        events.push("work");
      });
      kernels.beside(other, () => events.push("no operation"));
      // One thread has nobody to work meanwhile.
      const first = threads === 1 ? ["work", "other"] : ["other", "work"];
      deepEqual(events, [...first, "no operation", "other"]);
      throws(
        () =>
          kernels.beside(other, () => {
            throw new Error("no work");
          }),
        /no work/,
      );
      ok(addWorks(kernels, 16));
      equal(events.length, 4, "nothing runs beside work that failed");
    },
    { threads },
  );
}

kernelTest("threads wake from sleep", async ({ kernels }) => {
  for (let i = 0; i < 3; i++) {
    ok(addWorks(kernels, 16));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}, { threads: 3 });

kernelTest("workers see memory that grew after they started", ({ kernels }) => {
  const before = kernels.memory.bytes;
  kernels.memory.allocate(3 << 20);
  ok(kernels.memory.bytes > before);
  ok(addWorks(kernels, 1000));
}, { threads: 3 });

Deno.test("two pools do not meet", async () => {
  const [[one], [two]] = await Promise.all([startKernels(2), startKernels(3)]);
  try {
    for (let i = 0; i < 20; i++) ok(addWorks(one, 8) && addWorks(two, 8));
    await one.close();
    ok(addWorks(two, 8));
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
});

Deno.test("closed kernels refuse to run, and close twice", async () => {
  for (const threads of [1, 3]) {
    const [kernels] = await startKernels(threads);
    await kernels.close();
    await assertRefused(() => double(kernels, 4096, 1), "BAD_ARGUMENT");
    await kernels.close();
  }
});

for (const threads of [2, 4]) {
  Deno.test(`a failing worker of ${threads} threads is an error, not a hang`, async () => {
    const [kernels] = await startKernels(threads);
    try {
      ok(addWorks(kernels, 8));
      // The table of blocks sends the second half of the tokens, the last thread's share, beyond the memory.
      const table = kernels.memory.allocate(8);
      const block = kernels.memory.allocate(2 * 4 * 32 * 4);
      kernels.memory.wordsAt(table, 2).set([block, NOWHERE]);
      const rows = strided(kernels.memory.allocate(64 * 16), 4);
      const shape = { keyValueType: "f32", start: 0, rows: 64, heads: 1, headSize: 4 } as const;
      const store = () => kernels.storeKeysValues({ keys: rows, values: rows, ...shape, table });
      const begin = performance.now();
      await assertRefused(store, "WORKER_FAILED", "worker");
      ok(performance.now() - begin < 5_000, "the leading thread noticed late");
      await assertRefused(store, "WORKER_FAILED", "thread");
      await assertRefused(() => addWorks(kernels, 1), "WORKER_FAILED");
    } finally {
      await kernels.close();
    }
  });

  Deno.test(`a trap on the leading one of ${threads} threads breaks the kernels for good`, async () => {
    const [kernels] = await startKernels(threads);
    try {
      throws(() => double(kernels, NOWHERE, 1000), WebAssembly.RuntimeError);
      await assertRefused(() => addWorks(kernels, 1), "WORKER_FAILED");
    } finally {
      await kernels.close();
    }
  });
}

Deno.test("an operation that does not exist traps", () => {
  const { module } = kernelModuleAtOnce("strict");
  const memory = new KernelMemory(false).wasm;
  const abort = () => {
    throw new Error("abort");
  };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  const command = new Int32Array(memory.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
  const run = exports.run as (size: number) => number;
  // The numbers of the lockstep's own operations have no kernel either.
  for (const number of [9999, -1, ...RESERVED_OPERATIONS.keys()]) {
    command[0] = number;
    throws(() => run(1), WebAssembly.RuntimeError, `${number}`);
  }
});

Deno.test("a pool whose workers cannot start is refused, and none is left behind", async () => {
  // The leading thread can use a memory that is not shared; no worker can be given it.
  const place = { memory: new KernelMemory(false), release() {} };
  const start = () =>
    WorkerPool.start(kernelModuleAtOnce("strict").module, [], [place], 3, denoPlatform.startWorker);
  await assertRefused(start, "WORKER_FAILED", "Cannot start 3 threads");
});

Deno.test("the variant is what was asked for", async () => {
  for (const variant of ["strict", "relaxed"] as const) {
    const [kernels] = await startKernels(1, variant);
    equal(kernels.variant, variant);
    await kernels.close();
  }
});

kernelTest(
  "the memory hands out aligned, zeroed pieces and reuses those given back",
  ({ kernels: { memory } }) => {
    const first = memory.allocate(100);
    equal(first % 64, 0);
    memory.bytesAt(first, 128).fill(7);
    memory.free(first, 100);
    equal(memory.allocate(120), first, "the same size in steps of 64");
    ok(memory.bytesAt(first, 128).every((byte) => byte === 0));
    equal(memory.allocate(0), 0);
    deepEqual([memory.allocate(1) % 64, memory.allocate(65) % 64], [0, 0]);
  },
);

Deno.test("a memory that cannot grow is an error that names its size", async () => {
  const [kernels] = await startKernels(1);
  try {
    const error = await assertRefused(() => kernels.memory.allocate(2 ** 32), "OUT_OF_MEMORY", "4 GiB");
    match(error.message, /expected \d+ bytes/);
    ok(addWorks(kernels, 1), "what is there still works");
  } finally {
    await kernels.close();
  }
});

Deno.test("a forgotten close does not keep the process alive", async () => {
  const program = new URL("forgotten_close.ts", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", program.href],
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(20_000),
  });
  const { success, stdout, stderr } = await child.output();
  ok(success, new TextDecoder().decode(stderr));
  equal(new TextDecoder().decode(stdout).trim(), "2".repeat(16));
});

for (const threads of [1, 2, 3]) {
  Deno.test(`${threads} threads work in one of several memories at a time, in any order`, async () => {
    const memories = await startKernels(threads, "auto", 3);
    // Every one many times, some of them twice in a row.
    for (let i = 0; i < 600; i++) ok(addWorks(memories[(i * i) % 7 % 3], 1 + i % 20), `${i}`);
    await memories[1].close();
    for (const kernels of memories) {
      await assertRefused(() => addWorks(kernels, 4), "BAD_ARGUMENT");
    }
  });
}
