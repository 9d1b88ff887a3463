/**
 * The kernels on one memory, run by threads in lockstep.
 *
 * The forward pass is TypeScript on the caller's thread only. Each kernel call is one command in shared memory; every thread
 * executes it on its share of rows, heads or panels, and they meet at its end (kernels/assembly/lockstep.ts). So a worker needs
 * nothing but the kernel module and the memory.
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import { COMMAND_ADDRESS, COMMAND_WORDS, RESULT_ADDRESS, WIDE_AREA_BYTES } from "../shared/layout.ts";
import { checkAttention } from "./attention_check.ts";
import { checkFloats } from "./float_check.ts";
import { KernelCalls } from "./calls.ts";
import { KernelMemory } from "./memory.ts";
import { wideScratchBytes } from "./sizes.ts";
import { WIDE_FUNCTIONS } from "../shared/operations.ts";
import { type ComparedForm, type ProductForm, ProductTrial } from "./product_trial.ts";
import { wideTiles } from "./wide_module.ts";
import { type KernelModule, kernelModule, kernelModuleAtOnce, type KernelVariant } from "./modules.ts";
import { type CommandPlace, type StartWorker, WorkerPool } from "./worker_pool.ts";

/** More threads than any machine we know has cores; a typo must not start thousands. */
export const THREADS_MAX = 256;

/** How kernels are started. */
export interface KernelOptions {
  threads: number;
  variant: "auto" | KernelVariant;
  /** Memories; a model beyond 4 GiB needs several. */
  memories?: number;
  /** Needed for more than one thread. */
  startWorker?: StartWorker;
}

interface KernelExports {
  /** Writes what kernels expect in a new memory. */
  prepare(): void;
  run(size: number): number;
  release(): void;
  finish(size: number): number;
}

/** Kernels of one memory. */
export class Kernels extends KernelCalls {
  readonly memory: KernelMemory;
  readonly variant: KernelVariant;
  /** How products are computed. */
  form: ProductForm = { dot32: false, wideScratch: 0 };
  /** Bits of the vectors of products of many rows; see ProductTrial. */
  vectorBits: 128 | 256 = 128;
  /** Scratch of the wide tiles in this memory, or 0. */
  readonly wideScratch: number;
  protected override floats: Float32Array;
  #integers: Int32Array;
  readonly #exports: KernelExports;
  readonly #pool: WorkerPool;
  /** Number of the memory among those of the pool. */
  readonly #place: number;
  #isBroken = false;
  #isAlone = false;
  #beside?: () => void;

  private constructor(
    memory: KernelMemory,
    variant: KernelVariant,
    exports: KernelExports,
    pool: WorkerPool,
    place: number,
    wideScratch: number,
  ) {
    super();
    this.wideScratch = wideScratch;
    this.memory = memory;
    this.variant = variant;
    this.#exports = exports;
    this.#pool = pool;
    this.#place = place;
    this.#integers = new Int32Array(memory.wasm.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
    this.floats = new Float32Array(memory.wasm.buffer, COMMAND_ADDRESS, COMMAND_WORDS);
  }

  /**
   * Starts threads that work on new memories, in one at a time; the kernels of each.
   *
   * @throws {RemoraError} WORKER_FAILED when a worker does not start; none is left behind.
   */
  static async start({ threads, variant, memories = 1, startWorker }: KernelOptions): Promise<Kernels[]> {
    const build = await kernelModule(threads, variant);
    const wide = build.variant === "relaxed" ? await wideTiles(build.shared, threads) : undefined;
    const instances = Array.from(
      { length: memories },
      () => instantiate(build, wide && threads * WIDE_AREA_BYTES, wide?.leading),
    );
    const places = instances.map(({ place }) => place);
    const pool = threads > 1
      ? await WorkerPool.start(build.module, wide?.workers ?? [], places, threads, startWorker!)
      : WorkerPool.ofOne(places[0]);
    const all = instances.map(({ exports, place: { memory } }, number) => {
      const wideScratch = wide ? memory.allocate(wideScratchBytes(threads)) : 0;
      return new Kernels(memory, build.variant, exports, pool, number, wideScratch);
    });
    const [first] = all;
    try {
      using trial = new ProductTrial(first, first.wideScratch);
      trial.check();
      checkAttention(first, first.wideScratch);
      checkFloats(first, first.wideScratch);
      first.withoutWorkers(() => trial.warm());
    } catch (error) {
      await first.close();
      throw error;
    }
    return all;
  }

