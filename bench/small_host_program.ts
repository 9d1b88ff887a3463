/**
 * The program that bench/small_host.ts measures: loads a model from a URL and answers, with no permission but to reach that host.
 *
 * @module
 */
import { loadModel } from "../mod.ts";

const [url, options, question, tokens] = Deno.args;
/** Milliseconds of processor are the parent's to read; a line tells it when. */
const tell = (step: string, details = {}) => console.log(JSON.stringify({ step, ...details }));

tell("empty");
await using model = await loadModel(url, JSON.parse(options));
tell("loaded", { weights: model.info.memory.weights });
const messages = [{ role: "user" as const, content: question }];
for (const [step, maxTokens] of [["first", 1], ["warm", 1], ["answered", Number(tokens)]] as const) {
  const { text, usage } = await model.complete({ messages, maxTokens, temperature: 0 });
  tell(step, { text, usage });
}
