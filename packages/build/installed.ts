/**
 * The packages as a stranger gets them: built, packed, and installed from their tarballs into a project of its own, with the hosts that
 * run them. Once for all tests; some 500 MB in packages/.cache/hosts.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The project. */
export const PROJECT = `${ROOT}packages/.cache/hosts`;
const TARBALLS = `${ROOT}packages/.cache/tarballs`;
const SOURCES = `${ROOT}tests/packages/hosts`;

/** Runs a command to its end; what it wrote to standard output. */
export async function run(command: string, args: readonly string[], cwd = PROJECT): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`${command} ${args.join(" ")}\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}

let installing: Promise<string[]> | undefined;

/** @returns The tarballs, with the library's first. */
export function installPackages(): Promise<string[]> {
  return installing ??= install();
}

async function install(): Promise<string[]> {
  const out = `${ROOT}packages/out`;
  await run(Deno.execPath(), ["task", "packages", out], ROOT);
  await Deno.remove(TARBALLS, { recursive: true }).catch(() => {});
  await Deno.mkdir(TARBALLS, { recursive: true });
  const tarballs: string[] = [];
  for (const name of ["remora", "scenes-mllama-int4"]) {
    const packed = JSON.parse(
      await run("npm", ["pack", "--json", "--pack-destination", TARBALLS], `${out}/${name}`),
    );
    tarballs.push(`${TARBALLS}/${packed[0].filename}`);
  }
  await Deno.mkdir(PROJECT, { recursive: true });
  for (const { name } of Deno.readDirSync(SOURCES)) {
    await Deno.copyFile(`${SOURCES}/${name}`, `${PROJECT}/${name}`);
  }
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["install", ...quiet]);
  await run("npm", ["install", "--no-save", "--force", ...quiet, ...tarballs]);
  return tarballs;
}
