/**
 * What mod.ts exports is what the committed listing says: nothing vanishes or appears by accident.
 */
import { deepEqual } from "node:assert/strict";
import { publicSurface } from "../../tools/public_surface.ts";

Deno.test("the public surface is the one that public_surface.txt lists (deno task surface)", async () => {
  const listed = Deno.readTextFileSync(new URL("public_surface.txt", import.meta.url)).trimEnd().split("\n");
  deepEqual(await publicSurface(), listed);
});
