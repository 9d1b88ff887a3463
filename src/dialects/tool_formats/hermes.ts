/**
 * Hermes, Qwen2.5 and Qwen3: `<tool_call>{"name": …, "arguments": …}</tool_call>`, once for each call.
 *
 * @module
 */
import { jsonCall, JsonCallReader } from "../json_calls.ts";
import type { ToolFormat } from "../tool_format.ts";

const BEGIN = "<tool_call>", END = "</tool_call>";

export const hermes: ToolFormat = {
  name: "hermes",
  isFor: (template) => template.includes(BEGIN) && !template.includes("<function="),
  begin: BEGIN,
  grammar({ json, mark }, tools, isParallel) {
    const { store } = json;
    const call = store.sequence(
      mark(BEGIN),
      store.text("\n"),
      store.either(tools.map((tool) => jsonCall(json, tool, "arguments"))),
      store.text("\n"),
      mark(END),
    );
    const more = store.repeat(store.sequence(store.text("\n"), call), 0, isParallel ? Infinity : 0);
    return store.sequence(call, more);
  },
  reader: () => new JsonCallReader({ begin: [BEGIN], end: [END] }),
};
