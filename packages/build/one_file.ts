/**
 * One JavaScript file with the library, its kernels and a small model inside, for functions that take a single file and may compile
 * WebAssembly (Deno Deploy, Supabase, Netlify): `deno task one-file [MODEL [OUT]]`.
 *
 * The file exports `loadModel()`, which loads the model inside, `createHandler` and a default export with `fetch`, which `deno serve`
 * and others take. Workers of Cloudflare compile nothing; they take the npm package (examples/cloudflare).
 *
 * @module
 */
import { deflateRawSync } from "node:zlib";
import { basename, join, resolve } from "node:path";
import { build, type Plugin } from "npm:esbuild@0.28.2";
import wide from "../../kernels/wasm/wide.json" with { type: "json" };
import { withMemory } from "../../src/binaries/memory_import.ts";
import { installPackages } from "./dependencies.ts";
import { hostPlugin, modules } from "./javascript.ts";
import { codecFiles, ROOT } from "./sources.ts";

const MODEL = `${ROOT}models/scenes-mllama-int4`;
/** What functions take is 10 to 50 MB; larger models are fetched. */
const MODEL_BYTES_MAX = 32 << 20;

/** Text that `inflateBase64` turns into the bytes again. */
function packed(bytes: Uint8Array): string {
  return JSON.stringify(deflateRawSync(bytes, { level: 9 }).toString("base64"));
}

/** The WebAssembly as a module; a host without threads needs no shared memory, and all have relaxed SIMD. */
async function binariesModule(packages: string): Promise<string> {
  const files: string[] = [];
  const add = (name: string, bytes: Uint8Array) => files.push(`  ${name}: ${packed(bytes)},\n`);
  add("unshared_relaxed", withMemory(await Deno.readFile(`${ROOT}kernels/wasm/shared_relaxed.wasm`), false));
  for (const [name, file] of Object.entries(await codecFiles())) {
    add(name, await Deno.readFile(join(packages, "node_modules", file)));
  }
  files.push(`  wide: ${JSON.stringify(wide)},\n`);
  return `import { inflateBase64 } from "./src/core/bytes_as_text.ts";
const FILES = {\n${files.join("")}};
const compiled = new Map();
function compile(name) {
  if (!(name in FILES)) return undefined;
  let module = compiled.get(name);
  if (!module) compiled.set(name, module = inflateBase64(FILES[name]).then((bytes) => WebAssembly.compile(bytes)));
  return module;
}
const wideBinary = () => inflateBase64(FILES.wide);
export const binaries = { kernelBinary: compile, codecBinary: compile, wideBinary };
`;
}

/** @throws {Error} For a model that is too large. */
function entry(model: string): string {
  const files: string[] = [];
  let total = 0;
  for (const { name, isFile } of Deno.readDirSync(model)) {
    if (!isFile || /\\.md$|^repacked\\.remora$/.test(name)) continue;
    const bytes = Deno.readFileSync(join(model, name));
    total += bytes.length;
    files.push(`  ${JSON.stringify(name)}: ${packed(bytes)},\n`);
  }
  if (total > MODEL_BYTES_MAX) {
    throw new Error(
      `${model} has ${total} bytes; one file holds at most ${MODEL_BYTES_MAX}: fetch the model instead`,
    );
  }
  const name = JSON.stringify(basename(resolve(model)));
  return `import { createHandler, loadModel as load, memoryModelSource } from "./mod.ts";
import { inflateBase64 } from "./src/core/bytes_as_text.ts";
export * from "./mod.ts";
const FILES = {\n${files.join("")}};
/** Loads the model in this file. */
export async function loadModel(options) {
  const files = await Promise.all(Object.entries(FILES).map(async ([name, text]) => [name, await inflateBase64(text)]));
  return await load(memoryModelSource(new Map(files)), options);
}
let handler;
export default {
  async fetch(request) {
    handler ??= createHandler({ [${name}]: await loadModel() });
    return await handler(request);
  },
};
`;
}

function inlinePlugin(modules: Readonly<Record<string, string>>): Plugin {
  return {
    name: "inline",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^inline:/ }, ({ path }) => ({ path, namespace: "inline" }));
      onLoad(
        { filter: /.*/, namespace: "inline" },
        ({ path }) => ({ contents: modules[path], resolveDir: ROOT }),
      );
    },
  };
}

/** What is bundled for hosts that follow the web's standards. */
const REPLACED: Readonly<Record<string, string>> = {
  "src/platform/current.ts": `${ROOT}src/platform/web.ts`,
  "src/binaries/current.js": "inline:binaries",
};

if (import.meta.main) {
  const [model = MODEL, out = "remora.js"] = Deno.args;
  const packages = await installPackages();
  const inlined = { "inline:binaries": await binariesModule(packages) };
  await build({
    stdin: { contents: entry(model), resolveDir: ROOT, sourcefile: "one_file.js" },
    outfile: out,
    ...modules(packages),
    minify: true,
    plugins: [inlinePlugin(inlined), hostPlugin((path) => REPLACED[path])],
  });
  const { size } = await Deno.stat(out);
  console.log(`wrote ${out}, ${(size / 1e6).toFixed(1)} MB`);
}
