// Asks a Worker: in_workerd.mjs WORKER.js PATH [BODY] prints what it answers.
import { startWorkerd } from "./workerd.mjs";

const [worker, path, body] = process.argv.slice(2);
const { host, dispose } = await startWorkerd(worker);
try {
  const headers = { "content-type": "application/json" };
  const answer = await host.dispatchFetch(`http://worker${path}`, body && { method: "POST", headers, body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  console.log(text);
} finally {
  await dispose();
}
