/**
 * Threads that run every operation in lockstep on one memory.
 *
 * The forward pass is TypeScript on the caller's thread only. Each kernel call is one command in shared memory; every
 * thread takes its share of it and they meet at its end (kernels/assembly/team.ts). So a worker needs nothing but the
 * kernel module and the memory: its program is a few lines, started from text, which needs no permission, while a worker
 * from a file needs `--allow-read` for the library itself (docs/architecture.md, "Threads").
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import { Crew, type Station } from "./crew.ts";
import type { Heap } from "./heap.ts";
import type { KernelModule } from "./modules.ts";

/** More threads than any machine we know has cores; a typo must not start thousands. */
export const THREADS_MAX = 256;

interface KernelExports {
  /** Writes what kernels expect in a new memory. */
  prepare(): void;
  run(size: number): number;
  release(): void;
  probeDots(isWide: number, rounds: number): number;
}

/** One leader and the workers of a crew, in one of its memories. */
export class Team {
  readonly size: number;
  readonly #exports: KernelExports;
  readonly #crew: Crew;
  /** Number of the memory. */
  readonly #place: number;
  #broken = false;

  private constructor(exports: KernelExports, crew: Crew, place: number) {
    this.size = crew.size;
    this.#exports = exports;
    this.#crew = crew;
    this.#place = place;
  }

  /**
   * Teams of the same threads, one for each memory.
   *
   * @param kernels A shared build when `size` is above 1.
   * @throws {RemoraError} WORKER_FAILED when a worker does not start; none is left behind.
   */
  static async start(kernels: KernelModule, heaps: readonly Heap[], size: number): Promise<Team[]> {
    const instances = heaps.map((heap) => instantiate(kernels, heap));
    const crew = await Crew.start(kernels.module, instances.map(({ station }) => station), size);
    return instances.map(({ exports }, place) => new Team(exports, crew, place));
  }

  /** A team of the caller's thread alone; there is nobody to wait for. */
  static ofOne(kernels: KernelModule, heap: Heap): Team {
    const { exports, station } = instantiate(kernels, heap);
    return new Team(exports, Crew.ofOne(station), 0);
  }

  /** Runs the operation that lies in the command on all threads; returns when all are done. */
  run(): void {
    if (this.#broken || this.#crew.isClosed) {
      throw new RemoraError("WORKER_FAILED", "Cannot compute: a thread of this model has failed");
    }
    if (this.size > 1) this.#crew.moveTo(this.#place);
    let whole = 0;
    try {
      whole = this.#exports.run(this.size);
    } finally {
      // A trap on this thread leaves the workers' shares unaccounted for as well.
      if (whole !== 1) this.#broken = true;
    }
    if (whole !== 1) throw new RemoraError("WORKER_FAILED", "Cannot compute: a worker thread has failed");
  }

  /** Milliseconds that this thread takes for `rounds` rounds of dots in one of both forms; see kernels/assembly/dot_probe.ts. */
  timeDots(isWide: boolean, rounds: number): number {
    const begin = performance.now();
    this.#exports.probeDots(isWide ? 1 : 0, rounds);
    return performance.now() - begin;
  }

  /** Sends the workers home, for all teams of the crew; none can run again. */
  async close(): Promise<void> {
    await this.#crew.close();
  }
}

function instantiate(kernels: KernelModule, heap: Heap): { exports: KernelExports; station: Station } {
  const instance = new WebAssembly.Instance(kernels.module, { env: { memory: heap.memory, abort } });
  const exports = instance.exports as unknown as KernelExports;
  exports.prepare();
  return { exports, station: { heap, release: () => exports.release() } };
}

function abort(): never {
  throw new Error("a kernel met an impossible case");
}
