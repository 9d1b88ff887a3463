// Asks a Worker: in_workerd.mjs WORKER.js PATH [BODY [FOLDER]] prints what it answers. The folder's files lie in a bucket named MODEL.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { startWorkerd } from "./workerd.mjs";

const [worker, path, body, folder] = process.argv.slice(2);
const { host, dispose } = await startWorkerd(worker, {}, folder && { r2Buckets: ["MODEL"] });
try {
  const bucket = folder && await host.getR2Bucket("MODEL");
  for (const name of folder ? readdirSync(folder) : []) {
    const file = join(folder, name);
    if (statSync(file).isFile()) await bucket.put(name, readFileSync(file));
  }
  const headers = { "content-type": "application/json" };
  const answer = await host.dispatchFetch(`http://worker${path}`, body && { method: "POST", headers, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  console.log(text);
} finally {
  await dispose();
}
