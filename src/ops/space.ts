/**
 * Where matrices are reserved: in one of a model's memories, or nowhere, to count their bytes. Sizes are asked of the code that
 * reserves, with the counter in place of a memory, so that no second formula can differ from it.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";

/** One memory, its kernels and their threads. */
export interface Space {
  readonly threads: number;
  /** Those that compute with what is reserved here. */
  readonly kernels: Kernels;
  /** Address of as many bytes. */
  allocate(bytes: number): number;
}

/** A real memory. */
export class KernelSpace implements Space {
  readonly kernels: Kernels;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  get threads(): number {
    return this.kernels.threads;
  }

  allocate(bytes: number): number {
    return this.kernels.memory.allocate(bytes);
  }
}

/** Bytes of a cache line, to which memories align. */
const ALIGNMENT = 64;

/** Counts what is reserved. */
export class CountedSpace implements Space {
  readonly threads: number;
  bytes = 0;

  constructor(threads: number) {
    this.threads = threads;
  }

  get kernels(): Kernels {
    throw new Error("nothing is computed where bytes are counted");
  }

  allocate(bytes: number): number {
    const address = this.bytes;
    this.bytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return address;
  }
}
