/**
 * The library as JavaScript for every host: one program, in which `#platform` and `#binaries` stand for the host's own files, and those
 * files (package.json's "imports" chooses).
 *
 * @module
 */
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decode, encode, type SourceMapMappings } from "npm:@jridgewell/sourcemap-codec@1.5.5";
import { build, type BuildOptions, type Plugin } from "npm:esbuild@0.28.2";
import { withMemory } from "../../src/binaries/memory_import.ts";
import { codecFiles, KERNEL_VARIANTS, ROOT } from "./sources.ts";
import wide from "../../kernels/wasm/wide.json" with { type: "json" };
import { inflateBase64 } from "../../src/core/bytes_as_text.ts";

/** Hosts by the names of their files, as package.json's conditions choose them. */
const PLATFORMS = ["node", "web", "workerd", "deno"];

/** Files whose place a host's own take. */
const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/^src\/platform\/current\.ts$/, "#platform"],
  [/^src\/binaries\/current\.js$/, "#binaries"],
  // The command line of the packages is Node's and Bun's.
  [/^cli\/host\/current\.ts$/, `${ROOT}cli/host/node.ts`],
];

/** What stays a package of its own: it needs Node's modules, and so do its users. */
const SEPARATE = /^(prom-client|@hono\/node-server|@ai-sdk\/|@langchain\/)/;

/** Resolves packages named with their versions, and leaves out what the host gives. */
export function hostPlugin(replaced: (path: string) => string | undefined, separate = SEPARATE): Plugin {
  return {
    name: "host",
    setup({ onResolve, resolve }) {
      onResolve({ filter: /^npm:/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
        const [, name, below] = /^npm:((?:@[^/]+\/)?[^/@]+)@[^/]+(.*)$/.exec(path)!;
        if (separate.test(name)) return { path: name + below, external: true };
        return await resolve(name + below, { kind, resolveDir, importer, pluginData });
      });
      onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir }) => {
        const target = join(resolveDir, path);
        if (!target.startsWith(ROOT)) return undefined;
        const other = replaced(target.slice(ROOT.length));
        if (other === undefined) return undefined;
        if (other.startsWith("#")) return { path: other, external: true };
        return { path: other, ...(other.startsWith("inline:") && { namespace: "inline" }) };
      });
    },
  };
}

/** Bundling into modules that name no host. */
export function modules(packages: string) {
  return {
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["browser", "import"],
    external: ["node:*"],
    nodePaths: [join(packages, "node_modules")],
    logLevel: "warning",
  } satisfies BuildOptions;
}

/**
 * Writes the program and the hosts' files.
 *
 * @param packages Folder whose `node_modules` has the packages.
 */
export async function writeJavaScript(
  out: string,
  packages: string,
  entries: Record<string, string>,
): Promise<void> {
  const platforms = PLATFORMS.map((name) => [`platform/${name}`, `${ROOT}src/platform/${name}.ts`]);
  const binaries = ["node", "web"].map((name) => [`binaries/${name}`, `${ROOT}src/binaries/${name}.ts`]);
  await build({
    entryPoints: Object.fromEntries([...Object.entries(entries), ...platforms, ...binaries]),
    outdir: out,
    ...modules(packages),
    splitting: true,
    external: ["node:*", "*.wasm"],
    chunkNames: "shared/[hash]",
    // Names stay, and lines are short: stack traces read well, and maps need no more than a place for each line.
    minifySyntax: true,
    minifyWhitespace: true,
    lineLimit: 120,
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    plugins: [hostPlugin((path) => REPLACED.find(([pattern]) => pattern.test(path))?.[1])],
  });
  for (const path of await readdir(out, { recursive: true })) {
    if (path.endsWith(".map")) await keepLines(join(out, path));
    if (path.endsWith(".js")) await keepAddresses(join(out, path));
  }
  await writeBinaries(join(out, "binaries"), packages);
}

/** Leaves one place a line in a source map: two thirds of its bytes are places within lines. */
async function keepLines(path: string): Promise<void> {
  const map = JSON.parse(await readFile(path, "utf8"));
  const lines = decode(map.mappings).map((line) => line.slice(0, 1).map((segment) => segment.slice(0, 4)));
  const mappings = encode(lines as SourceMapMappings);
  await writeFile(path, JSON.stringify({ version: map.version, sources: map.sources, names: [], mappings }));
}

/** Puts `import.meta.url` into one line, as bundlers look for it; the lines before and after stay where they are. */
async function keepAddresses(path: string): Promise<void> {
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replaceAll(/import\.(\n?)meta\.(\n?)url/g, "$1$2import.meta.url"));
}

/** The WebAssembly, and the file that imports it as modules. */
async function writeBinaries(folder: string, packages: string): Promise<void> {
  const wasm = join(folder, "wasm");
  await mkdir(wasm, { recursive: true });
  for (const variant of KERNEL_VARIANTS) {
    const shared = await readFile(`${ROOT}kernels/wasm/shared_${variant}.wasm`);
    await writeFile(join(wasm, `unshared_${variant}.wasm`), withMemory(shared, false));
  }
  for (const [name, file] of Object.entries(await codecFiles())) {
    await copyFile(join(packages, "node_modules", file), join(wasm, `${name}.wasm`));
  }
  await writeFile(join(wasm, "wide.wasm"), withMemory(await inflateBase64(wide), false));
  await copyFile(`${ROOT}src/binaries/workerd.js`, join(folder, "workerd.js"));
}
