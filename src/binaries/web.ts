/**
 * Browsers: files beside the program, fetched and compiled when they are first needed.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { Binaries, KernelBuild } from "./binaries.ts";
import { compileBinary } from "./compile.ts";
import { withMemory } from "./memory_import.ts";

/** Written out, one by one: bundlers copy the files that they find named so. */
const PLACES = {
  unshared_relaxed: new URL("./wasm/unshared_relaxed.wasm", import.meta.url),
  unshared_strict: new URL("./wasm/unshared_strict.wasm", import.meta.url),
  wide: new URL("./wasm/wide.wasm", import.meta.url),
  png: new URL("./wasm/png.wasm", import.meta.url),
  jpeg: new URL("./wasm/jpeg.wasm", import.meta.url),
  webp: new URL("./wasm/webp.wasm", import.meta.url),
};

type Name = keyof typeof PLACES | KernelBuild;

const compiled = new Map<Name, WebAssembly.Module | Promise<WebAssembly.Module>>();

function compile(name: Name): WebAssembly.Module | Promise<WebAssembly.Module> {
  const known = compiled.get(name);
  if (known) return known;
  const module = fetchBytes(name).then(compileBinary);
  compiled.set(name, module);
  module.then((module) => compiled.set(name, module), () => compiled.delete(name));
  return module;
}

async function fetchBytes(name: Name): Promise<BufferSource> {
  if (name === "shared_relaxed") return withMemory(await fetchFile(PLACES.unshared_relaxed), true);
  if (name === "shared_strict") return withMemory(await fetchFile(PLACES.unshared_strict), true);
  return await fetchFile(PLACES[name]);
}

async function fetchFile(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    // Not compiled as it streams: that needs a server that names the type application/wasm.
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new RemoraError("FILE_NOT_FOUND", "Cannot load the kernels", {
      file: url.href,
      expected: "the package's folder wasm beside its program",
      found: cause instanceof Error ? cause.message : `${cause}`,
      cause,
    });
  }
}

/** Browsers'. */
export const binaries: Binaries = {
  kernelBinary: compile,
  codecBinary: async (name) => await compile(name),
  wideBinary: () => fetchFile(PLACES.wide),
};
