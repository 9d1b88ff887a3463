/**
 * Which architectures run: one line each.
 *
 * @module
 */
import type { Architecture, Architectures } from "./architecture.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readGemma3 } from "./gemma3.ts";
import { readLlama } from "./llama.ts";
import { readMistral } from "./mistral.ts";
import { mllama } from "./mllama/mllama.ts";
import { readPhi3 } from "./phi3.ts";
import { readQwen2 } from "./qwen2.ts";
import { readQwen3 } from "./qwen3.ts";
import { readSmolLm3 } from "./smollm3.ts";

export const ARCHITECTURES: Architectures = {
  gemma3_text: textModel(readGemma3),
  llama: textModel(readLlama),
  mistral: textModel(readMistral),
  mllama,
  phi3: textModel(readPhi3),
  qwen2: textModel(readQwen2),
  qwen3: textModel(readQwen3),
  smollm3: textModel(readSmolLm3),
};

function textModel(read: (config: ConfigReader) => DecoderConfig): Architecture {
  return { read: (config) => ({ decoder: read(config) }) };
}
