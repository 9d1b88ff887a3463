// A Worker that is measured: /empty does nothing, /load loads, /answer answers, with what its memories take.
import { memoryBytes } from "./count_memories.js";
import { loadModel } from "@remora/remora";

let model;

export default {
  async fetch(request, { MODEL, OPTIONS }) {
    const { pathname, searchParams } = new URL(request.url);
    try {
      if (pathname === "/load") {
        model = await loadModel(MODEL, OPTIONS);
        return Response.json({ memory: model.info.memory, memories: memoryBytes() });
      }
      if (pathname === "/answer") {
        const images = request.body ? [new Uint8Array(await request.arrayBuffer())] : [];
        const messages = [{ role: "user", content: searchParams.get("question") }];
        const maxTokens = Number(searchParams.get("tokens"));
        const { text, usage } = await model.complete({ messages, images, maxTokens, temperature: 0 });
        return Response.json({ text, usage, memories: memoryBytes() });
      }
      return new Response("empty");
    } catch (error) {
      return new Response(String(error?.stack ?? error), { status: 500 });
    }
  },
};
