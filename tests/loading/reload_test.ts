/** A disposed model is gone: however often one is loaded, asked and disposed, the process does not grow. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inspectModel } from "../../mod.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const PROGRAM = fileURLToPath(new URL("reload_program.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const ROUNDS = 50;
/** By then every module is loaded and the garbage collector has found its pace. */
const SETTLED = 10;
/**
 * Models that may wait for the garbage collector beyond those that did before; ones that leaked would be thirty.
 */
const MODELS_WAITING = 4;

for (const threads of [1, 2]) {
  Deno.test(`loading, asking and disposing a model ${ROUNDS} times leaves memory flat, ${threads} threads`, async () => {
    const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--quiet",
        "--config",
        CONFIG,
        `--allow-read=${SCENES}`,
        PROGRAM,
        SCENES,
        `${threads}`,
        `${ROUNDS}`,
      ],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const resident = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
    assert.equal(resident.length, ROUNDS);
    const { weights, working } = (await inspectModel(SCENES, { threads })).memory;
    const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];
    const grown = median(resident.slice(-SETTLED)) - median(resident.slice(SETTLED, 2 * SETTLED));
    assert.ok(grown < MODELS_WAITING * (weights + working), `${grown} bytes: ${resident}`);
  });
}
