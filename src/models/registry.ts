/**
 * Which architectures run: one line each.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder/config.ts";
import { readGemma3 } from "./gemma3/config.ts";
import { readLlama } from "./llama/config.ts";
import { readMistral } from "./mistral/config.ts";
import { readPhi3 } from "./phi3/config.ts";
import { readQwen2 } from "./qwen2/config.ts";
import { readQwen3 } from "./qwen3/config.ts";
import { readSmolLm3 } from "./smollm3/config.ts";

const ARCHITECTURES: Record<string, (config: ConfigReader) => DecoderConfig> = {
  gemma3_text: readGemma3,
  llama: readLlama,
  mistral: readMistral,
  phi3: readPhi3,
  qwen2: readQwen2,
  qwen3: readQwen3,
  smollm3: readSmolLm3,
};

/**
 * The decoder that `model_type` names.
 *
 * @throws {RemoraError} UNSUPPORTED for an unknown one, BAD_CONFIG for values that cannot be; both name file and key.
 */
export function readArchitecture(config: ConfigReader): { name: string; decoder: DecoderConfig } {
  const name = config.string("model_type");
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    throw config.unsupported("model_type", Object.keys(ARCHITECTURES).join(", "), name);
  }
  return { name, decoder: ARCHITECTURES[name](config) };
}
