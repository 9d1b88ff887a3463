/**
 * The packages that the sources import, installed where bundlers look.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { packagesOf, ROOT } from "./sources.ts";

/** The folder with `node_modules`. */
export const CACHE = `${ROOT}packages/.cache`;

/** Sources of the library, whose packages are bundled or depended on. */
const FOLDERS = ["src", "kernels/host", "cli", "interfaces"];

/** Packages with their versions. */
export async function sourcePackages(): Promise<Record<string, string>> {
  return await packagesOf(FOLDERS);
}

/** Installs what the sources import, and types; {@linkcode CACHE}. */
export async function installPackages(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const dependencies = { ...await sourcePackages(), "@types/node": "24.10.1" };
  await writeFile(join(CACHE, "package.json"), JSON.stringify({ private: true, dependencies }));
  await writeFile(join(CACHE, "deno.json"), JSON.stringify({ nodeModulesDir: "auto" }));
  const command = new Deno.Command(Deno.execPath(), { args: ["install", "--quiet"], cwd: CACHE });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`cannot install packages: ${new TextDecoder().decode(stderr)}`);
  return CACHE;
}
