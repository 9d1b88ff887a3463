/**
 * The worker threads of a model, and in which of its memories they wait for commands.
 *
 * A model beyond 4 GiB lies in several memories. The workers hold an instance of the kernels for each and are in one of them at
 * a time: with workers of its own, each memory would cost 8 to 13 MB a thread. A move is one more command; the thread that
 * leads does not wait for it, since the next operation in the other memory ends only when all have come.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { RemoraError } from "../../src/core/errors.ts";
import { COMMAND_ADDRESS, FAILED_ADDRESS, READY_ADDRESS, SEQUENCE_ADDRESS } from "../shared/layout.ts";
import { OP_EXIT, OP_MOVE } from "../shared/operations.ts";
import type { Heap } from "./heap.ts";

/** A worker that has not reported by then will not: starting takes some 60 ms. */
const START_TIMEOUT_MS = 30_000;
const START_POLL_MS = 2;

const WORKER_PROGRAM = `
const { kernels, memories, rank, size, failedAddress, readyAddress, sequenceAddress } =
  require("node:worker_threads").workerData;
const words = memories.map((memory) => new Int32Array(memory.buffer));
try {
  const abort = () => { throw new Error("abort"); };
  const instances = memories.map((memory) => new WebAssembly.Instance(kernels, { env: { memory, abort } }));
  Atomics.add(words[0], readyAddress >> 2, 1);
  const seen = memories.map(() => 0);
  for (let place = 0; place >= 0;) {
    const next = instances[place].exports.serve(rank, size, seen[place]);
    // Nobody gives a command here before this thread has done one where it goes.
    seen[place] = Atomics.load(words[place], sequenceAddress >> 2);
    place = next;
  }
} catch (error) {
  for (const view of words) Atomics.store(view, failedAddress >> 2, 1);
  throw error;
}
`;

/** What a member of the crew can be told in one memory. */
export interface Station {
  readonly heap: Heap;
  /** Hands the command to the workers without waiting for them. */
  release(): void;
}

/** `size` − 1 workers. */
export class Crew {
  /** Threads, the leading one included. */
  readonly size: number;
  readonly #workers: Worker[];
  readonly #stations: readonly Station[];
  #place = 0;
  #isClosed = false;

  private constructor(size: number, workers: Worker[], stations: readonly Station[]) {
    this.size = size;
    this.#workers = workers;
    this.#stations = stations;
  }

  /**
   * @param kernels A shared build when `size` is above 1.
   * @throws {RemoraError} WORKER_FAILED when a worker does not start; none is left behind.
   */
  static async start(
    kernels: WebAssembly.Module,
    stations: readonly Station[],
    size: number,
  ): Promise<Crew> {
    const workers: Worker[] = [];
    try {
      for (let rank = 1; rank < size; rank++) {
        const worker = new Worker(WORKER_PROGRAM, {
          eval: true,
          // The default, a copy of this process's environment, would ask for a permission.
          env: {},
          workerData: {
            kernels,
            memories: stations.map(({ heap }) => heap.memory),
            rank,
            size,
            failedAddress: FAILED_ADDRESS,
            readyAddress: READY_ADDRESS,
            sequenceAddress: SEQUENCE_ADDRESS,
          },
        });
        workers.push(worker);
      }
      await untilReady(workers, stations[0].heap);
    } catch (cause) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw new RemoraError("WORKER_FAILED", `Cannot start ${size} threads`, {
        found: cause instanceof Error ? cause.message : String(cause),
        cause,
      });
    }
    // A caller who forgets to dispose the model must not keep the process alive.
    for (const worker of workers) worker.unref();
    return new Crew(size, workers, stations);
  }

  /** The calling thread alone. */
  static ofOne(station: Station): Crew {
    return new Crew(1, [], [station]);
  }

  /** Whether the workers were sent home. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends the workers to the memory of that number, if they are elsewhere. */
  moveTo(place: number): void {
    if (place === this.#place) return;
    if (this.size > 1) this.#tell(OP_MOVE, place);
    this.#place = place;
  }

  /** Sends the workers home; they cannot be called again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#tell(OP_EXIT);
    await Promise.all(this.#workers.splice(0).map((worker) => worker.terminate()));
  }

  #tell(operation: number, argument = 0): void {
    const { heap, release } = this.#stations[this.#place];
    heap.wordsAt(COMMAND_ADDRESS, 2).set([operation, argument]);
    release();
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
