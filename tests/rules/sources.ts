/**
 * The library's sources, for tests that hold rules over all of them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { withoutComments } from "../../tools/code_figures.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A source file. */
export interface Source {
  /** From the repository's root, such as `src/core/errors.ts`. */
  path: string;
  text: string;
}

/** The TypeScript and JavaScript files of a folder, those below it included. */
export function sourcesIn(folder: string): Source[] {
  return [...Deno.readDirSync(ROOT + folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return sourcesIn(path);
    return /\.(ts|js)$/.test(name) ? [{ path, text: Deno.readTextFileSync(ROOT + path) }] : [];
  });
}

/** What a file takes by name from others of the repository, as `PATH NAME`; `PATH *` for one that it takes whole. */
export function takenBy(source: Source): string[] {
  const text = withoutComments(source.text);
  const named = /\b(?:import|export)\b[^"';]*?\{([^}]*)\}\s*from\s+"(\.[^"]+)"/g;
  const whole = /\b(?:\*(?:\s+as\s+\w+)?\s+from\s+|import\s*\(\s*)"(\.[^"]+)"/g;
  const pathOf = (name: string) => new URL(name, `file:///${source.path}`).pathname.slice(1);
  return [
    ...[...text.matchAll(named)].flatMap(([, names, from]) =>
      names.split(",").map((name) => `${pathOf(from)} ${name.replace(/^\s*(type\s+)?/, "").split(/\s/)[0]}`)
    ),
    ...[...text.matchAll(whole)].map(([, from]) => `${pathOf(from)} *`),
  ];
}

/** What a file imports and re-exports, as paths from the root; packages and runtime modules as they are written. Not the
 * examples in comments. */
export function importsOf({ path, text }: Source): string[] {
  const pattern = /\b(?:import|export)\b[^"';]*?from\s+"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"/g;
  return [...withoutComments(text).matchAll(pattern)].map(([, from, alone]) => from ?? alone).map((name) =>
    name.startsWith(".") ? new URL(name, `file:///${path}`).pathname.slice(1) : name
  );
}
