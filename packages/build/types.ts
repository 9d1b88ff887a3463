/**
 * The library's types as declarations for TypeScript everywhere: one file for each entry.
 *
 * @module
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rolldown } from "npm:rolldown@1.3.3";
import { dts } from "npm:rolldown-plugin-dts@0.23.2";
import ts from "npm:typescript@5.9.3";
import { ROOT } from "./sources.ts";

/** What declarations are made of; the version is in deno.json. */
const SOURCES = ["src", "kernels/host", "kernels/shared", "interfaces", "deno.json"];
/** What TypeScript cannot read as it is: texts, imported with an attribute. */
const TEXTS = `declare module "*.html" { const text: string; export default text; }
declare module "*.css" { const text: string; export default text; }
`;

/**
 * Writes `NAME.d.ts` into `out` for each entry.
 *
 * @param packages Folder whose `node_modules` has the packages; a folder `types` is made and deleted there.
 * @throws {Error} With TypeScript's messages, where the sources are not what it understands.
 */
export async function writeTypes(
  out: string,
  packages: string,
  entries: Readonly<Record<string, string>>,
): Promise<void> {
  const stage = join(packages, "types");
  await rm(stage, { recursive: true, force: true });
  const files = Object.values(entries).map((entry) => entry.slice(ROOT.length));
  for (const path of [...SOURCES, ...files]) {
    await cp(ROOT + path, join(stage, "in", path), { recursive: true });
  }
  await writeFile(join(stage, "in", "texts.d.ts"), TEXTS);
  await adapt(join(stage, "in"));
  declare(files.map((file) => join(stage, "in", file)), join(stage, "in", "texts.d.ts"), join(stage, "out"));
  await mkdir(out, { recursive: true });
  const bundle = await rolldown({
    input: Object.fromEntries(
      Object.keys(entries).map((name, i) => [name, join(stage, "out", files[i].replace(/\.ts$/, ".d.ts"))]),
    ),
    external: [/^[^./]/],
    plugins: [dts({ dtsInput: true })],
  });
  await bundle.write({ dir: out, format: "es", chunkFileNames: "types.d.ts" });
  await rm(stage, { recursive: true, force: true });
}

/** Packages by their plain names; the platform is Node's, whose types everybody has. */
async function adapt(folder: string): Promise<void> {
  for (const path of await readdir(folder, { recursive: true })) {
    if (!path.endsWith(".ts") || path.endsWith(".d.ts")) continue;
    const text = await readFile(join(folder, path), "utf8");
    const adapted = text.replace(/"npm:((?:@[^/"]+\/)?[^/@"]+)@[^/"]+/g, '"$1')
      .replace(/^import (\w+) from "(\.\/[\w.]+\.js)" with \{ type: "text" \};/gm, 'const $1 = "";');
    if (adapted !== text) await writeFile(join(folder, path), adapted);
  }
  await cp(join(folder, "src/platform/node.ts"), join(folder, "src/platform/current.ts"));
}

function declare(files: readonly string[], texts: string, out: string): void {
  const program = ts.createProgram([...files, texts], {
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
    types: ["node"],
    typeRoots: [join(out, "../../node_modules/@types")],
    strict: true,
    declaration: true,
    emitDeclarationOnly: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    rootDir: join(out, "../in"),
    outDir: out,
  });
  const wrong = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  if (wrong.length === 0) return;
  const host = {
    getCanonicalFileName: (name: string) => name,
    getCurrentDirectory: () => out,
    getNewLine: () => "\n",
  };
  throw new Error(ts.formatDiagnostics(wrong, host));
}
