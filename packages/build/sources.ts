/**
 * What the packages are made of.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The repository, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Variants of the kernels: a file each, made for shared memory or not (src/binaries/memory_import.ts). */
export const KERNEL_VARIANTS = ["relaxed", "strict"];

/** Packages with their versions, as the sources name them. */
export async function packagesOf(folders: readonly string[]): Promise<Record<string, string>> {
  const packages: Record<string, string> = {};
  for (const folder of folders.filter((folder) => existsSync(ROOT + folder))) {
    for (const path of await readdir(ROOT + folder, { recursive: true })) {
      if (!/\.[tj]s$/.test(path)) continue;
      const text = await readFile(`${ROOT}${folder}/${path}`, "utf8");
      for (const [, name, version] of text.matchAll(/"npm:((?:@[^/"]+\/)?[^/@"]+)@([^/"]+)/g)) {
        packages[name] = version;
      }
    }
  }
  return packages;
}

/** The decoders' WebAssembly, in the folders of their packages. */
export async function codecFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of ["png", "jpeg", "webp"]) {
    const text = await readFile(`${ROOT}src/binaries/deno/${name}.js`, "utf8");
    const [, of, below] = /"npm:(@[^/]+\/[^@/]+)@[^/]+(\/[^"]+)"/.exec(text)!;
    files[name] = of + below;
  }
  return files;
}
