/**
 * Folders that hold a model or a tokenizer in a form that is not read.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";

const GOLDEN = goldenPath("arch-llama");

function filesWith(more: string[], without: string[] = []): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(GOLDEN)) {
    if (!without.includes(name)) files.set(name, Deno.readFileSync(`${GOLDEN}/${name}`));
  }
  for (const name of more) files.set(name, new TextEncoder().encode("{}"));
  return files;
}

const load = (files: Map<string, Uint8Array>, onNotice?: (text: string) => void) =>
  loadModel(memoryModelSource(files), { threads: 1, onNotice });

Deno.test("where config.json is missing, what is there instead is said", async () => {
  const adapter = filesWith(["adapter_config.json"], ["config.json"]);
  await assertRefused(() => load(adapter), "FILE_NOT_FOUND", "config.json", "LoRA adapter", "merge");
  const own = filesWith(["params.json"], ["config.json"]);
  await assertRefused(() => load(own), "FILE_NOT_FOUND", "config.json", "params.json", "transformers");
  await assertRefused(() => load(filesWith([], ["config.json"])), "FILE_NOT_FOUND", "none in memory");
});

Deno.test("where tokenizer.json is missing, what is there instead is said", async () => {
  for (const name of ["tokenizer.model", "vocab.json", "tekken.json"]) {
    await using model = await load(filesWith([name], ["tokenizer.json"]));
    await assertRefused(() => model.tokenizer, "FILE_NOT_FOUND", "tokenizer.json", name, "save_pretrained");
  }
});

Deno.test("an adapter beside a model is told not to be used", async () => {
  const notices: string[] = [];
  await using _model = await load(filesWith(["adapter_config.json"]), (text) => notices.push(text));
  assert.equal(notices.length, 1);
  assert.match(notices[0], /adapter_config\.json.*not used/);
});
