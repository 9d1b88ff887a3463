/**
 * Which of the four committed kernel builds runs.
 *
 * @module
 */
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

/** The smallest module that has a SIMD instruction: `() → v128`, i8x16.splat 1. */
const SIMD_PROBE = moduleOf([0x41, 1, 0xfd, 15]);
/** The smallest that has a relaxed one: engines without refuse it. i8x16.relaxed_swizzle(splat 1, splat 2). */
const RELAXED_PROBE = moduleOf([0x41, 1, 0xfd, 15, 0x41, 2, 0xfd, 15, 0xfd, 0x80, 2]);

/** A module of one function of these instructions that returns a vector. */
function moduleOf(instructions: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...instructions, 0x0b];
  const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    type = [1, 5, 1, 0x60, 0, 1, 0x7b],
    functions = [3, 2, 1, 0];
  return Uint8Array.of(...magic, ...type, ...functions, 10, body.length + 2, 1, body.length, ...body);
}

/** @throws {RemoraError} UNSUPPORTED, naming what the engine lacks. */
function requireSimd(): void {
  const lacks = typeof WebAssembly !== "object"
    ? "no WebAssembly"
    : WebAssembly.validate(SIMD_PROBE)
    ? undefined
    : "WebAssembly without SIMD";
  if (lacks === undefined) return;
  throw new RemoraError("UNSUPPORTED", "Cannot run kernels", {
    expected:
      "an engine that has WebAssembly with 128-bit SIMD (browsers since 2021 to 2023, x86 processors with SSE4.1)",
    found: lacks,
  });
}

/**
 * Picks the build: shared memory for more than one thread, relaxed instructions where the engine has them.
 *
 * @throws {RemoraError} UNSUPPORTED when the engine lacks what was asked for.
 */
export async function kernelModule(threads: number, wanted: "auto" | KernelVariant): Promise<KernelModule> {
  const choice = choose(threads, wanted);
  return { ...choice, module: await binaryOf(choice) };
}

/**
 * The build for one thread, at once.
 *
 * @throws {RemoraError} UNSUPPORTED where it must be fetched first, as in a browser.
 */
export function kernelModuleAtOnce(wanted: "auto" | KernelVariant): KernelModule {
  const choice = choose(1, wanted);
  const module = binaryOf(choice);
  if (module instanceof WebAssembly.Module) return { ...choice, module };
  throw new RemoraError("UNSUPPORTED", `Cannot use kernels "${choice.variant}" at once`, {
    expected: "kernels that are compiled already: await probeEngine() first",
    found: "others",
  });
}

/** @throws {RemoraError} UNSUPPORTED for a build that the host's package has not. */
function binaryOf({ shared, variant }: KernelChoice): WebAssembly.Module | Promise<WebAssembly.Module> {
  const module = binaries.kernelBinary(`${shared ? "shared" : "unshared"}_${variant}`);
  if (module) return module;
  throw new RemoraError(
    "UNSUPPORTED",
    `Cannot use kernels "${variant}" for ${shared ? "threads" : "one thread"}`,
    {
      expected: "another choice",
      found: "a host whose package leaves them out",
    },
  );
}

function choose(threads: number, wanted: "auto" | KernelVariant): KernelChoice {
  requireSimd();
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
