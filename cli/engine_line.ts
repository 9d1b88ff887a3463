/**
 * How the kernels run, in words.
 *
 * @module
 */
import type { EngineInfo } from "../mod.ts";
import { note } from "./terminal.ts";

/** "relaxed kernels, 256 bits". */
export function describeEngine({ kernels, vectorBits }: EngineInfo): string {
  return `${kernels} kernels, ${vectorBits} bits`;
}

/** One line on stderr where the processor may have wider vectors than the kernels use. */
export function noteWidth({ kernels, vectorBits }: EngineInfo): void {
  if (kernels !== "relaxed" || vectorBits === 256 || Deno.build.arch !== "x86_64") return;
  note(
    "prompts run twice as fast with: deno run --v8-flags=--experimental-wasm-revectorize (processors with AVX2)\n",
  );
}
