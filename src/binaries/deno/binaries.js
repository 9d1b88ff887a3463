// Deno's way to the compiled WebAssembly: source-phase imports, which are part of the module graph, so they need no
// permission. TypeScript cannot parse them yet, hence JavaScript.
import source shared_relaxed from "../../../kernels/wasm/shared_relaxed.wasm";
import source shared_strict from "../../../kernels/wasm/shared_strict.wasm";
import source unshared_relaxed from "../../../kernels/wasm/unshared_relaxed.wasm";
import source unshared_strict from "../../../kernels/wasm/unshared_strict.wasm";
import wide from "../../../kernels/wasm/wide.json" with { type: "json" };
import { inflateBase64 } from "../../core/bytes_as_text.ts";

const kernels = { shared_relaxed, shared_strict, unshared_relaxed, unshared_strict };

/** Loaded with the first picture of their kind. */
const codecs = {
  png: () => import("./png.js"),
  jpeg: () => import("./jpeg.js"),
  webp: () => import("./webp.js"),
};

export const binaries = {
  kernelBinary: (build) => kernels[build],
  codecBinary: async (name) => (await codecs[name]()).default,
  wideBinary: () => inflateBase64(wide),
};
