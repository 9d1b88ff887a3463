/**
 * Which architectures run: one line each.
 *
 * @module
 */
import type { Spellings } from "../formats/module_names.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder/config.ts";
import { readGemma3 } from "./gemma3/config.ts";
import { readLlama } from "./llama/config.ts";
import { readMistral } from "./mistral/config.ts";
import { DECODER_PREFIX, readMllama, SPELLINGS } from "./mllama/config.ts";
import type { VisionConfig } from "./mllama/vision_config.ts";
import { readPhi3 } from "./phi3/config.ts";
import { readQwen2 } from "./qwen2/config.ts";
import { readQwen3 } from "./qwen3/config.ts";
import { readSmolLm3 } from "./smollm3/config.ts";

const TEXT: Record<string, (config: ConfigReader) => DecoderConfig> = {
  gemma3_text: readGemma3,
  llama: readLlama,
  mistral: readMistral,
  phi3: readPhi3,
  qwen2: readQwen2,
  qwen3: readQwen3,
  smollm3: readSmolLm3,
};

/** Models that look at pictures. */
const VISION: Record<string, VisionArchitecture> = {
  mllama: { read: readMllama, decoderPrefix: DECODER_PREFIX, spellings: SPELLINGS },
};

/** Shape of a tensor of the checkpoint, or `undefined`. */
type ShapeOf = (tensor: string) => readonly number[] | undefined;

interface VisionArchitecture {
  read(config: ConfigReader, shapeOf: ShapeOf): {
    decoder: DecoderConfig;
    vision: VisionConfig;
    imageToken: number;
  };
  decoderPrefix: string;
  spellings: Spellings;
}

/** What a model consists of. */
export interface Architecture {
  /** `model_type` of config.json. */
  name: string;
  decoder: DecoderConfig;
  /** What stands before the decoder's names in the checkpoint. */
  decoderPrefix: string;
  vision?: VisionConfig;
  /** The token that stands for a picture. */
  imageToken?: number;
}

/** Ways to spell the tensors of the architecture that `model_type` names. */
export function spellingsOf(config: ConfigReader): Spellings {
  const name = config.string("model_type");
  return Object.hasOwn(VISION, name) ? VISION[name].spellings : [];
}

/**
 * The architecture that `model_type` names.
 *
 * @throws {RemoraError} UNSUPPORTED for an unknown one, BAD_CONFIG for values that cannot be; both name file and key.
 */
export function readArchitecture(config: ConfigReader, shapeOf: ShapeOf): Architecture {
  const name = config.string("model_type");
  if (Object.hasOwn(TEXT, name)) return { name, decoder: TEXT[name](config), decoderPrefix: "" };
  if (Object.hasOwn(VISION, name)) {
    const { read, decoderPrefix } = VISION[name];
    return { name, ...read(config, shapeOf), decoderPrefix };
  }
  const known = [...Object.keys(TEXT), ...Object.keys(VISION)].sort();
  throw config.unsupported("model_type", known.join(", "), name);
}
