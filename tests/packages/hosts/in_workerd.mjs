// Runs worker.js in workerd: in_workerd.mjs CASES_URL prints what it answers.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const OUT = "out-workerd";
const TYPES = { js: "ESModule", wasm: "CompiledWasm", bin: "Data" };

await build({
  entryPoints: ["worker.js"],
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
modules.sort((a) => (a.path.endsWith("worker.js") ? -1 : 1));
const host = new Miniflare({ modules, modulesRoot: OUT, compatibilityDate: "2026-04-01" });
try {
  const query = `cases=${encodeURIComponent(process.argv[2])}`;
  const answer = await host.dispatchFetch(`http://worker/?${query}`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  console.log(text);
} finally {
  await host.dispose();
}
