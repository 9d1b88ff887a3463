import { loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";

const loading = loadModel(source);

loading.then(
  ({ engine }) => postMessage({ ready: `${engine.threads} thread${engine.threads > 1 ? "s" : ""}` }),
  (error) => postMessage({ error: error.message }),
);

onmessage = async ({ data: { question, picture } }) => {
  try {
    const model = await loading;
    const begin = performance.now();
    const request = { messages: [{ role: "user", content: question }], images: [picture] };
    for await (const { text } of model.generate(request)) postMessage({ text });
    postMessage({ done: `answered in ${((performance.now() - begin) / 1000).toFixed(2)} s` });
  } catch (error) {
    postMessage({ error: error.message });
  }
};
