/**
 * What the four builds offer and need: the lockstep alone, so that no kernel can be reached but through its command.
 */
import { deepEqual } from "node:assert/strict";
import { kernelModule } from "../../kernels/host/modules.ts";
import { WIDE_FUNCTIONS } from "../../kernels/shared/operations.ts";

const EXPORTS = ["finish", "memory", "prepare", "release", "run", "serve"];

for (const threads of [1, 2]) {
  for (const variant of ["relaxed", "strict"] as const) {
    Deno.test(`the ${variant} build for ${threads} threads exports the lockstep, and imports its memory and wide tiles`, async () => {
      const { module } = await kernelModule(threads, variant);
      deepEqual(WebAssembly.Module.exports(module).map(({ name }) => name).sort(), EXPORTS);
      const imports = WebAssembly.Module.imports(module);
      deepEqual(imports.filter(({ module }) => module === "env"), [
        { module: "env", name: "memory", kind: "memory" },
      ]);
      const tiles = imports.filter(({ module }) => module === "wide").map(({ name }) => name);
      deepEqual(tiles.sort(), variant === "relaxed" ? [...WIDE_FUNCTIONS].sort() : []);
      deepEqual(WebAssembly.Module.customSections(module, "name"), []);
    });
  }
}
