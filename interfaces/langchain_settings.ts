/**
 * Which fields of a request are settings of LangChain's chat model.
 *
 * @module
 */
import type { GenerateRequest } from "../src/generation/requests.ts";

/** Fields of a request that LangChain has no other name for. */
export type Settings = Omit<
  GenerateRequest,
  "prompt" | "messages" | "images" | "tools" | "toolChoice" | "sequence" | "signal" | "stop" | "attention"
>;

/** Names of fields that go into a request. */
const SETTINGS = [
  "choice",
  "contextShift",
  "frequencyPenalty",
  "grammar",
  "ignoreEnd",
  "jsonSchema",
  "keepSpecialTokens",
  "logitBias",
  "logprobs",
  "loopGuard",
  "maxTiles",
  "maxTokens",
  "minP",
  "parallelToolCalls",
  "presencePenalty",
  "promptLookup",
  "regex",
  "repeatPenalty",
  "seed",
  "temperature",
  "toolCallFormat",
  "topK",
  "topP",
  "typicalP",
  "variables",
] as const satisfies readonly (keyof Settings)[];

/** Those of the settings that are given; what a call says comes before what the model says. */
export function settingsOf(model: Settings, call: Settings = {}): Settings {
  const given = SETTINGS.map((name) => [name, call[name] ?? model[name]]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}
