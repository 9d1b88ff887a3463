/**
 * Builds the npm packages: `deno task packages [OUT]`, by default into packages/out. Each is a folder that `npm pack` takes as it is.
 *
 * Needs the network once, for the packages that ours are made of (packages/.cache).
 *
 * @module
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import configuration from "../../deno.json" with { type: "json" };
import { writeJavaScript } from "./javascript.ts";
import { libraryManifest } from "./manifest.ts";
import { writeModelPackage } from "./model_package.ts";
import { writeNotices } from "./notices.ts";
import { packagesOf, ROOT } from "./sources.ts";
import { writeTypes } from "./types.ts";

/** Sources of the library, whose packages are bundled or depended on. */
const FOLDERS = ["src", "kernels/host", "cli", "interfaces"];

/** Installs what the sources import, and types. */
async function install(folder: string, packages: Record<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const manifest = { private: true, dependencies: { ...packages, "@types/node": "24.10.1" } };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  await writeFile(join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "auto" }));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: folder,
  }).output();
  if (!success) throw new Error(`cannot install packages: ${new TextDecoder().decode(stderr)}`);
}

/** Entries by the names of their files: those of deno.json, and the command line. */
function entriesOf(exports: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(exports).map((
      [name, file],
    ) => [name === "." ? "remora" : name.slice(2), join(ROOT, file)]),
  );
}

if (import.meta.main) {
  const out = resolve(Deno.args[0] ?? `${ROOT}packages/out`), cache = `${ROOT}packages/.cache`;
  const packages = await packagesOf(FOLDERS);
  await install(cache, packages);
  const library = join(out, "remora"), entries = entriesOf(configuration.exports);
  await rm(library, { recursive: true, force: true });
  await writeJavaScript(join(library, "dist"), cache, { ...entries, cli: `${ROOT}cli/node_main.ts` });
  await writeTypes(join(library, "dist"), cache, entries);
  await writeNotices(library, cache, packages);
  const manifest = libraryManifest(configuration, entries, packages);
  await writeFile(join(library, "package.json"), JSON.stringify(manifest, undefined, 2) + "\n");
  for (const file of ["LICENSE", "packages/remora/README.md"]) {
    await Deno.copyFile(ROOT + file, join(library, file.split("/").at(-1)!));
  }
  await writeModelPackage(join(out, "scenes-mllama-int4"), configuration.version);
  console.log(`built ${library} and ${join(out, "scenes-mllama-int4")}`);
}
