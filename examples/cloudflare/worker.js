import { createHandler, loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";
import { bucketSource } from "./bucket.js";
import { SMALL } from "./small.js";
import { untilSent } from "./until_sent.js";

/** Bodies are held whole: of 128 MB a model leaves little. */
const LIMITS = { maxQueue: 8, maxBodyBytes: 1 << 20 };

let loading;

async function load(env) {
  const model = env.MODEL ? await loadModel(bucketSource(env.MODEL), SMALL) : await loadModel(source); // the small model that looks at drawn scenes, bundled with the worker
  return createHandler({ remora: model }, LIMITS);
}

export default {
  /** OpenAI's and Anthropic's endpoints, and a page at `/`. */
  async fetch(request, env, context) {
    loading ??= load(env);
    try {
      // Whoever asked first may leave meanwhile; the others wait for the same model.
      context.waitUntil(loading.catch(() => {}));
      const handler = await loading;
      return await untilSent(handler(request), context);
    } catch (error) {
      loading = undefined;
      return Response.json({ error: { message: error.message, type: "server_error" } }, { status: 503 });
    }
  },
};
