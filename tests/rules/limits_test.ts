/**
 * SECURITY.md has every limit with its value: whoever relies on the table relies on the code.
 */
import { deepEqual } from "node:assert/strict";
import * as limits from "../../src/core/limits.ts";

Deno.test("the table of SECURITY.md is src/core/limits.ts", () => {
  const text = Deno.readTextFileSync(new URL("../../SECURITY.md", import.meta.url));
  const rows = [...text.matchAll(/^\| `(\w+)` *\| *([\d,]+) *\|/gm)];
  const listed = rows.map(([, name, value]) => [name, Number(value.replaceAll(",", ""))]);
  deepEqual(listed, Object.entries(limits).sort());
});
