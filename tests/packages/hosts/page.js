// A page's worker, or the page itself: digests as a message.
import * as library from "@remora/remora";
import { digests } from "./digests.js";

const inWorker = typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope;

async function run(casesUrl) {
  const cases = await (await fetch(casesUrl)).json();
  return await digests(library, cases, {});
}

if (inWorker) {
  onmessage = async ({ data }) => {
    try {
      postMessage({ isolated: crossOriginIsolated, digests: await run(data) });
    } catch (error) {
      postMessage({ error: String(error?.stack ?? error) });
    }
  };
} else globalThis.runHere = run;
