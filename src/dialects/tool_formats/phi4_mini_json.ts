/**
 * Phi-4-mini: `functools[{"name": …, "arguments": …}]`, or the same between `<|tool_call|>` and `<|/tool_call|>`.
 *
 * @module
 */
import { jsonCall, JsonCallReader } from "../json_calls.ts";
import type { ToolFormat } from "../tool_format.ts";

const BEGIN = "functools";
const TOKENS = { begin: "<|tool_call|>", end: "<|/tool_call|>" };

export const phi4MiniJson: ToolFormat = {
  name: "phi4_mini_json",
  isFor: (template) => template.includes("<|tool|>"),
  begin: BEGIN,
  keepsSpecialTokens: true,
  grammar({ json }, tools, isParallel) {
    const { store } = json;
    const call = store.either(tools.map((tool) => jsonCall(json, tool, "arguments")));
    const more = store.repeat(store.sequence(store.text(", "), call), 0, isParallel ? Infinity : 0);
    return store.sequence(store.text(`${BEGIN}[`), call, more, store.text("]"));
  },
  reader: () => new JsonCallReader({ begin: [`${BEGIN}[`, TOKENS.begin], end: [TOKENS.end] }),
};
