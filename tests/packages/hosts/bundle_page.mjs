// Bundles page.js for browsers, with the WebAssembly beside it.
import { cpSync } from "node:fs";
import { build } from "esbuild";

await build({
  entryPoints: ["page.js"],
  outdir: "out-page",
  bundle: true,
  format: "esm",
  splitting: true,
  external: ["node:*"],
  logLevel: "warning",
});
cpSync("node_modules/@remora/remora/dist/binaries/wasm", "out-page/wasm", { recursive: true });
