/**
 * Packages are imported by name and version, so that the library resolves from any project; each in one version only.
 */
import { deepEqual } from "node:assert/strict";
import { importsOf, sourcesIn } from "./sources.ts";

Deno.test("every package has its version in its name, and one version everywhere", () => {
  const versions = new Map<string, Set<string>>();
  const bare: string[] = [];
  for (const source of ["src", "kernels/host", "cli", "interfaces"].flatMap(sourcesIn)) {
    for (
      const name of importsOf(source).filter((name) =>
        /^[\w@]/.test(name) && !/^(src|kernels|cli|interfaces)\/|^(mod\.ts|deno\.json)$/.test(name)
      )
    ) {
      const [, of, version] = /^npm:((?:@[^/@]+\/)?[^/@]+)@(\d[^/]*)/.exec(name) ?? [];
      if (of === undefined) {
        if (!name.startsWith("node:")) bare.push(`${source.path} ${name}`);
      } else versions.set(of, (versions.get(of) ?? new Set()).add(version));
    }
  }
  deepEqual(bare, []);
  deepEqual([...versions].filter(([, found]) => found.size > 1), []);
});

/** The committed lock file: a check of types without --lock=tests/deno.lock writes more into the working copy. */
async function committedLock(): Promise<string> {
  const cwd = new URL("../../", import.meta.url);
  const git = new Deno.Command("git", { args: ["show", "HEAD:deno.lock"], cwd, stderr: "null" });
  const { success, stdout } = await git.output().catch(() => ({ success: false, stdout: new Uint8Array() }));
  return success ? new TextDecoder().decode(stdout) : await Deno.readTextFile(new URL("deno.lock", cwd));
}

Deno.test("the lock file holds what the program imports and nothing else: deno run fetches all of it", async () => {
  const { specifiers } = JSON.parse(await committedLock());
  const inDeno = ["src", "kernels/host", "cli"].flatMap(sourcesIn)
    .filter(({ path }) => !/^cli\/(host\/node|node_main)/.test(path));
  const imported = new Set(
    inDeno.flatMap(importsOf).flatMap((name) => /^npm:(?:@[^/]+\/)?[^/]+/.exec(name) ?? []),
  );
  deepEqual(Object.keys(specifiers).filter((name) => !imported.has(name)), []);
});
