/**
 * The handler in one isolate of workerd, as a function on the edge has it, attacked within its budget: forged, cut and replayed states,
 * bodies without end, more requests than may wait, clients that leave. Everything is refused in OpenAI's shape, or answered as before.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { installPackages, PROJECT, run } from "../../packages/build/installed.ts";

const isWanted = Deno.env.has("PACKAGE_HOSTS");
const UNTIL_SENT = fileURLToPath(new URL("../../examples/cloudflare/until_sent.js", import.meta.url));
/** Milliseconds of processor that an idle workerd may take in a second. */
const IDLE_MAX = 50;

interface Answer {
  status: number;
  answer?: string;
  error?: { message: string; type: string; param: string | null; code: string | null };
}

Deno.test({
  name: `workerd, attacked within its budget${isWanted ? "" : " (needs PACKAGE_HOSTS)"}`,
  ignore: !isWanted,
  fn: async () => {
    await installPackages();
    await Deno.copyFile(UNTIL_SENT, `${PROJECT}/until_sent.js`);
    const found = JSON.parse(await run(`${PROJECT}/node_modules/node24/bin/node`, ["attack_workerd.mjs"]));
    const { before, refused, replayed, huge, broken, crowd, beside, idle, after } = found;

    for (const [name, { status, error }] of Object.entries<Answer>(refused)) {
      equal(status, 400, name);
      deepEqual([error!.type, error!.param, error!.code], [
        "invalid_request_error",
        "remora_state",
        "invalid_state",
      ]);
      match(error!.message, /^Cannot go on from 'remora_state': .*\.$/);
    }
    equal(replayed[0].status, 200);
    equal(replayed[0].answer, replayed[1].answer);
    deepEqual([huge.status, huge.error.code], [413, "request_too_large"]);
    deepEqual([broken.status, broken.error.type], [400, "invalid_request_error"]);

    ok(crowd.some(({ status }: Answer) => status === 200));
    for (const { status, error } of crowd) {
      if (status !== 200) deepEqual([status, error.code], [429, "rate_limit_exceeded"]);
    }
    deepEqual(beside, Array(beside.length).fill(200));
    ok(idle <= IDLE_MAX, `${idle} ms of processor in an idle second`);
    deepEqual(after, before);
  },
});
