/**
 * What Vercel's AI SDK asks for, in the library's words.
 *
 * @module
 */
import { fromBase64 } from "../src/core/bytes_as_text.ts";
import type {
  LanguageModelV4CallOptions as CallOptions,
  LanguageModelV4FilePart as FilePart,
  LanguageModelV4Message as SdkMessage,
  LanguageModelV4ToolResultPart as ToolResultPart,
  SharedV4Warning as Warning,
} from "npm:@ai-sdk/provider@4.0.38";
import { UnsupportedFunctionalityError } from "npm:@ai-sdk/provider@4.0.38";
import type { GenerateRequest } from "../src/generation/requests.ts";
import type { ContentPart, Message } from "../src/text/messages.ts";

/** Fields of a request that the SDK has no name for, taken from `providerOptions.remora`. */
const OPTIONS = [
  "choice",
  "contextShift",
  "grammar",
  "ignoreEnd",
  "logitBias",
  "logprobs",
  "loopGuard",
  "maxTiles",
  "minP",
  "parallelToolCalls",
  "promptLookup",
  "regex",
  "repeatPenalty",
  "toolCallFormat",
  "typicalP",
  "variables",
] as const;

/** The request, and what of the call is not supported. */
export interface SdkRequest {
  request: GenerateRequest;
  warnings: Warning[];
}

/** @throws {UnsupportedFunctionalityError} For parts of a prompt that are neither text nor pictures. */
export function requestOf(options: CallOptions): SdkRequest {
  const warnings: Warning[] = [];
  const warn = (feature: string, details?: string) =>
    warnings.push({ type: "unsupported", feature, details });
  const { responseFormat, reasoning = "provider-default", headers = {}, includeRawChunks } = options;
  if (includeRawChunks) warn("includeRawChunks", "nothing comes over a wire");
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() !== "user-agent") warn(`headers.${name}`, "nothing is sent");
  }
  if (reasoning !== "provider-default" && reasoning !== "none") {
    warn("reasoning", `models have no levels of it: "${reasoning}" is as good as the default`);
  }
  const { variables, ...more } = optionsOf(options.providerOptions?.remora ?? {}, warn);
  const thinking = { ...(reasoning === "none" && { enable_thinking: false }), ...variables };
  const request: GenerateRequest = {
    ...more,
    messages: options.prompt.flatMap(messagesOf),
    variables: Object.keys(thinking).length > 0 ? thinking : undefined,
    maxTokens: options.maxOutputTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    seed: options.seed,
    stop: options.stopSequences,
    ...(responseFormat?.type === "json" && { jsonSchema: responseFormat.schema ?? { type: "object" } }),
    ...toolsOf(options, warn),
  };
  return { request, warnings };
}

function optionsOf(
  given: Record<string, unknown>,
  warn: (feature: string) => void,
): Partial<GenerateRequest> {
  const known = Object.entries(given).filter(([name]) => {
    const isKnown = (OPTIONS as readonly string[]).includes(name);
    if (!isKnown) warn(`providerOptions.remora.${name}`);
    return isKnown;
  });
  return Object.fromEntries(known);
}

function toolsOf(
  { tools = [], toolChoice = { type: "auto" } }: CallOptions,
  warn: (feature: string, details?: string) => void,
): Partial<GenerateRequest> {
  const functions = tools.flatMap((tool) => {
    if (tool.type === "provider") {
      warn(`tool ${tool.id}`, "it belongs to another provider");
      return [];
    }
    const { name, description, inputSchema: parameters, strict, inputExamples } = tool;
    if (inputExamples) warn(`inputExamples of tool ${name}`);
    return [{ type: "function" as const, function: { name, description, parameters, strict } }];
  });
  if (functions.length === 0) return {};
  const choice = toolChoice.type === "tool" ? { name: toolChoice.toolName } : toolChoice.type;
  return { tools: functions, toolChoice: choice };
}

function messagesOf(message: SdkMessage): Message[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user":
      return [{
        role: "user",
        content: message.content.map((part): ContentPart =>
          part.type === "text" ? { type: "text", text: part.text } : pictureOf(part)
        ),
      }];
    case "assistant":
      return [assistantMessage(message.content)];
    case "tool":
      return message.content.map((part) => {
        if (part.type !== "tool-result") throw unsupported(`${part.type} parts`);
        return {
          role: "tool",
          content: resultText(part),
          tool_call_id: part.toolCallId,
          name: part.toolName,
        };
      });
  }
}

function assistantMessage(parts: (SdkMessage & { role: "assistant" })["content"]): Message {
  let text = "", reasoning = "";
  const calls: unknown[] = [];
  for (const part of parts) {
    if (part.type === "text") text += part.text;
    else if (part.type === "reasoning") reasoning += part.text;
    else if (part.type === "tool-call") {
      const { toolCallId: id, toolName: name, input } = part;
      calls.push({ id, type: "function", function: { name, arguments: input } });
    } else throw unsupported(`${part.type} parts of the assistant`);
  }
  return {
    role: "assistant",
    content: text,
    ...(reasoning !== "" && { reasoning, reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function pictureOf({ mediaType, data }: FilePart): ContentPart {
  if (!/^image(\/|$)/.test(mediaType)) throw unsupported(`files of type ${mediaType}`);
  if (data.type !== "data") throw unsupported(`pictures by ${data.type}`);
  return {
    type: "image",
    image: typeof data.data === "string" ? fromBase64(data.data) : data.data,
  };
}

function resultText({ output }: ToolResultPart): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "The call was not allowed.";
    case "content":
      return output.value.map((part) => {
        if (part.type !== "text") throw unsupported(`${part.type} parts of a tool's result`);
        return part.text;
      }).join("\n");
  }
}

function unsupported(functionality: string): UnsupportedFunctionalityError {
  return new UnsupportedFunctionalityError({ functionality });
}
