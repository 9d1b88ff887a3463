/**
 * The ways of calling tools that are known. A new one is a file and a line.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { ToolFormat } from "./tool_format.ts";
import { functionGemma } from "./tool_formats/functiongemma.ts";
import { hermes } from "./tool_formats/hermes.ts";
import { llama3Json } from "./tool_formats/llama3_json.ts";
import { mistral } from "./tool_formats/mistral.ts";
import { phi4MiniJson } from "./tool_formats/phi4_mini_json.ts";
import { qwen3Xml } from "./tool_formats/qwen3_xml.ts";

/** In the order in which a template is asked. */
export const TOOL_FORMATS: readonly ToolFormat[] = [
  qwen3Xml,
  hermes,
  mistral,
  functionGemma,
  phi4MiniJson,
  llama3Json,
];

/** The names that `GenerateRequest.toolCallFormat` takes. */
export const TOOL_CALL_FORMATS: readonly string[] = TOOL_FORMATS.map(({ name }) => name);

/** The format that a chat template writes calls in; the first one where it says nothing of calls. */
export function toolFormatOf(template: string): ToolFormat {
  return TOOL_FORMATS.find((format) => format.isFor(template)) ?? hermes;
}

/** @throws {RemoraError} BAD_ARGUMENT for a name that is not known. */
export function toolFormatNamed(name: string): ToolFormat {
  const found = TOOL_FORMATS.find((format) => format.name === name);
  if (found) return found;
  throw new RemoraError("BAD_ARGUMENT", "Cannot parse tool calls", {
    expected: TOOL_FORMATS.map((format) => format.name).join(", "),
    found: name,
  });
}
