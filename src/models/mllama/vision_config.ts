/**
 * The vision tower of Llama 3.2 Vision as config.json describes it.
 *
 * @module
 */
import {
  HEAD_COUNT_MAX,
  HIDDEN_SIZE_MAX,
  INTERMEDIATE_SIZE_MAX,
  LAYER_COUNT_MAX,
  VISION_IMAGE_SIZE_MAX,
  VISION_TILES_MAX,
} from "../../core/limits.ts";
import { supportedCanvases } from "./tiles.ts";
import type { ConfigReader } from "../config_reader.ts";

/** Sizes of the tower. */
export interface VisionConfig {
  /** Height and width of a tile, and of a patch of it, in pixels. */
  imageSize: number;
  patchSize: number;
  /** Patches of a tile; a tile has one token more, the class token. */
  patches: number;
  tilesMax: number;
  /** Tile layouts that the position embeddings know; their ids begin at 1. */
  aspectRatios: number;
  hiddenSize: number;
  heads: number;
  intermediateSize: number;
  layers: number;
  globalLayers: number;
  /** Layers whose inputs become features besides the tower's output, in ascending order. */
  intermediateLayers: number[];
  /** Features of a token: the output and the intermediate states. */
  outputSize: number;
  epsilon: number;
}

/** transformers, MllamaVisionConfig: published configs leave out what is the default. */
const DEFAULTS = {
  hidden_size: 1280,
  num_hidden_layers: 32,
  num_global_layers: 8,
  attention_heads: 16,
  intermediate_size: 5120,
  vision_output_dim: 7680,
  patch_size: 14,
  norm_eps: 1e-5,
  max_num_tiles: 4,
  intermediate_layers_indices: [3, 7, 15, 23, 30],
};

/** RGB. */
export const CHANNELS = 3;

/**
 * @param positions Rows of the position embedding in the file, from which a missing image_size is derived: its class default
 * (448) is not that of the published models.
 * @throws {RemoraError} BAD_CONFIG or UNSUPPORTED, naming file and key.
 */
export function readVisionConfig(written: ConfigReader, positions: number | undefined): VisionConfig {
  const config = written.withDefaults(DEFAULTS);
  const hiddenSize = config.integer("hidden_size", 1, HIDDEN_SIZE_MAX);
  const headsKey = written.has("num_attention_heads") ? "num_attention_heads" : "attention_heads";
  const heads = config.integer(headsKey, 1, HEAD_COUNT_MAX);
  if (hiddenSize % heads !== 0) throw config.wrong(headsKey, `a divisor of hidden_size ${hiddenSize}`, heads);
  const activation = config.string("hidden_act", "gelu");
  if (activation !== "gelu") throw config.unsupported("hidden_act", "gelu", activation);
  const channels = config.integer("num_channels", 1, VISION_IMAGE_SIZE_MAX, CHANNELS);
  if (channels !== CHANNELS) throw config.unsupported("num_channels", `${CHANNELS}`, `${channels}`);

  const patchSize = config.integer("patch_size", 1, VISION_IMAGE_SIZE_MAX);
  const derived = positions === undefined ? undefined : Math.sqrt(positions - 1) * patchSize;
  const imageSize = config.integer("image_size", patchSize, VISION_IMAGE_SIZE_MAX, derived);
  if (imageSize % patchSize !== 0) {
    throw config.wrong("image_size", `a multiple of patch_size ${patchSize}`, imageSize);
  }
  const layers = config.integer("num_hidden_layers", 1, LAYER_COUNT_MAX);
  const intermediateLayers = config.integers("intermediate_layers_indices");
  const isAscending = intermediateLayers.every((layer, i) =>
    layer < layers && (i === 0 || layer > intermediateLayers[i - 1])
  );
  if (!isAscending) {
    throw config.wrong("intermediate_layers_indices", `ascending layers below ${layers}`, intermediateLayers);
  }
  const outputSize = config.integer("vision_output_dim", 1, Number.MAX_SAFE_INTEGER);
  const features = hiddenSize * (1 + intermediateLayers.length);
  if (outputSize !== features) throw config.wrong("vision_output_dim", `${features}`, outputSize);
  const tilesMax = config.integer("max_num_tiles", 1, VISION_TILES_MAX);
  return {
    imageSize,
    patchSize,
    patches: (imageSize / patchSize) ** 2,
    tilesMax,
    aspectRatios: countAspectRatios(config, tilesMax),
    hiddenSize,
    heads,
    intermediateSize: config.integer("intermediate_size", 1, INTERMEDIATE_SIZE_MAX),
    layers,
    globalLayers: config.integer("num_global_layers", 0, LAYER_COUNT_MAX),
    intermediateLayers,
    outputSize,
    epsilon: config.numberAbove("norm_eps", 0),
  };
}

/** A list in the config must be the one that the ids are made for. */
function countAspectRatios(config: ConfigReader, tilesMax: number): number {
  const known = supportedCanvases(tilesMax).map(({ rows, columns }) => [rows, columns]);
  if (config.has("supported_aspect_ratios")) {
    const isRatio = (value: unknown): value is [number, number] =>
      Array.isArray(value) && value.length === 2 && value.every(Number.isInteger);
    const listed = config.list("supported_aspect_ratios", known.length, "pairs of integers", isRatio);
    if (!listed.every(([rows, columns], i) => rows === known[i][0] && columns === known[i][1])) {
      throw config.unsupported("supported_aspect_ratios", JSON.stringify(known), JSON.stringify(listed));
    }
  }
  return known.length;
}
