import { Wllama } from "@wllama/wllama";
import { offer } from "./measure.js";

const silent = { debug() {}, log() {}, warn() {}, error: console.error };

offer(async ({ model, wasm, threads }) => {
  const blob = await (await fetch(model)).blob();
  const wllama = new Wllama({ default: `${wasm}wllama.wasm` }, { logger: silent });
  const sizes = { n_ctx: 1024, n_batch: 512, n_ubatch: 512, n_parallel: 1 };
  await wllama.loadModel([blob], { ...sizes, n_threads: threads, n_gpu_layers: 0 });
  const greedy = { temperature: 0, top_k: 1, samplers: ["top_k"], ignore_eos: true };
  return {
    threads: wllama.getNumThreads(),
    async complete(prompt, tokens) {
      const counts = { max_tokens: tokens, n_predict: tokens };
      const rest = { cache_prompt: false, stream: false };
      const { timings } = await wllama.createCompletion({ prompt, ...counts, ...greedy, ...rest });
      return { promptTokens: timings.prompt_n, tokens: timings.predicted_n };
    },
  };
});
