/** Modules that a file has and nothing asks for. */
import assert from "node:assert/strict";
import { inspectModel, memoryModelSource } from "../../mod.ts";
import { hasShared, sharedPath } from "../shared.ts";

/** Notices about a golden whose config is changed. */
async function noticesOf(golden: string, changes: Record<string, unknown> = {}): Promise<string[]> {
  const folder = sharedPath("goldens", golden), files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (isFile) files.set(name, Deno.readFileSync(`${folder}/${name}`));
  }
  const config = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  files.set("config.json", new TextEncoder().encode(JSON.stringify({ ...config, ...changes })));
  const notices: string[] = [];
  await inspectModel(memoryModelSource(files), { onNotice: (text) => notices.push(text) });
  return notices.filter((text) => text.includes("not used:"));
}

Deno.test({
  name: "layers beyond num_hidden_layers are named in a notice (needs ../shared)",
  ignore: !hasShared,
  fn: async () => {
    const [notice, ...others] = await noticesOf("arch-llama", { num_hidden_layers: 1 });
    // Seven linear modules and two norms of the second layer.
    assert.match(
      notice,
      /^the file has "model\.layers\.1\.\S+" and 8 more modules, which are not used: .*num_hidden_layers/,
    );
    assert.deepEqual(others, []);
  },
});

for (
  const golden of [
    "arch-llama",
    "arch-gemma3-text",
    "ct-actorder",
    "gptq-desc-act",
    "mllama-empty",
    "mllama-gptq-vision",
  ]
) {
  Deno.test({
    name: `${golden}: everything is read, so nothing is said (needs ../shared)`,
    ignore: !hasShared,
    fn: async () => assert.deepEqual(await noticesOf(golden), []),
  });
}
