/** A disposed model is gone: however often one is loaded, asked and disposed, the process does not grow. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inspectModel } from "../../mod.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const PROGRAM = fileURLToPath(new URL("reload_program.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const ROUNDS = 50;
/** What the allocators of the process keep for themselves; models that leaked would be thirty. */
const MODELS_KEPT = 4;

for (const threads of [1, 2]) {
  Deno.test(`loading, asking and disposing a model ${ROUNDS} times leaves memory flat, ${threads} threads`, async () => {
    const { weights, working } = (await inspectModel(SCENES, { threads })).memory;
    const mayStay = MODELS_KEPT * (weights + working);
    const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--quiet",
        "--v8-flags=--expose-gc",
        "--config",
        CONFIG,
        `--allow-read=${SCENES}`,
        PROGRAM,
        SCENES,
        `${threads}`,
        `${ROUNDS}`,
        `${mayStay}`,
      ],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const { grown, resident } = JSON.parse(new TextDecoder().decode(stdout));
    assert.ok(grown < mayStay, `${grown} bytes: ${resident}`);
  });
}
