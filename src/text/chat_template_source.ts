/**
 * Where a checkpoint keeps its chat templates and the special tokens they write.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { TOKENIZER_CONFIG_FILE } from "../io/model_files.ts";
import type { NamedTemplates } from "./chat_template.ts";

const TEMPLATE_FILE = "chat_template.jinja";
/** Further templates, each a file by its name. */
const TEMPLATE_FOLDER = /^additional_chat_templates\/([^/]+)\.jinja$/;
/** Files with a template in JSON; of several the first one counts, as in transformers. */
const JSON_FILES = ["chat_template.json", TOKENIZER_CONFIG_FILE];

/** Contents of the files that may hold a template, those that exist: by name, in the order in which they are listed. */
export type ChatTemplateFiles = Record<string, Uint8Array | undefined>;

/** A template, or several by name, and the file it came from. */
export interface ChatTemplateSource {
  source: string | NamedTemplates;
  label: string;
}

/**
 * Finds the chat template: `chat_template.jinja` with the folder of further ones, or else a string or list of named templates in
 * JSON.
 *
 * @returns undefined when the checkpoint has none.
 * @throws {RemoraError} `BAD_TEMPLATE` naming the file when it cannot be read.
 */
export function findChatTemplate(files: ChatTemplateFiles): ChatTemplateSource | undefined {
  return fromTemplateFiles(files) ?? fromJsonFiles(files);
}

/** What errors name where there is no template: it may be in one of several files. */
const TEMPLATE = "chat_template";

/** Why a conversation cannot be put to a model without a template, and what can. */
export function templateMissing(label: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot find", {
    file: TEMPLATE,
    expected: `a prompt in place of messages, or a folder that has a ${TEMPLATE_FILE} beside the weights`,
    found: `none in ${label}`,
  });
}

/** Whether it is that. */
export function isTemplateMissing({ code, file }: RemoraError): boolean {
  return code === "FILE_NOT_FOUND" && file === TEMPLATE;
}

function fromTemplateFiles(files: ChatTemplateFiles): ChatTemplateSource | undefined {
  const named: Record<string, string> = {};
  let label: string | undefined;
  for (const [file, bytes] of Object.entries(files)) {
    const name = file === TEMPLATE_FILE ? "default" : TEMPLATE_FOLDER.exec(file)?.[1];
    if (name === undefined || bytes === undefined) continue;
    // A file of its own wins over one of that name in the folder.
    if (name === "default" && file !== TEMPLATE_FILE && files[TEMPLATE_FILE] !== undefined) continue;
    named[name] = decode(bytes, file);
    if (label === undefined || file === TEMPLATE_FILE) label = file;
  }
  if (label === undefined) return undefined;
  const names = Object.keys(named);
  return { source: names.length === 1 && names[0] === "default" ? named.default : named, label };
}

function fromJsonFiles(files: ChatTemplateFiles): ChatTemplateSource | undefined {
  for (const label of JSON_FILES) {
    const bytes = files[label];
    const source = bytes && fromJson(bytes, label);
    if (source !== undefined) return { source, label };
  }
  return undefined;
}

function fromJson(bytes: Uint8Array, label: string): string | NamedTemplates | undefined {
  const json = parseJson(bytes, label, { code: "BAD_TEMPLATE", asPython: true }) as {
    chat_template?: unknown;
  } | null;
  const template = json?.chat_template ?? undefined;
  if (template === undefined || typeof template === "string") return template;
  const entries = Array.isArray(template) ? template : [];
  const named = Object.fromEntries(
    entries.filter((entry) => typeof entry?.name === "string" && typeof entry.template === "string")
      .map((entry) => [entry.name, entry.template]),
  );
  if (Object.hasOwn(named, "default") || Object.hasOwn(named, "tool_use")) return named;
  throw new RemoraError("BAD_TEMPLATE", "Cannot read chat_template of", {
    file: label,
    expected: 'a string, or a list with a template named "default" or "tool_use"',
    found: Array.isArray(template) ? "a list without it" : typeof template,
  });
}

/**
 * The special tokens that templates write by name, e.g. `bos_token`: of tokenizer_config.json, there also those under
 * `extra_special_tokens` and `model_specific_special_tokens`, and of special_tokens_map.json where the first file does not list the
 * added tokens itself.
 *
 * @throws {RemoraError} `BAD_TOKENIZER` when one is not JSON.
 */
export function findSpecialTokens(
  tokenizerConfig: Uint8Array | undefined,
  specialTokensMap?: Uint8Array,
): Record<string, string> {
  const specials: Record<string, string> = {};
  const config = tokenizerConfig ? readObject(tokenizerConfig, TOKENIZER_CONFIG_FILE) : {};
  collect(config, specials);
  if (specialTokensMap && config.added_tokens_decoder === undefined) {
    const map = readObject(specialTokensMap, "special_tokens_map.json");
    // A null there takes the token away.
    for (const [name, value] of Object.entries(map)) if (value === null) delete specials[name];
    collect(map, specials);
  }
  return specials;
}

function readObject(bytes: Uint8Array, file: string): Record<string, unknown> {
  const json = parseJson(bytes, file, { code: "BAD_TOKENIZER", asPython: true });
  return typeof json === "object" && json !== null ? json as Record<string, unknown> : {};
}

function collect(config: Record<string, unknown>, specials: Record<string, string>): void {
  for (const [name, value] of Object.entries(config)) {
    const content = contentOf(value);
    if (name.endsWith("_token") && content !== undefined) specials[name] = content;
  }
  for (const key of ["model_specific_special_tokens", "extra_special_tokens"]) {
    const named = config[key];
    // A list there has no names.
    if (typeof named !== "object" || named === null || Array.isArray(named)) continue;
    for (const [name, value] of Object.entries(named)) {
      const content = contentOf(value);
      if (content !== undefined) specials[name] = content;
    }
  }
}

/** A token is a string, or an object with its content. */
function contentOf(value: unknown): string | undefined {
  const content = typeof value === "object" && value !== null
    ? (value as { content?: unknown }).content
    : value;
  return typeof content === "string" ? content : undefined;
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
