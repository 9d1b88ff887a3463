/**
 * A conversation of two turns: the second one computes only what is new.
 *
 *   deno run --allow-read=MODEL examples/chat.ts MODEL
 *
 * @module
 */
import { loadModel, type Message } from "../mod.ts";

await using model = await loadModel(Deno.args[0]);
using sequence = model.createSequence();
const messages: Message[] = [];
for (const question of ["Name a fish.", "Where does it live?"]) {
  messages.push({ role: "user", content: question });
  const { text, usage } = await model.complete({ messages, sequence, maxTokens: 60 });
  messages.push({ role: "assistant", content: text });
  console.log(
    `${question}\n${text}\n(${usage.promptTokens} tokens of prompt, ${usage.cachedTokens} of them known)\n`,
  );
}