  /** Kernels on a new memory for the caller's thread alone, at once. */
  static alone(variant: "auto" | KernelVariant = "auto"): Kernels {
    const build = kernelModuleAtOnce(variant);
    const { exports, place } = instantiate(build);
    return new Kernels(place.memory, build.variant, exports, WorkerPool.ofOne(place), 0, 0);
  }

  /** Scratch of the wide tiles of floats and of attention, or 0: with vectors of 128 bits they would take longer than the others. */
  get pairedScratch(): number {
    return this.vectorBits === 256 ? this.form.wideScratch : 0;
  }

  /** Threads, the caller's included. */
  get threads(): number {
    return this.#pool.size;
  }

  /** Ends the workers, for all memories that share them; none can be used again. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** Operations within `work` run on the calling thread alone, the others at rest. */
  withoutWorkers<T>(work: () => T): T {
    this.#isAlone = true;
    try {
      return work();
    } finally {
      this.#isAlone = false;
    }
  }

  /**
   * Runs `work`, and once `other` on the calling thread, while the other threads begin with the first operation of `work`. `other` calls no
   * kernels: there is one command.
   */
  beside(other: () => void, work: () => void): void {
    this.#beside = other;
    try {
      work();
      this.#runBeside();
    } finally {
      this.#beside = undefined;
    }
  }

  #runBeside(): void {
    const other = this.#beside;
    this.#beside = undefined;
    other?.();
  }

  /** Computes products in that form. */
  useForm({ dot32, isWide }: { dot32: boolean; isWide: boolean }): void {
    this.form = { dot32, wideScratch: isWide ? this.wideScratch : 0 };
  }

  /**
   * Keeps the fastest form of products, for all memories of a model; see ProductTrial.
   *
   * @param weights What the model has.
   * @throws {RemoraError} UNSUPPORTED when their products have other bits in one form than in another.
   */
  static chooseForm([first, ...others]: readonly Kernels[], weights: Iterable<ComparedForm> = []): void {
    using trial = new ProductTrial(first, first.wideScratch);
    for (const form of weights) trial.compare(form);
    const { form, vectorBits } = first.withoutWorkers(() => trial.choose());
    for (const kernels of [first, ...others]) {
      kernels.useForm({ dot32: form.dot32, isWide: form.wideScratch > 0 });
      kernels.vectorBits = vectorBits;
    }
  }

  /** Non-finite values that packing kernels met since the last call. */
  takeNonFiniteCount(): number {
    const word = this.memory.wordsAt(RESULT_ADDRESS, 1);
    const count = word[0];
    word[0] = 0;
    return count;
  }

  /** The command's words. A memory that is not shared moves when it grows. */
  protected override command(operation: number): Int32Array {
    if (this.#integers.length === 0) {
      const { buffer } = this.memory.wasm;
      this.#integers = new Int32Array(buffer, COMMAND_ADDRESS, COMMAND_WORDS);
      this.floats = new Float32Array(buffer, COMMAND_ADDRESS, COMMAND_WORDS);
    }
    this.#integers[0] = operation;
    return this.#integers;
  }

  protected override run(shares?: number): void {
    if (this.#isBroken) {
      throw new RemoraError("WORKER_FAILED", "Cannot compute: a thread of this model has failed");
    }
    if (this.#pool.isClosed) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot use the model", { found: "a disposed one" });
    }
    const size = this.#isAlone || shares === 1 ? 1 : this.#pool.size;
    if (size > 1) this.#pool.moveTo(this.#place);
    let isWhole = 0;
    try {
      if (this.#beside && size > 1) {
        this.#exports.release();
        this.#runBeside();
        isWhole = this.#exports.finish(size);
      } else {
        isWhole = this.#exports.run(size);
      }
    } finally {
      // A trap on this thread leaves the workers' shares unaccounted for as well.
      if (isWhole !== 1) this.#isBroken = true;
    }
    if (isWhole !== 1) throw new RemoraError("WORKER_FAILED", "Cannot compute: a worker thread has failed");
  }
}

function instantiate(
  { module, shared }: KernelModule,
  areasBytes = 0,
  wide?: WebAssembly.Module,
): { exports: KernelExports; place: CommandPlace } {
  const memory = new KernelMemory(shared, areasBytes);
  const env = { memory: memory.wasm, abort };
  const tiles = wide
    ? new WebAssembly.Instance(wide, { env }).exports
    : Object.fromEntries(WIDE_FUNCTIONS.map((name) => [name, abort]));
  const instance = new WebAssembly.Instance(module, { env, wide: tiles });
  const exports = instance.exports as unknown as KernelExports;
  exports.prepare();
  return { exports, place: { memory, release: () => exports.release() } };
}

function abort(): never {
  throw new Error("a kernel met an impossible case");
}
