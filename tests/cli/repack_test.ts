/** `remora repack` and `run --cache`, with no more permissions than they name. */
import assert from "node:assert/strict";
import { hasPermissions, remora } from "./remora.ts";
import { fileURLToPath } from "node:url";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const ASK = ["--raw", "There is", "-n", "4", "-t", "1"];

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("repack writes a file that run --cache-file reads, with the same answer", () =>
  withFolder(async (folder) => {
    const file = `${folder}/w`;
    const permissions = { allowRead: `${SCENES},${file}`, allowWrite: file };
    const plain = await remora(["run", SCENES, ...ASK], permissions);
    const packed = await remora(["repack", SCENES, "-o", file, "--json"], permissions);
    assert.equal(packed.stderr, "");
    assert.deepEqual(JSON.parse(packed.stdout), { model: SCENES, file, bytes: Deno.statSync(file).size });
    const cached = await remora(["run", SCENES, ...ASK, "--cache-file", file], permissions);
    assert.deepEqual([cached.code, cached.stderr, cached.stdout], [0, "", plain.stdout]);
    const other = await remora(["run", SCENES, ...ASK, "--cache-file", file, "--dense", "f16"], permissions);
    assert.deepEqual([other.code, other.stdout], [1, ""]);
    assert.match(other.stderr, /^remora: Cannot use ".*\/w": expected weights of this checkpoint[^\n]*\n$/);
  }));

Deno.test(
  "what may not be written costs one line, or is refused by name",
  { ignore: !hasPermissions },
  () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      Deno.mkdirSync(model);
      for (const { name, isFile } of Deno.readDirSync(SCENES)) {
        // Somebody may have repacked it.
        if (isFile && name !== "repacked.remora") Deno.copyFileSync(`${SCENES}/${name}`, `${model}/${name}`);
      }
      const run = await remora(["run", model, ...ASK, "--cache"], { allowRead: model });
      assert.equal(run.code, 0);
      assert.match(run.stderr, /^remora: Cannot write ".*repacked\.remora": [^\n]*--allow-write=[^\n]*\n$/);
      const repack = await remora(["repack", SCENES, "-o", `${folder}/w`], { allowRead: SCENES });
      assert.equal(repack.code, 1);
      assert.match(repack.stderr, /^remora: Cannot write ".*\/w": [^\n]*--allow-write=[^\n]*\n$/);
    }),
);
