/**
 * What a model is and what it takes, from its headers alone.
 *
 * @module
 */
import { KIND_INT4 } from "../../kernels/shared/layout.ts";
import { STEP_ROWS_MAX, workspaceShape } from "../models/decoder/decoder.ts";
import { pictureTokens } from "../models/mllama/vision_config.ts";
import { VisionTower } from "../models/mllama/vision_tower.ts";
import type { Architecture } from "../models/registry.ts";
import { Workspace } from "../ops/workspace.ts";
import { elementCount } from "../formats/safetensors.ts";
import { kindName, type PlannedLinear, type WeightPlan } from "../weights/plan.ts";
import { cacheShapeOf, keyValueBytes, pictureShapeOf } from "./key_value_cache.ts";

/** One linear module. */
export interface ModuleInfo {
  name: string;
  /** How the file stores it: "gptq", "f16", "bf16", "f32". */
  format: string;
  /** Bits of a stored weight. */
  bits: number;
  /** Inputs that share a scale in the file; 0: none do. */
  groupSize: number;
  /** Form in memory: "int4", "int8", "f16", "bf16" or "f32". */
  memoryFormat: string;
  /** Bytes in memory. */
  bytes: number;
}

/** Bytes in memory. */
export interface MemoryInfo {
  weights: number;
  /** Of the key/value cache, for each 1,024 tokens of a sequence. */
  keyValuePer1024Tokens: number;
  /** Buffers of the forward pass. */
  working: number;
  /** Buffers of the vision tower, touched with the first picture only; 0 for text models. */
  vision: number;
  /** Keys and values of a picture that fills all tiles; 0 for text models. */
  picture: number;
  /** Weights, all buffers, a cache of `contextSize` tokens, and one picture. */
  total: number;
}

/** How a model looks at pictures. */
export interface VisionInfo {
  /** Pixels on a side of a tile, and tiles of a picture at most. */
  tileSize: number;
  tilesMax: number;
  layerCount: number;
  hiddenSize: number;
  /** Layers of the decoder that look. */
  crossAttentionLayerCount: number;
}

/** A model's description. */
export interface ModelInfo {
  /** `model_type` of config.json. */
  architecture: string;
  parameterCount: number;
  vocabularySize: number;
  hiddenSize: number;
  layerCount: number;
  headCount: number;
  keyValueHeadCount: number;
  headSize: number;
  /** Tokens that a sequence may have. */
  contextSize: number;
  /** Of models that look at pictures. */
  vision?: VisionInfo;
  modules: ModuleInfo[];
  memory: MemoryInfo;
}

export function describeModel(
  { name, decoder, vision }: Architecture,
  plan: WeightPlan,
  contextSize: number,
  threads: number,
): ModelInfo {
  const cacheShape = cacheShapeOf(decoder);
  const weights = plan.bytes;
  const working = Workspace.bytesOf(workspaceShape(decoder, Math.min(STEP_ROWS_MAX, contextSize)), threads);
  let parameterCount = 0;
  const modules = [...plan.tables.values(), ...plan.linears.values()];
  // A tied head is in both lists, once in memory for each form, once among the parameters.
  const sizes = new Map(modules.map(({ name, outputs, inputs }) => [name, outputs * inputs]));
  for (const size of sizes.values()) parameterCount += size;
  for (const { length } of plan.vectors.values()) parameterCount += length;
  for (const { stored } of plan.arrays.values()) parameterCount += elementCount(stored.shape);
  const tower = vision ? VisionTower.bytes(vision, decoder.hiddenSize, threads) : 0;
  const picture = vision ? keyValueBytes(pictureShapeOf(decoder), pictureTokens(vision)) : 0;
  return {
    architecture: name,
    parameterCount,
    vocabularySize: decoder.vocabularySize,
    hiddenSize: decoder.hiddenSize,
    layerCount: decoder.layers.length,
    headCount: decoder.heads,
    keyValueHeadCount: decoder.kvHeads,
    headSize: decoder.headSize,
    contextSize,
    ...(vision && {
      vision: {
        tileSize: vision.imageSize,
        tilesMax: vision.tilesMax,
        layerCount: vision.layers + vision.globalLayers,
        hiddenSize: vision.hiddenSize,
        crossAttentionLayerCount: pictureShapeOf(decoder).layers,
      },
    }),
    modules: modules.map(describeModule),
    memory: {
      weights,
      keyValuePer1024Tokens: keyValueBytes(cacheShape, 1024),
      working,
      vision: tower,
      picture,
      total: weights + working + tower + keyValueBytes(cacheShape, contextSize) + picture,
    },
  };
}

function describeModule({ name, stored, kind, bytes }: PlannedLinear): ModuleInfo {
  const memoryFormat = kindName(kind);
  if (stored.kind === "dense") {
    const format = stored.weight.dtype.toLowerCase();
    return { name, format, bits: format === "f32" ? 32 : 16, groupSize: 0, memoryFormat, bytes };
  }
  return {
    name,
    format: "gptq",
    bits: kind === KIND_INT4 ? 4 : 8,
    groupSize: stored.groupSize,
    memoryFormat,
    bytes,
  };
}
