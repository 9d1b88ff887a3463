/**
 * A reference that shares code, a constant or a layout with what it judges would share its mistakes.
 */
import { deepEqual, ok } from "node:assert/strict";

Deno.test("the references import nothing but each other", async () => {
  const here = new URL(".", import.meta.url);
  const foreign: string[] = [];
  let files = 0;
  for await (const { name } of Deno.readDir(here)) {
    if (!name.endsWith(".ts") || name.endsWith("_test.ts")) continue;
    files++;
    const text = await Deno.readTextFile(new URL(name, here));
    for (const [, from] of text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g)) {
      if (!/^\.\/[a-z_0-9]+\.ts$/.test(from)) foreign.push(`${name}: ${from}`);
    }
  }
  ok(files >= 7, `${files} references found`);
  deepEqual(foreign, []);
});
