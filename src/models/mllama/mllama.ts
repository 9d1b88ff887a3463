/**
 * Llama 3.2 Vision: Llama's decoder with cross-attention layers that look at pictures.
 *
 * Llama team 2024, arXiv 2407.21783, section 7; transformers, models/mllama.
 *
 * @module
 */
import { LAYER_COUNT_MAX } from "../../core/limits.ts";
import type { Spellings } from "../../formats/names.ts";
import { CrossAttention, rowsThatFeedForward, rowsThatSee } from "../../layers/cross_attention.ts";
import type { LayerFactory } from "../../layers/layer.ts";
import { Residual } from "../../layers/residual.ts";
import type { Architecture, ArchitectureConfig, ShapeOf } from "../architecture.ts";
import type { ConfigReader } from "../config_reader.ts";
import { type FamilyLayers, readLayerCount, readLlamaFamily, takeFeedForward } from "../llama_family.ts";
import { readTileSettings } from "./tile_settings.ts";
import { readVisionConfig } from "./vision_config.ts";
import { MllamaVision } from "./vision_model.ts";

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

/** Rows of the embedding table beyond the vocabulary; the first is the picture's token. */
const EXTRA_EMBEDDING_ROWS = 8;

/** What stands before the decoder's names in the file. */
const DECODER_PREFIX = "language_model.";

/** Names that transformers 4.52 and later give the same modules → those of the published files. */
const SPELLINGS: Spellings = [
  ["model.language_model.", "language_model.model."],
  ["lm_head.", "language_model.lm_head."],
  ["model.vision_model.", "vision_model."],
  ["model.multi_modal_projector.", "multi_modal_projector."],
];

/** Its rows tell the size of a picture's tile. */
const POSITIONS = "vision_model.gated_positional_embedding.embedding";

export const mllama: Architecture = { decoderPrefix: DECODER_PREFIX, spellings: SPELLINGS, read };

function read(config: ConfigReader, shapeOf: ShapeOf): ArchitectureConfig {
  const text = config.section("text_config").withDefaults(TEXT_DEFAULTS);
  const layerCount = readLayerCount(text);
  const crossLayers = text.integers("cross_attention_layers");
  const outside = crossLayers.find((layer) => layer >= layerCount);
  if (outside !== undefined || crossLayers.length > LAYER_COUNT_MAX) {
    throw text.wrong("cross_attention_layers", `layers below ${layerCount}`, crossLayers);
  }
  const family = readLlamaFamily(text, {
    // With 8-bit codes there too the dense golden's worst cosine is 0.9948, without 0.9984 (docs/numerics.md).
    denseSelfAttention: "asStored",
    layerOf: (layer, shared) => crossLayers.includes(layer) ? crossLayer(shared) : undefined,
  });
  const decoder = { ...family, embeddingRows: family.vocabularySize + EXTRA_EMBEDDING_ROWS };
  const vision = readVisionConfig(config.section("vision_config"), shapeOf(POSITIONS)?.[0]);
  const last = decoder.embeddingRows - 1;
  const pictureToken = config.integer("image_token_index", 0, last, decoder.vocabularySize);
  return {
    decoder,
    vision: async ({ weights, source, crossAttentionRows, events }) =>
      new MllamaVision(vision, weights, {
        pictureToken,
        decoderWidth: decoder.hiddenSize,
        keyValueWidth: 2 * decoder.kvHeads * decoder.headSize,
        crossAttentionLayers: new Set(crossLayers).size,
        settings: await readTileSettings(source, vision),
        crossAttentionRows,
        events,
      }),
  };
}

/**
 * A layer that looks at pictures. Rows that see none pass through unchanged, as in the original implementation: a text without
 * pictures skips the layer.
 *
 * Alayrac et al. 2022, "Flamingo", arXiv 2204.14198, in the form of Llama 3.2 Vision: norms of each query and key head, tanh gates.
 */
function crossLayer(shared: FamilyLayers): LayerFactory {
  const { hiddenSize, attention: shape, epsilon } = shared;
  const { heads, kvHeads, headSize } = shape;
  return (weights, name) => {
    const vector = (of: string, length: number) => weights.vector(`${name}.${of}`, length);
    const linear = (of: string, outputs: number, inputs: number) =>
      weights.linear(`${name}.cross_attn.${of}`, outputs, inputs);
    const attention = new CrossAttention({
      shape,
      query: linear("q_proj", heads * headSize, hiddenSize),
      key: linear("k_proj", kvHeads * headSize, hiddenSize),
      value: linear("v_proj", kvHeads * headSize, hiddenSize),
      output: linear("o_proj", hiddenSize, heads * headSize),
      queryNorm: vector("cross_attn.q_norm.weight", headSize),
      keyNorm: vector("cross_attn.k_norm.weight", headSize),
      epsilon,
    });
    return [
      new Residual(attention, {
        norm: vector("input_layernorm.weight", hiddenSize),
        epsilon,
        gate: vector("cross_attn_attn_gate", 1),
        rowsOf: rowsThatSee,
      }),
      new Residual(takeFeedForward(weights, name, shared), {
        norm: vector("post_attention_layernorm.weight", hiddenSize),
        epsilon,
        gate: vector("cross_attn_mlp_gate", 1),
        rowsOf: rowsThatFeedForward,
      }),
    ];
  };
}
