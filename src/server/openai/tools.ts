/**
 * Tools and the choice among them, as OpenAI's clients send them.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { Tool, ToolChoice } from "../../dialects/answer_grammar.ts";
import type { GenerateRequest } from "../../generation/requests.ts";
import { closedObject } from "../http/closed_object.ts";
import { maybe } from "./fields.ts";

/** One tool. */
export const tool = closedObject({
  type: v.literal("function"),
  function: closedObject({
    name: v.pipe(v.string(), v.regex(/^[\w.-]{1,128}$/)),
    description: maybe(v.string()),
    parameters: maybe(v.record(v.string(), v.unknown())),
    strict: maybe(v.boolean()),
  }),
});

/** Which tool. */
export const toolChoice = v.union([
  v.picklist(["auto", "none", "required"]),
  closedObject({ type: v.literal("function"), function: closedObject({ name: v.string() }) }),
]);

/** The library's request for them. */
export function toolRequest(
  tools: readonly v.InferOutput<typeof tool>[] | null | undefined,
  choice: v.InferOutput<typeof toolChoice> | null | undefined,
  isParallel: boolean | null | undefined,
): Partial<GenerateRequest> {
  if (!tools || tools.length === 0) {
    return choice == null || choice === "none" || choice === "auto"
      ? {}
      : { tools: [], toolChoice: chosen(choice) };
  }
  return {
    tools: tools.map(({ function: { name, description, parameters, strict } }): Tool => ({
      type: "function",
      function: {
        name,
        ...(description != null && { description }),
        parameters: parameters ?? { type: "object", properties: {} },
        ...(strict != null && { strict }),
      },
    })),
    toolChoice: chosen(choice ?? "auto"),
    parallelToolCalls: isParallel ?? true,
  };
}

function chosen(choice: v.InferOutput<typeof toolChoice>): ToolChoice {
  return typeof choice === "string" ? choice : { name: choice.function.name };
}
