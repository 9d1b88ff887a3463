/**
 * Models of repositories that were cloned without Git LFS.
 */
import { loadModel, memoryModelSource } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";

/** As the specification of Git LFS shows it. */
const POINTER = new TextEncoder().encode(
  "version https://git-lfs.github.com/spec/v1\n" +
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n" +
    "size 12345\n",
);

function filesOf(golden: string): Map<string, Uint8Array> {
  const path = goldenPath(golden), files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(path)) files.set(name, Deno.readFileSync(`${path}/${name}`));
  return files;
}

for (
  const [golden, name] of [["arch-llama", "model.safetensors"], ["arch-llama", "tokenizer.json"], [
    "gguf-q4_0",
  ]]
) {
  Deno.test(`${name ?? golden} that is only noted is told with what fetches it`, async () => {
    const files = filesOf(golden);
    const noted = name ?? [...files.keys()].find((file) => file.endsWith(".gguf"))!;
    files.set(noted, POINTER);
    const load = () => loadModel(memoryModelSource(files), { threads: 1 });
    await assertRefused(load, "BAD_FILE", noted, "12345 bytes", "git lfs pull");
  });
}
