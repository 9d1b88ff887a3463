/**
 * Where a checkpoint keeps its chat template and the special tokens it writes.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { CHAT_TEMPLATE_FILES, TOKENIZER_CONFIG_FILE } from "../io/model_files.ts";

/** Files that may hold a chat template; of several the first one counts, as in transformers. */
const TEMPLATE_FILES = [...CHAT_TEMPLATE_FILES, TOKENIZER_CONFIG_FILE] as const;

/** Contents of those files that exist. */
export type ChatTemplateFiles = Partial<Record<typeof TEMPLATE_FILES[number], Uint8Array>>;

/** A template and the file it came from. */
export interface ChatTemplateSource {
  source: string;
  label: string;
}

/**
 * Finds the chat template, the one named `default` where a file has several.
 *
 * @returns undefined when the checkpoint has none.
 * @throws {RemoraError} `BAD_TEMPLATE` naming the file when it cannot be read.
 */
export function findChatTemplate(files: ChatTemplateFiles): ChatTemplateSource | undefined {
  for (const label of TEMPLATE_FILES) {
    const bytes = files[label];
    if (bytes === undefined) continue;
    const source = label === "chat_template.jinja" ? decode(bytes, label) : fromJson(bytes, label);
    if (source !== undefined) return { source, label };
  }
  return undefined;
}

/**
 * The special tokens of tokenizer_config.json that templates write by name, e.g. `bos_token`.
 *
 * @throws {RemoraError} `BAD_TOKENIZER` when it is not JSON.
 */
export function findSpecialTokens(
  tokenizerConfig: Uint8Array,
  file = "tokenizer_config.json",
): Record<string, string> {
  const config = parseJson(tokenizerConfig, file, { code: "BAD_TOKENIZER", asPython: true });
  const specials: Record<string, string> = {};
  for (const [name, value] of Object.entries(config ?? {})) {
    const content = typeof value === "object" && value !== null ? value.content : value;
    if (name.endsWith("_token") && typeof content === "string") specials[name] = content;
  }
  return specials;
}

function fromJson(bytes: Uint8Array, label: string): string | undefined {
  const json = parseJson(bytes, label, { code: "BAD_TEMPLATE", asPython: true }) as {
    chat_template?: unknown;
  } | null;
  const template = json?.chat_template ?? undefined;
  if (template === undefined || typeof template === "string") return template;
  const named = Array.isArray(template)
    ? template.find((entry) => entry?.name === "default")?.template
    : undefined;
  if (typeof named === "string") return named;
  throw new RemoraError("BAD_TEMPLATE", "Cannot read chat_template of", {
    file: label,
    expected: 'a string, or a list with a template named "default"',
    found: Array.isArray(template) ? "a list without it" : typeof template,
  });
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RemoraError("BAD_TEMPLATE", "Cannot read chat_template of", {
      file,
      expected: "UTF-8",
      found: "other bytes",
      cause,
    });
  }
}
