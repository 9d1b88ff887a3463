// A Worker in workerd, bundled as wrangler does: WebAssembly and .bin files are modules.
import { readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const OUT = "out-workerd";
const TYPES = { js: "ESModule", wasm: "CompiledWasm", bin: "Data" };

export async function startWorkerd(worker, bindings = {}, options = {}) {
  rmSync(OUT, { recursive: true, force: true });
  await build({
    entryPoints: [worker],
    outdir: OUT,
    bundle: true,
    format: "esm",
    conditions: ["workerd"],
    external: ["node:*"],
    loader: { ".wasm": "copy", ".bin": "copy" },
    logLevel: "warning",
  });
  const modules = readdirSync(OUT).map((name) => ({
    type: TYPES[name.split(".").at(-1)],
    path: join(OUT, name),
  }));
  modules.sort((a) => (a.path.endsWith(basename(worker)) ? -1 : 1));
  const host = new Miniflare({ modules, modulesRoot: OUT, compatibilityDate: "2026-04-01", compatibilityFlags: ["enable_request_signal"], bindings, ...options });
  await host.ready;
  return { host, dispose: () => host.dispose() };
}
