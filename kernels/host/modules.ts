/**
 * Which of the four committed kernel builds runs.
 *
 * @module
 */
import type { KernelBuild } from "../../src/binaries/binaries.ts";
import { binaries } from "../../src/binaries/current.js";
import { RemoraError } from "../../src/core/errors.ts";

/** Which arithmetic a build uses; both give the same bits. */
export type KernelVariant = "relaxed" | "strict";

/** A compiled build and what it is. */
export interface KernelModule extends KernelChoice {
  readonly module: WebAssembly.Module;
}

interface KernelChoice {
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

/**
 * Picks the build: shared memory for more than one thread, relaxed instructions where the engine has them.
 *
 * @throws {RemoraError} UNSUPPORTED when the engine lacks what was asked for.
 */
export async function kernelModule(threads: number, wanted: "auto" | KernelVariant): Promise<KernelModule> {
  const choice = choose(threads, wanted);
  return { ...choice, module: await binaries.kernelBinary(nameOf(choice)) };
}

/** The build for one thread, at once. */
export function kernelModuleAtOnce(wanted: "auto" | KernelVariant): KernelModule {
  const choice = choose(1, wanted);
  const module = binaries.kernelBinary(nameOf(choice));
  if (module instanceof WebAssembly.Module) return { ...choice, module };
  throw new RemoraError("UNSUPPORTED", `Cannot use kernels "${choice.variant}" at once`, {
    expected: "kernels that were compiled when the program started",
    found: "others; use auto",
  });
}

function nameOf({ shared, variant }: KernelChoice): KernelBuild {
  return `${shared ? "shared" : "unshared"}_${variant}`;
}

function choose(threads: number, wanted: "auto" | KernelVariant): KernelChoice {
  const hasRelaxed = WebAssembly.validate(RELAXED_PROBE);
  if (wanted === "relaxed" && !hasRelaxed) {
    throw new RemoraError("UNSUPPORTED", 'Cannot use kernels "relaxed"', {
      expected: "an engine with relaxed SIMD",
      found: "one without; use strict or auto",
    });
  }
  const relaxed = wanted === "relaxed" || (wanted === "auto" && hasRelaxed);
  return { variant: relaxed ? "relaxed" : "strict", shared: threads > 1 };
}
