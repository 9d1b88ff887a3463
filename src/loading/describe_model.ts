/**
 * What a model is and what it takes, from its headers alone.
 *
 * @module
 */
import { elementCount } from "../formats/containers/safetensors.ts";
import type { ModelInfo, ModuleInfo } from "../generation/model_info.ts";
import type { Decoder } from "../models/decoder.ts";
import type { VisionModel } from "../vision/vision_model.ts";
import type { Linear } from "../weights/linear.ts";
import type { WeightPlan } from "../weights/plan.ts";

/** A model as its headers describe it. */
export interface DescribedModel {
  /** `model_type` of config.json. */
  name: string;
  decoder: Decoder;
  vision?: VisionModel;
  plan: WeightPlan;
}

export function describeModel(
  { name: architecture, decoder: { config }, vision, plan }: DescribedModel,
  { contextSize, memory }: Pick<ModelInfo, "contextSize" | "memory">,
): ModelInfo {
  const modules = [...plan.linearLayers()];
  // A tied head is in both lists, once in memory for each form, once among the parameters.
  const sizes = new Map(modules.map(({ name, outputs, inputs }) => [name, outputs * inputs]));
  let parameterCount = 0;
  for (const size of sizes.values()) parameterCount += size;
  for (const { length } of plan.vectors.values()) parameterCount += length;
  for (const { stored } of plan.arrays.values()) parameterCount += elementCount(stored.shape);
  return {
    architecture,
    parameterCount,
    vocabularySize: config.vocabularySize,
    hiddenSize: config.hiddenSize,
    layerCount: config.layers.length,
    headCount: config.heads,
    keyValueHeadCount: config.kvHeads,
    headSize: config.headSize,
    contextSize,
    ...(vision && { vision: vision.info }),
    modules: modules.map(describeModule),
    memory,
  };
}

function describeModule(
  { name, stored: { format, bits, groupSize }, form: { type }, bytes }: Linear,
): ModuleInfo {
  return { name, format, bits, groupSize, memoryFormat: type, bytes };
}
