import { loadModel } from "@remora/remora";
import { offer } from "./measure.js";

offer(async ({ model }) => {
  const loaded = await loadModel(model, { contextSize: 1024 });
  return {
    threads: loaded.engine.threads,
    async complete(prompt, maxTokens) {
      const { usage } = await loaded.complete({ prompt, maxTokens, temperature: 0 });
      return { promptTokens: usage.promptTokens, tokens: usage.completionTokens };
    },
  };
});
