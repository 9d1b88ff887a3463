// Runs a Worker in workerd: in_workerd.mjs WORKER.js PATH [BODY] prints what it answers.
import { readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const [worker, path, body] = process.argv.slice(2);
const OUT = "out-workerd";
const TYPES = { js: "ESModule", wasm: "CompiledWasm", bin: "Data" };

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
const host = new Miniflare({ modules, modulesRoot: OUT, compatibilityDate: "2026-04-01" });
try {
  const headers = { "content-type": "application/json" };
  const answer = await host.dispatchFetch(`http://worker${path}`, body && { method: "POST", headers, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  console.log(text);
} finally {
  await host.dispose();
}
