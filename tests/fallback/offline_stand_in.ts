/**
 * A program with the fallback in it, for a machine without a network: prints who answered and why.
 *
 * @module
 */
import { createFallback, loadModel } from "../../mod.ts";
import { SCENES } from "../server/serving.ts";
import { CHAT, chat } from "./proxying.ts";

for (const upstream of ["http://vllm.example:8000", "http://192.0.2.1:8000"]) {
  await using handler = createFallback({
    upstreams: [upstream],
    model: () => loadModel(SCENES, { threads: 1 }),
  });
  const headers = { "content-type": "application/json" };
  const response = await handler(
    new Request(`http://proxy${CHAT}`, { method: "POST", headers, body: chat() }),
  );
  const marks = ["served-by", "fallback-reason"].map((name) => response.headers.get(`x-remora-${name}`));
  console.log([response.status, ...marks, (await response.json()).choices[0].message.content].join(" "));
}
