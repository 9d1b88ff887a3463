/**
 * Threads that run every operation in lockstep on one memory.
 *
 * The forward pass is TypeScript on the caller's thread only. Each kernel call is one command in shared memory; every
 * thread takes its share of it and they meet at its end (kernels/assembly/team.ts). So a worker needs nothing but the
 * kernel module and the memory: its program is the few lines below, started from text, which needs no permission, while
 * a worker from a file needs `--allow-read` for the library itself (docs/architecture.md, "Threads").
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { RemoraError } from "../../src/core/errors.ts";
import { COMMAND_ADDRESS, FAILED_ADDRESS, READY_ADDRESS } from "../shared/layout.ts";
import { OP_EXIT } from "../shared/operations.ts";
import type { Heap } from "./heap.ts";
import type { KernelModule } from "./modules.ts";

/** More threads than any machine we know has cores; a typo must not start thousands. */
export const THREADS_MAX = 256;
/** A worker that has not reported by then will not: starting takes some 60 ms. */
const START_TIMEOUT_MS = 30_000;
const START_POLL_MS = 2;

const WORKER_PROGRAM = `
const { kernels, memory, rank, size, failedAddress, readyAddress } = require("node:worker_threads").workerData;
try {
  const instance = new WebAssembly.Instance(kernels, { env: { memory, abort() { throw new Error("abort"); } } });
  Atomics.add(new Int32Array(memory.buffer), readyAddress >> 2, 1);
  instance.exports.serve(rank, size);
} catch (error) {
  Atomics.store(new Int32Array(memory.buffer), failedAddress >> 2, 1);
  throw error;
}
`;

interface KernelExports {
  run(size: number): number;
  release(): void;
}

/** One leader and `size` − 1 workers. */
export class Team {
  readonly size: number;
  readonly #exports: KernelExports;
  readonly #heap: Heap;
  readonly #workers: Worker[];
  #broken = false;
  /** Threads that share the next operation. */
  #active: number;

  private constructor(size: number, exports: KernelExports, heap: Heap, workers: Worker[]) {
    this.size = size;
    this.#active = size;
    this.#exports = exports;
    this.#heap = heap;
    this.#workers = workers;
  }

  /**
   * @param kernels A shared build when `size` is above 1.
   * @throws {RemoraError} WORKER_FAILED when a worker does not start; none is left behind.
   */
  static async start(kernels: KernelModule, heap: Heap, size: number): Promise<Team> {
    const exports = instantiate(kernels, heap);
    const workers: Worker[] = [];
    try {
      for (let rank = 1; rank < size; rank++) {
        const worker = new Worker(WORKER_PROGRAM, {
          eval: true,
          // The default, a copy of this process's environment, would ask for a permission.
          env: {},
          workerData: {
            kernels: kernels.module,
            memory: heap.memory,
            rank,
            size,
            failedAddress: FAILED_ADDRESS,
            readyAddress: READY_ADDRESS,
          },
        });
        workers.push(worker);
      }
      await untilReady(workers, heap);
    } catch (cause) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw new RemoraError("WORKER_FAILED", `Cannot start ${size} threads`, {
        found: cause instanceof Error ? cause.message : String(cause),
        cause,
      });
    }
    // A caller who forgets to dispose the model must not keep the process alive.
    for (const worker of workers) worker.unref();
    return new Team(size, exports, heap, workers);
  }

  /** A team of the caller's thread alone; there is nobody to wait for. */
  static ofOne(kernels: KernelModule, heap: Heap): Team {
    return new Team(1, instantiate(kernels, heap), heap, []);
  }

  /** Runs the operation that lies in the command on all threads; returns when all are done. */
  run(): void {
    if (this.#broken) {
      throw new RemoraError("WORKER_FAILED", "Cannot compute: a thread of this model has failed");
    }
    let whole = 0;
    try {
      whole = this.#exports.run(this.#active);
    } finally {
      // A trap on this thread leaves the workers' shares unaccounted for as well.
      if (whole !== 1) this.#broken = true;
    }
    if (whole !== 1) throw new RemoraError("WORKER_FAILED", "Cannot compute: a worker thread has failed");
  }

  /** Lets this thread do the whole of each operation while `work` runs: for timing that must not wait for others. */
  alone(work: () => void): void {
    this.#active = 1;
    try {
      work();
    } finally {
      this.#active = this.size;
    }
  }

  /** Sends the workers home; the team cannot run again. */
  async close(): Promise<void> {
    this.#broken = true;
    this.#heap.wordsAt(COMMAND_ADDRESS, 1)[0] = OP_EXIT;
    this.#exports.release();
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
  }
}

/**
 * A worker reports in shared memory: it then waits for commands and never returns to its event loop, so a message of its
 * may stay unsent.
 */
async function untilReady(workers: readonly Worker[], heap: Heap): Promise<void> {
  let failure: Error | undefined;
  for (const worker of workers) worker.once("error", (error: Error) => failure ??= error);
  const ready = new Int32Array(heap.memory.buffer, READY_ADDRESS, 1);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (Atomics.load(ready, 0) < workers.length) {
    if (failure) throw failure;
    if (performance.now() > deadline) throw new Error("no sign of life from a worker");
    await new Promise((resolve) => setTimeout(resolve, START_POLL_MS));
  }
}

function instantiate(kernels: KernelModule, heap: Heap): KernelExports {
  const { exports } = new WebAssembly.Instance(kernels.module, { env: { memory: heap.memory, abort } });
  return exports as unknown as KernelExports;
}

function abort(): never {
  throw new Error("a kernel met an impossible case");
}
