/**
 * What a model is and what it takes, from its headers alone.
 *
 * @module
 */
import { KIND_INT4 } from "../../kernels/shared/layout.ts";
import type { Architecture } from "../models/registry.ts";
import { elementCount } from "../formats/safetensors.ts";
import { kindName, type PlannedLinear, type WeightPlan } from "../weights/plan.ts";
import { pictureShapeOf } from "./key_value_cache.ts";
import type { MemoryInfo, MemoryPlan } from "./memory_plan.ts";

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
  { contextSize, memory }: MemoryPlan,
): ModelInfo {
  let parameterCount = 0;
  const modules = [...plan.tables.values(), ...plan.linears.values()];
  // A tied head is in both lists, once in memory for each form, once among the parameters.
  const sizes = new Map(modules.map(({ name, outputs, inputs }) => [name, outputs * inputs]));
  for (const size of sizes.values()) parameterCount += size;
  for (const { length } of plan.vectors.values()) parameterCount += length;
  for (const { stored } of plan.arrays.values()) parameterCount += elementCount(stored.shape);
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
    memory,
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
