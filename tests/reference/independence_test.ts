/**
 * A reference that shares code with what it checks proves nothing.
 *
 * @module
 */
import { deepStrictEqual, ok } from "node:assert/strict";

const FOLDER = new URL("./", import.meta.url);

Deno.test("references import nothing but each other", () => {
  let files = 0;
  for (const { name } of Deno.readDirSync(FOLDER)) {
    if (name.endsWith("_test.ts")) continue;
    files++;
    const text = Deno.readTextFileSync(new URL(name, FOLDER));
    const imported = [...text.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1]);
    const foreign = imported.filter((path) => !/^\.\/[a-z_]+\.ts$/.test(path));
    deepStrictEqual(foreign, [], name);
  }
  ok(files > 3, "the folder has references");
});
