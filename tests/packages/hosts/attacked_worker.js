// A Worker that is attacked: the handler as a function on the edge has it, answering in pieces from one isolate.
import { createHandler, loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";
import { untilSent } from "./until_sent.js";

const BUDGET = { tokens: 8, promptTokens: 64 };
const LIMITS = { maxQueue: 4, maxBodyBytes: 2 ** 20, page: false };

let handler;

export default {
  async fetch(request, _env, context) {
    handler ??= loadModel(source, { contextSize: 256, kvCache: "int8" }).then((model) =>
      createHandler({ scenes: model }, { budget: BUDGET, stateKey: "k".repeat(32), ...LIMITS })
    );
    context.waitUntil(handler);
    return await untilSent((await handler)(request), context);
  },
};
