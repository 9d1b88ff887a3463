/**
 * Llama 3: the answer is `{"name": …, "parameters": …}`, several of them with `; ` between.
 *
 * @module
 */
import { jsonCall, JsonCallReader } from "../json_calls.ts";
import type { ToolFormat } from "../tool_format.ts";

export const llama3Json: ToolFormat = {
  name: "llama3_json",
  isFor: (template) => template.includes('"parameters"') && template.includes("ipython"),
  grammar({ json }, tools, isParallel) {
    const { store } = json;
    const call = store.either(tools.map((tool) => jsonCall(json, tool, "parameters")));
    const more = store.repeat(store.sequence(store.text("; "), call), 0, isParallel ? Infinity : 0);
    return store.sequence(call, more);
  },
  reader: () => new JsonCallReader({ begin: [], end: [] }),
};
