/**
 * Node and Bun: files beside the program, read and compiled when they are first needed.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { Binaries } from "./binaries.ts";
import { withMemory } from "./memory_import.ts";

const compiled = new Map<string, WebAssembly.Module>();

function compile(name: string): WebAssembly.Module {
  let module = compiled.get(name);
  if (!module) {
    module = new WebAssembly.Module(bytesOf(name));
    compiled.set(name, module);
  }
  return module;
}

function bytesOf(name: string): Uint8Array<ArrayBuffer> {
  const variant = /^shared_(.*)/.exec(name)?.[1];
  if (variant !== undefined) return withMemory(bytesOf(`unshared_${variant}`), true);
  // A copy: `slice` of Node's buffers makes none.
  return new Uint8Array(readFileSync(new URL(`./wasm/${name}.wasm`, import.meta.url)));
}

/** Node's. */
export const binaries: Binaries = {
  kernelBinary: compile,
  codecBinary: (name) => Promise.resolve(compile(name)),
  wideBinary: () => Promise.resolve(bytesOf("wide")),
};
