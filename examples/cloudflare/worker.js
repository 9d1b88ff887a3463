import { createHandler, loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";
import { bucketSource, SMALL } from "./bucket.js";

let loading;

async function load(env) {
  const model = env.MODEL ? await loadModel(bucketSource(env.MODEL), SMALL) : await loadModel(source); // the small model that looks at drawn scenes, bundled with the worker
  return createHandler({ remora: model });
}

export default {
  /** OpenAI's and Anthropic's endpoints, and a page at `/`. */
  async fetch(request, env) {
    loading ??= load(env);
    try {
      const handler = await loading;
      return await handler(request);
    } catch (error) {
      loading = undefined;
      return Response.json({ error: { message: error.message, type: "server_error" } }, { status: 503 });
    }
  },
};
