/**
 * Builds the npm packages: `deno task packages [OUT]`, by default into packages/out. Each is a folder that `npm pack` takes as it is.
 *
 * Needs the network once, for the packages that ours are made of (packages/.cache).
 *
 * @module
 */
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import configuration from "../../deno.json" with { type: "json" };
import { writeJavaScript } from "./javascript.ts";
import { libraryManifest } from "./manifest.ts";
import { writeModelPackage } from "./model_package.ts";
import { writeNotices } from "./notices.ts";
import { CACHE, installPackages, sourcePackages } from "./dependencies.ts";
import { ROOT } from "./sources.ts";
import { writeTypes } from "./types.ts";

/** Entries by the names of their files: those of deno.json, and the command line. */
function entriesOf(exports: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(exports).map((
      [name, file],
    ) => [name === "." ? "remora" : name.slice(2), join(ROOT, file)]),
  );
}

if (import.meta.main) {
  const out = resolve(Deno.args[0] ?? `${ROOT}packages/out`), cache = CACHE;
  await installPackages();
  const packages = await sourcePackages();
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
