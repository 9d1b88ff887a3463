/**
 * Which files make a model. Everything that reads, looks for or lists them takes their names from here.
 *
 * @module
 */

import { SHARD_COUNT_MAX } from "../core/limits.ts";

/** What the model is: architecture and sizes, often its quantisation too. */
export const CONFIG_FILE = "config.json";
/** Settings of generation and the ids that end an answer. */
export const GENERATION_CONFIG_FILE = "generation_config.json";

/** How embeddings are made, as sentence-transformers writes it. */
export const POOLING_CONFIG_FILE = "1_Pooling/config.json";

/** Quantisation settings of tools that keep them apart from config.json, in the order in which they are looked for. */
export const QUANTIZATION_CONFIG_FILES = ["quantize_config.json", "quant_config.json"] as const;

/** Weights in one file, and the index of weights in several. */
export const WEIGHTS_FILE = "model.safetensors";
export const WEIGHTS_SUFFIX = ".safetensors";
export const INDEX_SUFFIX = ".safetensors.index.json";
export const INDEX_FILE = `model${INDEX_SUFFIX}`;

/** A model in one file, or split into several whose names count: `x-00001-of-00003.gguf`. */
export const GGUF_SUFFIX = ".gguf";
const GGUF_PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/** The names of all files of a GGUF model of which one has this name, in order. */
export function ggufParts(name: string): string[] {
  const { base, count } = splitGgufName(name);
  return base === undefined
    ? [name]
    : Array.from({ length: Number(count) }, (_, i) => partName(base, i, count));
}

/** The first of these names, by which a model is told from others. */
export function firstGgufPart(name: string): string {
  const { base, count } = splitGgufName(name);
  return base === undefined ? name : partName(base, 0, count);
}

function splitGgufName(name: string): { base?: string; count: string } {
  const [, base, , count = ""] = GGUF_PART.exec(name) ?? [];
  return Number(count) < 1 || Number(count) > SHARD_COUNT_MAX ? { count } : { base, count };
}

function partName(base: string, index: number, count: string): string {
  return `${base}-${String(index + 1).padStart(5, "0")}-of-${count}${GGUF_SUFFIX}`;
}

export const TOKENIZER_FILE = "tokenizer.json";
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";
export const SPECIAL_TOKENS_MAP_FILE = "special_tokens_map.json";
/** The folder has further templates by name; only the one for tools is ever chosen. */
export const CHAT_TEMPLATE_FILES = [
  "chat_template.jinja",
  "chat_template.json",
  "additional_chat_templates/tool_use.jinja",
] as const;

/** How pictures are prepared; transformers 5 writes the second. */
export const PREPROCESSOR_CONFIG_FILE = "preprocessor_config.json";
export const PROCESSOR_CONFIG_FILE = "processor_config.json";

/** Weights as they lie in memory, written into the same folder on request. */
export const REPACKED_FILE = "repacked.remora";

/** Names to look for where there is no listing; shards come from the index. */
export const KNOWN_FILES: readonly string[] = [
  CONFIG_FILE,
  GENERATION_CONFIG_FILE,
  POOLING_CONFIG_FILE,
  ...QUANTIZATION_CONFIG_FILES,
  WEIGHTS_FILE,
  INDEX_FILE,
  TOKENIZER_FILE,
  TOKENIZER_CONFIG_FILE,
  SPECIAL_TOKENS_MAP_FILE,
  ...CHAT_TEMPLATE_FILES,
  PREPROCESSOR_CONFIG_FILE,
  PROCESSOR_CONFIG_FILE,
];
