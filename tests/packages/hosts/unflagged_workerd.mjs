// A Worker without the flag that tells requests when their clients leave: prints what it says of that.
import { startWorkerd } from "./workerd.mjs";

const { host, dispose } = await startWorkerd("attacked_worker.js", {}, { compatibilityFlags: [] });
try {
  const said = await host.dispatchFetch("http://worker/v1/models").then((response) => response.text(), String);
  console.log(JSON.stringify(said));
} finally {
  await dispose();
}
