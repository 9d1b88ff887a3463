// A server: bun serve.js
import { createHandler, loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";

const handler = createHandler({ remora: await loadModel(source) });
const { url } = Bun.serve({
  port: Number(process.env.PORT ?? 3000),
  hostname: "127.0.0.1",
  idleTimeout: 255,
  fetch: handler,
});
console.error(`serving at ${url}`);
