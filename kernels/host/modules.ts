/**
 * The four committed kernel builds. They are part of the module graph, so reading them needs no permission.
 *
 * @module
 */
import { sharedRelaxed, sharedStrict, unsharedRelaxed, unsharedStrict } from "./binaries.js";
import { RemoraError } from "../../src/core/errors.ts";

/** Which arithmetic a build uses; both give the same bits. */
export type KernelVariant = "relaxed" | "strict";

/** A compiled build and what it is. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly variant: KernelVariant;
  readonly shared: boolean;
}

/** The smallest module that has a relaxed instruction: engines without relaxed SIMD refuse it. */
const RELAXED_PROBE = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0, // magic, version
  1,
  5,
  1,
  96,
  0,
  1,
  123, // type 0: () → v128
  3,
  2,
  1,
  0, // function 0 has type 0
  10,
  15,
  1,
  13,
  0,
  65,
  1,
  253,
  15,
  65,
  2,
  253,
  15,
  253,
  128,
  2,
  11, // i8x16.relaxed_swizzle(splat 1, splat 2)
);

/** Picks the build: shared memory for more than one thread, relaxed instructions where the engine has them. */
export function kernelModule(threads: number, wanted: "auto" | KernelVariant): KernelModule {
  const hasRelaxed = WebAssembly.validate(RELAXED_PROBE);
  if (wanted === "relaxed" && !hasRelaxed) {
    throw new RemoraError("UNSUPPORTED", 'Cannot use kernels "relaxed"', {
      expected: "an engine with relaxed SIMD",
      found: "one without; use strict or auto",
    });
  }
  const relaxed = wanted === "relaxed" || (wanted === "auto" && hasRelaxed);
  const shared = threads > 1;
  const module = shared
    ? (relaxed ? sharedRelaxed : sharedStrict)
    : (relaxed ? unsharedRelaxed : unsharedStrict);
  return { module, variant: relaxed ? "relaxed" : "strict", shared };
}
