// workerd (Cloudflare Workers): modules that were compiled when the program was deployed; nothing is compiled at run
// time. One thread, and V8 has relaxed SIMD there.
import jpeg from "./wasm/jpeg.wasm";
import png from "./wasm/png.wasm";
import unshared_relaxed from "./wasm/unshared_relaxed.wasm";
import unshared_strict from "./wasm/unshared_strict.wasm";
import webp from "./wasm/webp.wasm";
import wide from "./wasm/wide.wasm";

const kernels = { unshared_relaxed, unshared_strict };
const codecs = { jpeg, png, webp };

/** workerd's. */
export const binaries = {
  kernelBinary: (build) => kernels[build],
  codecBinary: (name) => Promise.resolve(codecs[name]),
  wideBinary: () => wide,
};
