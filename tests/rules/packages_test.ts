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

Deno.test("the lock file holds what the program imports and nothing else: deno run fetches all of it", () => {
  const { specifiers } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.lock", import.meta.url)));
  const imported = new Set(
    ["src", "kernels/host", "cli"].flatMap(sourcesIn).flatMap(importsOf)
      .flatMap((name) => /^npm:(?:@[^/]+\/)?[^/]+/.exec(name) ?? []),
  );
  // A check of types without --lock=tests/deno.lock writes the benchmarks' browser into the working copy.
  imported.add("npm:playwright-core@1.65.1");
  deepEqual(Object.keys(specifiers).filter((name) => !imported.has(name)), []);
});
