/**
 * How the kernels run, in words.
 *
 * @module
 */
import process from "node:process";
import type { EngineInfo } from "../mod.ts";
import { host } from "./host/current.ts";
import { note } from "./terminal.ts";

/** "relaxed kernels, 256 bits". */
export function describeEngine({ kernels, vectorBits }: EngineInfo): string {
  return `${kernels} kernels, ${vectorBits} bits`;
}

/** How to get wider vectors, where the processor may have them and the kernels do not use them; else `undefined`. */
export function widening({ kernels, vectorBits }: EngineInfo): string | undefined {
  return kernels === "relaxed" && vectorBits === 128 && process.arch === "x64"
    ? host.widerVectors
    : undefined;
}

/** One line on stderr where the processor may have wider vectors than the kernels use. */
export function noteWidth(engine: EngineInfo): void {
  const how = widening(engine);
  if (how !== undefined) note(`prompts run twice as fast with: ${how} (processors with AVX2)\n`);
}

/** The runtime and its JavaScript engine, such as "Deno 2.9.6, V8 15.0". */
export function runtimeName(): string {
  const { deno, bun, node, v8 } = process.versions;
  // Bun tells a version of V8 too, whose interface it has.
  if (bun) return `Bun ${bun}`;
  return `${deno ? `Deno ${deno}` : `Node ${node}`}, V8 ${v8}`;
}
