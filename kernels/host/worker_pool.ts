/**
 * The worker threads of a model, and in which of its memories they wait for commands.
 *
 * A model beyond 4 GiB lies in several memories. The workers hold an instance of the kernels for each and are in one of them at
 * a time: with workers of its own, each memory would cost 8 to 13 MB a thread. A move is one more command; the leading thread
 * does not wait for it, since the next operation in the other memory ends only when all have come.
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import { COMMAND_ADDRESS, FAILED_ADDRESS, READY_ADDRESS, SEQUENCE_ADDRESS } from "../shared/layout.ts";
import { RESERVED_OPERATIONS, WIDE_FUNCTIONS } from "../shared/operations.ts";
import type { KernelMemory } from "./memory.ts";

/** A worker thread of the host. */
export interface WorkerThread {
  /** Told once if the worker dies. */
  onError(listener: (error: Error) => void): void;
  /** A worker that nobody ends must not keep the process alive. */
  unref(): void;
  terminate(): Promise<unknown>;
}

/**
 * Starts a thread that runs `program`, the text of a function of one argument, with `data`. Text needs no permission, where a
 * worker from a file needs one to read the library (docs/architecture.md, "Threads").
 */
export type StartWorker = (program: string, data: unknown) => WorkerThread;

/** A worker that has not reported by then will not: starting takes some 60 ms. */
const START_TIMEOUT_MS = 30_000;
const START_POLL_MS = 2;

const WORKER_PROGRAM =
  `({ kernels, wide, wideFunctions, memories, rank, size, failedAddress, readyAddress, sequenceAddress }) => {
  const words = memories.map((memory) => new Int32Array(memory.buffer));
  try {
    const abort = () => { throw new Error("abort"); };
    const tiles = wide && new WebAssembly.Module(wide);
    const instances = memories.map((memory) => {
      const env = { memory, abort };
      const own = tiles
        ? new WebAssembly.Instance(tiles, { env }).exports
        : Object.fromEntries(wideFunctions.map((name) => [name, abort]));
      return new WebAssembly.Instance(kernels, { env, wide: own });
    });
    Atomics.add(words[0], readyAddress >> 2, 1);
    const seen = memories.map(() => 0);
    for (let place = 0; place >= 0;) {
      const next = instances[place].exports.serve(rank, size, seen[place]);
      // The leading thread gives no command in this memory until this thread has executed one in the next.
      seen[place] = Atomics.load(words[place], sequenceAddress >> 2);
      place = next;
    }
  } catch (error) {
    for (const view of words) Atomics.store(view, failedAddress >> 2, 1);
    throw error;
  }
}`;

const OPERATION_EXIT = RESERVED_OPERATIONS.indexOf("exit");
const OPERATION_MOVE = RESERVED_OPERATIONS.indexOf("move");

/** Where the workers of a pool can be given commands: one memory. */
export interface CommandPlace {
  readonly memory: KernelMemory;
  /** Hands the command to the workers without waiting for them. */
  release(): void;
}

/** `size` − 1 workers. */
export class WorkerPool {
  /** Threads, the leading one included. */
  readonly size: number;
  readonly #workers: WorkerThread[];
  readonly #places: readonly CommandPlace[];
  #place = 0;
  #isClosed = false;

  private constructor(size: number, workers: WorkerThread[], places: readonly CommandPlace[]) {
    this.size = size;
    this.#workers = workers;
    this.#places = places;
  }

  /**
   * @param kernels A shared build when `size` is above 1.
   * @param wide The wide tiles of each thread, compiled by the thread; empty without.
   * @throws {RemoraError} WORKER_FAILED when a worker does not start; none is left behind.
   */
  static async start(
    kernels: WebAssembly.Module,
    wide: readonly Uint8Array[],
    places: readonly CommandPlace[],
    size: number,
    startWorker: StartWorker,
  ): Promise<WorkerPool> {
    const workers: WorkerThread[] = [];
    try {
      for (let rank = 1; rank < size; rank++) {
        workers.push(startWorker(WORKER_PROGRAM, {
          kernels,
          wide: wide[rank],
          wideFunctions: WIDE_FUNCTIONS,
          memories: places.map(({ memory }) => memory.wasm),
          rank,
          size,
          failedAddress: FAILED_ADDRESS,
          readyAddress: READY_ADDRESS,
          sequenceAddress: SEQUENCE_ADDRESS,
        }));
      }
      await untilReady(workers, places[0].memory);
    } catch (cause) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw new RemoraError("WORKER_FAILED", `Cannot start ${size} threads`, {
        found: cause instanceof Error ? cause.message : String(cause),
        cause,
      });
    }
    for (const worker of workers) worker.unref();
    return new WorkerPool(size, workers, places);
  }

  /** The calling thread alone. */
  static ofOne(place: CommandPlace): WorkerPool {
    return new WorkerPool(1, [], [place]);
  }

  /** Whether the workers were ended. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Moves the workers to the memory of that number, if they are elsewhere. */
  moveTo(place: number): void {
    if (place === this.#place) return;
    if (this.size > 1) this.#command(OPERATION_MOVE, place);
    this.#place = place;
  }

  /** Ends the workers; they cannot be called again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#command(OPERATION_EXIT);
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
  }

  #command(operation: number, argument = 0): void {
    const { memory, release } = this.#places[this.#place];
    memory.wordsAt(COMMAND_ADDRESS, 2).set([operation, argument]);
    release();
  }
}

/**
 * A worker reports in shared memory: it then waits for commands and never returns to its event loop, so a message that it posts
 * may stay unsent.
 */
async function untilReady(workers: readonly WorkerThread[], memory: KernelMemory): Promise<void> {
  let failure: Error | undefined;
  for (const worker of workers) worker.onError((error) => failure ??= error);
  const ready = new Int32Array(memory.wasm.buffer, READY_ADDRESS, 1);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (Atomics.load(ready, 0) < workers.length) {
    if (failure) throw failure;
    if (performance.now() > deadline) throw new Error("no sign of life from a worker");
    await new Promise((resolve) => setTimeout(resolve, START_POLL_MS));
  }
}
