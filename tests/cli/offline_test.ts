/**
 * A laptop without any network: a namespace of its own (`unshare`) in which not even this machine can be reached.
 */
import { equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { remoraProgram } from "./remora.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const STAND_IN = fileURLToPath(new URL("../fallback/offline_stand_in.ts", import.meta.url));
const UNSHARE = ["--map-root-user", "--net", "--"];

const canUnshare = Deno.build.os === "linux" &&
  await new Deno.Command("unshare", { args: [...UNSHARE, "true"], stderr: "null" }).output()
    .then(({ success }) => success, () => false);

function offlineTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${canUnshare ? "" : " (needs unshare)"}`, ignore: !canUnshare, fn });
}

async function offline(...command: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command("unshare", { args: [...UNSHARE, ...command] })
    .output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

const remora = (...args: string[]) =>
  offline(...remoraProgram(["--no-prompt", "--allow-read", "--allow-net"]), ...args);

offlineTest("what is on disk answers, and a model that is not is named in one line", async () => {
  const { code, stdout, stderr } = await remora("run", SCENES, "Is there a star?", "--max-tokens", "5");
  equal(code, 0, stderr);
  match(stdout, /yes|no/);
  const missing = await remora("run", "nobody/nothing-at-all", "Hello");
  match(missing.stderr, /^remora: .*nobody\/nothing-at-all.*\n$/);
  equal(missing.code === 0, false);
});

offlineTest("the fallback answers with the model, and says which network failed", async () => {
  const { code, stdout, stderr } = await offline(Deno.execPath(), "run", "-A", "--no-check", STAND_IN);
  equal(code, 0, stderr);
  equal(stdout, "200 local name_not_found yes\n200 local connection_refused yes\n");
});
