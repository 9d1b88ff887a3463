/** Malformed checkpoints through the command line: what hostile/manifest.json demands of each. */
import assert from "node:assert/strict";
import { caseList, hasShared, sharedPath } from "../shared.ts";
import { remora } from "./remora.ts";

interface Case {
  id: string;
  must: "refuse" | "run" | "refuse or run";
  error_names: string[];
  max_seconds: number;
  max_extra_mb: number;
  kind: string;
  command?: string[];
  path: string;
}

const FOLDER = hasShared ? sharedPath("goldens", "hostile") : "";
const CASES: Case[] = caseList("hostile", "goldens", "hostile", "manifest.json").cases;
/** Memory of a process that does nothing. */
const IDLE_MEGABYTES = hasShared ? (await remora(["--version"])).peakMegabytes : 0;

for (const { id, kind, must, error_names, max_seconds, max_extra_mb, command, path } of CASES) {
  const args = kind === "image" ? ["run", "-m", "valid", "-p", "hello", "--image", path] : command!;
  const allowRead = kind === "image" ? `valid,${path}` : path;
  Deno.test({
    name: `hostile ${id}: ${must} (needs ../shared)`,
    ignore: !hasShared,
    async fn() {
      const { code, stdout, stderr, seconds, peakMegabytes } = await remora(args, { cwd: FOLDER, allowRead });
      assert.ok(seconds <= max_seconds, `${seconds} s`);
      assert.ok(peakMegabytes - IDLE_MEGABYTES <= max_extra_mb, `${peakMegabytes} MB`);
      if (must === "run" || (must === "refuse or run" && code === 0)) {
        assert.equal(code, 0, stderr);
        assert.notEqual(stdout, "");
        return;
      }
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^remora: [^\n]+\n$/);
      for (const name of error_names) assert.ok(stderr.includes(name), `${name} in: ${stderr}`);
      assert.ok(!stderr.includes("unexpected"), stderr);
    },
  });
}
