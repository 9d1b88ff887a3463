/**
 * The compiled WebAssembly of the library, by name. How a host comes by it differs: Deno has it in the module graph, Node and Bun read
 * files, browsers fetch them, workerd takes them as modules that were compiled when the program was deployed. `current.js` is Deno's
 * way; the packages' build puts another in its place.
 *
 * @module
 */

/** A build of the kernels: for memory that threads share or not, with relaxed SIMD instructions or not. */
export type KernelBuild = "shared_relaxed" | "shared_strict" | "unshared_relaxed" | "unshared_strict";

/** A decoder of pictures. */
export type CodecName = "png" | "jpeg" | "webp";

/** What each host's file exports. */
export interface Binaries {
  /** Compiled; a promise where it must be fetched first, `undefined` for a build that the host does without. */
  kernelBinary(build: KernelBuild): WebAssembly.Module | Promise<WebAssembly.Module> | undefined;
  /** Compiled. */
  codecBinary(name: CodecName): Promise<WebAssembly.Module>;
  /** The wide tiles of the first thread: compiled on a host that compiles nothing at run time, elsewhere their bytes. */
  wideBinary(): WebAssembly.Module | Promise<Uint8Array>;
}
