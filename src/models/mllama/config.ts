/**
 * Llama 3.2 Vision: Llama's decoder with cross-attention layers that look at pictures.
 *
 * Llama team 2024, arXiv 2407.21783, section 7; transformers, models/mllama.
 *
 * @module
 */
import { LAYER_COUNT_MAX } from "../../core/limits.ts";
import type { Spellings } from "../../formats/module_names.ts";
import type { ConfigReader } from "../config_reader.ts";
import { type DecoderConfig, readDecoderConfig } from "../decoder/config.ts";
import { readVisionConfig, type VisionConfig } from "./vision_config.ts";

/** transformers, MllamaTextConfig: published configs leave out what is the default. */
const TEXT_DEFAULTS = {
  vocab_size: 128256,
  hidden_size: 4096,
  num_hidden_layers: 40,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  intermediate_size: 14336,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  max_position_embeddings: 131072,
  cross_attention_layers: [3, 8, 13, 18, 23, 28, 33, 38],
};

/** The embedding table's rows behind the vocabulary; the first is the picture's token. */
const EXTRA_EMBEDDING_ROWS = 8;

/** What stands before the decoder's names in the file. */
export const DECODER_PREFIX = "language_model.";

/** Names that transformers 4.52 and later give the same modules → those of the published files. */
export const SPELLINGS: Spellings = [
  ["model.language_model.", "language_model.model."],
  ["lm_head.", "language_model.lm_head."],
  ["model.vision_model.", "vision_model."],
  ["model.multi_modal_projector.", "multi_modal_projector."],
];

/** The tensor whose rows tell the size of a picture's tile. */
const POSITIONS = "vision_model.gated_positional_embedding.embedding";

/**
 * @param shapeOf Shape of a tensor of the file, by the published name.
 * @throws {RemoraError} BAD_CONFIG or UNSUPPORTED, naming file and key.
 */
export function readMllama(
  config: ConfigReader,
  shapeOf: (tensor: string) => readonly number[] | undefined,
): { decoder: DecoderConfig; vision: VisionConfig; imageToken: number } {
  const text = config.section("text_config").withDefaults(TEXT_DEFAULTS);
  const base = readDecoderConfig(text);
  const crossLayers = text.integers("cross_attention_layers");
  const outside = crossLayers.find((layer) => layer >= base.layers.length);
  if (outside !== undefined || crossLayers.length > LAYER_COUNT_MAX) {
    throw text.wrong("cross_attention_layers", `layers below ${base.layers.length}`, crossLayers);
  }
  const decoder: DecoderConfig = {
    ...base,
    // One byte, or 8-bit codes for dense layers, leave cosines of 0.998 and 0.994 in the goldens (docs/numerics.md).
    gateUpBytes: 2,
    denseAsStored: true,
    embeddingRows: base.vocabularySize + EXTRA_EMBEDDING_ROWS,
    layers: base.layers.map((layer, index) => ({ ...layer, isCross: crossLayers.includes(index) })),
  };
  const last = decoder.embeddingRows - 1;
  return {
    decoder,
    vision: readVisionConfig(config.section("vision_config"), shapeOf(POSITIONS)?.[0]),
    imageToken: config.integer("image_token_index", 0, last, decoder.vocabularySize),
  };
}
