import { AutoModelForCausalLM, AutoTokenizer, env } from "@huggingface/transformers";
import { offer } from "./measure.js";

offer(async ({ folder, wasm, threads }) => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = folder;
  env.useBrowserCache = false;
  env.backends.onnx.wasm.wasmPaths = wasm;
  env.backends.onnx.wasm.numThreads = threads;
  const tokenizer = await AutoTokenizer.from_pretrained("model");
  const model = await AutoModelForCausalLM.from_pretrained("model", { dtype: "q4", device: "wasm" });
  return {
    threads: env.backends.onnx.wasm.numThreads,
    async complete(prompt, tokens) {
      const inputs = tokenizer(prompt);
      const counts = { max_new_tokens: tokens, min_new_tokens: tokens, do_sample: false };
      const ids = await model.generate({ ...inputs, ...counts });
      const [promptTokens, all] = [inputs.input_ids.dims[1], ids.dims[1]];
      return { promptTokens, tokens: all - promptTokens };
    },
  };
});
