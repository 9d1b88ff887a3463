/**
 * Optimises every function of every build of the kernels at once, with vectors of 256 bits: what an engine otherwise does function by
 * function while a model runs, and where a fault of its own would end the process. Names each build that is through.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";

// Inlining asks for what the engine's first compiler has counted, and that one is off.
for (const flag of ["experimental-wasm-revectorize", "no-liftoff", "no-wasm-lazy-compilation", "no-wasm-inlining"]) {
  setFlagsFromString(`--${flag}`);
}
const folder = new URL("node_modules/@remora/remora/dist/binaries/wasm/", import.meta.url);
for (const name of readdirSync(folder).sort()) {
  if (!/^(wide|unshared_)/.test(name)) continue;
  new WebAssembly.Module(readFileSync(new URL(name, folder)));
  console.log(name);
}
