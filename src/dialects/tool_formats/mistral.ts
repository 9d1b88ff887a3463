/**
 * Mistral: `[TOOL_CALLS][{"name": …, "arguments": …}]`, where the mark is a special token.
 *
 * @module
 */
import { jsonCall, JsonCallReader } from "../json_calls.ts";
import type { ToolFormat } from "../tool_format.ts";

const BEGIN = "[TOOL_CALLS]";

export const mistral: ToolFormat = {
  name: "mistral",
  isFor: (template) => template.includes(BEGIN),
  begin: BEGIN,
  keepsSpecialTokens: true,
  grammar({ json, mark }, tools, isParallel) {
    const { store } = json;
    const call = store.either(tools.map((tool) => jsonCall(json, tool, "arguments")));
    const more = store.repeat(store.sequence(store.text(", "), call), 0, isParallel ? Infinity : 0);
    return store.sequence(mark(BEGIN), store.text("["), call, more, store.text("]"));
  },
  reader: () => new JsonCallReader({ begin: [BEGIN], end: [] }),
};
