/**
 * Compiling WebAssembly where it may be forbidden.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";

/** @throws {RemoraError} UNSUPPORTED where the engine does not compile it or its surroundings do not let it. */
export async function compileBinary(bytes: BufferSource): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new RemoraError("UNSUPPORTED", "Cannot compile the kernels", {
      expected: "WebAssembly to be allowed (in a page: 'wasm-unsafe-eval' in its Content-Security-Policy)",
      found: cause instanceof Error ? cause.message : `${cause}`,
      cause,
    });
  }
}
