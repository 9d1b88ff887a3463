/**
 * Where there is no file system (an edge function, a page): the model comes as bytes, one thread answers.
 *
 *   deno run --allow-read=MODEL examples/in_memory.ts MODEL
 *
 * @module
 */
import { loadModel, memoryModelSource } from "../mod.ts";

const files = new Map<string, Uint8Array>();
for (const { name, isFile } of Deno.readDirSync(Deno.args[0])) {
  if (isFile) files.set(name, Deno.readFileSync(`${Deno.args[0]}/${name}`));
}
await using model = await loadModel(memoryModelSource(files), { threads: 1, contextSize: 512 });
console.log((await model.complete({ prompt: "The sea is", maxTokens: 24 })).text);
