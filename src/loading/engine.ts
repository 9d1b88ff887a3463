/**
 * What computes a model: threads, kernels, and how wide their vectors are.
 *
 * @module
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import type { Platform } from "../platform/platform.ts";

/** What the kernels are on this machine. No result depends on it. */
export interface EngineInfo {
  /** SIMD instructions: relaxed ones where the engine has them. */
  kernels: "relaxed" | "strict";
  /**
   * Bits of the vectors of products of many rows, found by timing: 256 where V8 pairs instructions
   * (`--v8-flags=--experimental-wasm-revectorize` on x86 with AVX2), else 128.
   */
  vectorBits: 128 | 256;
}

/** See `probeEngine` in mod.ts. */
export async function probeEngine(platform: Pick<Platform, "widenVectors">): Promise<EngineInfo> {
  platform.widenVectors?.();
  const all = await Kernels.start({ threads: 1, variant: "auto" });
  const [kernels] = all;
  try {
    Kernels.chooseForm(all);
    return { kernels: kernels.variant, vectorBits: kernels.vectorBits };
  } finally {
    await kernels.close();
  }
}
