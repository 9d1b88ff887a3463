/**
 * What the four builds offer and need: the lockstep alone, so that no kernel can be reached but through its command.
 */
import { deepEqual } from "node:assert/strict";
import { kernelModule } from "../../kernels/host/modules.ts";

const EXPORTS = ["memory", "prepare", "probeDots", "release", "run", "serve"];

for (const threads of [1, 2]) {
  for (const variant of ["relaxed", "strict"] as const) {
    Deno.test(`the ${variant} build for ${threads} threads exports the lockstep, and imports its memory`, () => {
      const { module } = kernelModule(threads, variant);
      deepEqual(WebAssembly.Module.exports(module).map(({ name }) => name).sort(), EXPORTS);
      deepEqual(WebAssembly.Module.imports(module), [{ module: "env", name: "memory", kind: "memory" }]);
      deepEqual(WebAssembly.Module.customSections(module, "name"), []);
    });
  }
}
