// Asks about a picture: node look.js PICTURE QUESTION
import { readFile } from "node:fs/promises";
import { loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";

const [picture, question = picture ? "What is in the picture?" : "What can you do?"] = process.argv.slice(2);
const images = picture ? [new Uint8Array(await readFile(picture))] : [];

const model = await loadModel(source); // or a folder, a URL, the name of a model on the hub
for await (const { text } of model.generate({ messages: [{ role: "user", content: question }], images })) {
  process.stdout.write(text);
}
process.stdout.write("\n");
await model.dispose();
