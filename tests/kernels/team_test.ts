/**
 * Threads: they start, meet, fail and end as told. That nothing is left behind is what the test runner's own sanitizers
 * check: each test closes its team.
 */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { Heap } from "../../kernels/host/heap.ts";
import { Kernels } from "../../kernels/host/kernels.ts";
import { kernelModule } from "../../kernels/host/modules.ts";
import { Team } from "../../kernels/host/team.ts";
import { COMMAND_ADDRESS, KIND_F32 } from "../../kernels/shared/layout.ts";
import { assertRefused } from "../errors.ts";
import { kernelTest } from "./harness.ts";

/** An address beyond every memory that these tests grow. */
const NOWHERE = 0xf000_0000;

/** Adds ones to `rows` × 4 ones and says whether all became twos. */
function addWorks(kernels: Kernels, rows: number): boolean {
  const bytes = rows * 16;
  const target = kernels.heap.allocate(bytes);
  kernels.heap.floatsAt(target, rows * 4).fill(1);
  kernels.addScaled(target, 16, target, KIND_F32, 16, rows, 4, 1);
  const all = kernels.heap.floatsAt(target, rows * 4).every((x) => x === 2);
  kernels.heap.free(target, bytes);
  return all;
}

for (const threads of [1, 2, 3, 8]) {
  kernelTest(`a team of ${threads} shares rows of every number`, ({ kernels }) => {
    for (let rows = 1; rows <= 20; rows++) ok(addWorks(kernels, rows), `${rows} rows`);
  }, { threads });
}

for (const threads of [2, 8]) {
  kernelTest(`a thousand operations of ${threads} threads take no more than seconds`, ({ kernels }) => {
    const begin = performance.now();
    for (let i = 0; i < 1000; i++) ok(addWorks(kernels, 16));
    // With more threads than cores each barrier costs some switches between them: microseconds, not time slices.
    const milliseconds = performance.now() - begin;
    ok(milliseconds < 10_000, `${milliseconds} ms`);
  }, { threads });
}

kernelTest("a team wakes from sleep", async ({ kernels }) => {
  for (let i = 0; i < 3; i++) {
    ok(addWorks(kernels, 16));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}, { threads: 3 });

kernelTest("workers see memory that grew after they started", ({ kernels }) => {
  const before = kernels.heap.bytes;
  kernels.heap.allocate(3 << 20);
  ok(kernels.heap.bytes > before);
  ok(addWorks(kernels, 1000));
}, { threads: 3 });

Deno.test("two teams do not meet", async () => {
  const [one, two] = await Promise.all([Kernels.start(2), Kernels.start(3)]);
  try {
    for (let i = 0; i < 20; i++) ok(addWorks(one, 8) && addWorks(two, 8));
    await one.close();
    ok(addWorks(two, 8));
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
});

Deno.test("a closed team refuses to run, and closes twice", async () => {
  for (const threads of [1, 3]) {
    const kernels = await Kernels.start(threads);
    await kernels.close();
    await assertRefused(() => kernels.addScaled(4096, 16, 4096, KIND_F32, 16, 1, 4, 1), "WORKER_FAILED");
    await kernels.close();
  }
});

for (const threads of [2, 4]) {
  Deno.test(`a failing worker of ${threads} threads is an error, not a hang`, async () => {
    const kernels = await Kernels.start(threads);
    try {
      ok(addWorks(kernels, 8));
      // The table of blocks sends the second half of the tokens, the last thread's share, beyond the memory.
      const table = kernels.heap.allocate(8);
      const block = kernels.heap.allocate(2 * 4 * 32 * 4);
      kernels.heap.wordsAt(table, 2).set([block, NOWHERE]);
      const rows = kernels.heap.allocate(64 * 16);
      const store = () => kernels.storeKeysValues(KIND_F32, rows, 16, rows, 16, table, 0, 64, 1, 4);
      const begin = performance.now();
      await assertRefused(store, "WORKER_FAILED", "worker");
      ok(performance.now() - begin < 5_000, "the leader noticed late");
      await assertRefused(store, "WORKER_FAILED", "thread");
      await assertRefused(() => addWorks(kernels, 1), "WORKER_FAILED");
    } finally {
      await kernels.close();
    }
  });

  Deno.test(`a trap on the leader of ${threads} threads breaks the team for good`, async () => {
    const kernels = await Kernels.start(threads);
    try {
      throws(
        () => kernels.addScaled(NOWHERE, 16, NOWHERE, KIND_F32, 16, 1000, 4, 1),
        WebAssembly.RuntimeError,
      );
      await assertRefused(() => addWorks(kernels, 1), "WORKER_FAILED");
    } finally {
      await kernels.close();
    }
  });
}

Deno.test("an operation that does not exist traps", async () => {
  const kernels = await Kernels.start(1);
  try {
    kernels.heap.wordsAt(COMMAND_ADDRESS, 1)[0] = 9999;
    throws(() => kernels.team.run(), WebAssembly.RuntimeError);
  } finally {
    await kernels.close();
  }
});

Deno.test("a team whose workers cannot start is refused, and none is left behind", async () => {
  // The leader can use a memory that is not shared; no worker can be given it.
  const start = () => Team.start(kernelModule(1, "strict"), [new Heap(false)], 3);
  await assertRefused(start, "WORKER_FAILED", "Cannot start 3 threads");
});

Deno.test("the variant is what was asked for", async () => {
  for (const variant of ["strict", "relaxed"] as const) {
    const kernels = await Kernels.start(1, variant);
    equal(kernels.variant, variant);
    await kernels.close();
  }
});

for (const variant of ["relaxed", "strict"] as const) {
  kernelTest(`chooseDotForm() takes a moment and no memory, ${variant}`, ({ kernels }) => {
    const bytes = kernels.heap.allocate(4096), words = kernels.heap.wordsAt(bytes, 1024).fill(0xffffffff);
    const begin = performance.now();
    kernels.chooseDotForm();
    ok(performance.now() - begin < 500);
    ok(words.every((word) => word === 0xffffffff), "it reads what it finds and writes nothing");
    if (variant === "strict") equal(kernels.wideDot, false, "there is no choice");
  }, { variant });
}

kernelTest(
  "the heap hands out aligned, zeroed pieces and reuses those given back",
  ({ kernels: { heap } }) => {
    const first = heap.allocate(100);
    equal(first % 64, 0);
    heap.bytesAt(first, 128).fill(7);
    heap.free(first, 100);
    equal(heap.allocate(120), first, "the same size in steps of 64");
    ok(heap.bytesAt(first, 128).every((byte) => byte === 0));
    equal(heap.allocate(0), 0);
    deepEqual([heap.allocate(1) % 64, heap.allocate(65) % 64], [0, 0]);
  },
);

Deno.test("a memory that cannot grow is an error that names its size", async () => {
  const kernels = await Kernels.start(1);
  try {
    const error = await assertRefused(() => kernels.heap.allocate(2 ** 32), "OUT_OF_MEMORY", "4 GiB");
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
    const banks = await Kernels.startBanks(threads, "auto", 3);
    // Every bank many times, some of them twice in a row.
    for (let i = 0; i < 600; i++) ok(addWorks(banks[(i * i) % 7 % 3], 1 + i % 20), `${i}`);
    await banks[1].close();
    for (const bank of banks) {
      await assertRefused(() => addWorks(bank, 4), "WORKER_FAILED");
    }
  });
}
