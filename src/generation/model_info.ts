/**
 * What a model is and what it takes.
 *
 * @module
 */
import type { MemoryLimit } from "../platform/memory_limit.ts";
import type { VisionInfo } from "../vision/vision_model.ts";

/** One linear module. */
export interface ModuleInfo {
  /** As the model code calls it. */
  name: string;
  /** How the file stores it: "gptq", "awq", "f16", "bf16", "f32", … */
  format: string;
  /** Bits of a stored weight. */
  bits: number;
  /** Inputs that share a scale in the file; 0: none do. */
  groupSize: number;
  /** Form in memory: "int4", "int8", "int7", "f16", "bf16" or "f32". */
  memoryFormat: string;
  /** Bytes in memory. */
  bytes: number;
}

/** Bytes in memory. */
export interface MemoryInfo {
  /** Of the weights. */
  weights: number;
  /** Of the key/value cache, for each 1,024 tokens of a sequence. */
  keyValuePer1024Tokens: number;
  /** Of the key/value cache of a sequence that fills the context. */
  keyValue: number;
  /** Buffers of the forward pass and of loading, in all of the model's memories. */
  working: number;
  /** Buffers of the vision tower, touched with the first picture only; 0 for text models. */
  vision: number;
  /** Keys and values of the largest picture; 0 for text models, and where pictures are part of the sequence. */
  picture: number;
  /** The JavaScript runtime with this library and a tokenizer. */
  runtime: number;
  /** All of the above: one sequence that fills the context, with one picture. */
  total: number;
  /** What may be taken, where that is known. */
  available?: MemoryLimit;
  /** Whether the total may be taken, where that is known. */
  fits?: boolean;
}

/** A model's description. */
export interface ModelInfo {
  /** `model_type` of config.json. */
  architecture: string;
  /** Weights that were trained, each counted once. */
  parameterCount: number;
  /** Logits of a token. */
  vocabularySize: number;
  /** Floats of a token between layers. */
  hiddenSize: number;
  /** Layers of the decoder. */
  layerCount: number;
  /** Heads of queries. */
  headCount: number;
  /** Heads of keys and values. */
  keyValueHeadCount: number;
  /** Floats of a head. */
  headSize: number;
  /** Tokens that a sequence may have. */
  contextSize: number;
  /** Of models that look at pictures. */
  vision?: VisionInfo;
  /** Tables and linear layers. */
  modules: ModuleInfo[];
  /** What the model takes. */
  memory: MemoryInfo;
}
