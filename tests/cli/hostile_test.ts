/** Malformed checkpoints through the command line: what hostile/manifest.json demands of each. */
import assert from "node:assert/strict";
import { hasShared, sharedPath } from "../shared.ts";
import { remora } from "./remora.ts";

interface Case {
  id: string;
  must: "refuse" | "run" | "refuse or run";
  error_names: string[];
  max_seconds: number;
  command?: string[];
  path: string;
}

const FOLDER = hasShared ? sharedPath("goldens", "hostile") : "";
const CASES: Case[] = hasShared
  ? JSON.parse(Deno.readTextFileSync(`${FOLDER}/manifest.json`)).cases.filter(({ command }: Case) => command)
  : [{ id: "manifest", must: "run", error_names: [], max_seconds: 0, path: "" }];

for (const { id, must, error_names, max_seconds, command, path } of CASES) {
  Deno.test({
    name: `hostile ${id}: ${must} (needs ../shared)`,
    ignore: !hasShared,
    async fn() {
      const { code, stdout, stderr, seconds } = await remora(command!, { cwd: FOLDER, allowRead: path });
      assert.ok(seconds <= max_seconds, `${seconds} s`);
      if (must === "run" || (must === "refuse or run" && code === 0)) {
        assert.equal(code, 0, stderr);
        assert.notEqual(stdout, "");
        return;
      }
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^remora: [^\n]+\n$/);
      // GGUF files are refused as a format, before anything in them is named.
      const names = path.endsWith(".gguf") ? [path] : error_names;
      for (const name of names) assert.ok(stderr.includes(name), `${name} in: ${stderr}`);
      assert.ok(!stderr.includes("unexpected"), stderr);
    },
  });
}
