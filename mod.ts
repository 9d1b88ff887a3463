/**
 * remora runs INT4 language models on the CPU: the GPTQ files that people already have, from TypeScript, with WebAssembly
 * SIMD doing the arithmetic.
 *
 * @example A question and an answer
 * ```ts
 * import { loadModel } from "./mod.ts";
 *
 * async function ask(directory: string, question: string): Promise<void> {
 *   await using model = await loadModel(directory);
 *   for await (const { text } of model.generate({ messages: [{ role: "user", content: question }] })) {
 *     console.log(text);
 *   }
 * }
 * ```
 *
 * @module
 */
export { type ErrorCode, type ErrorDetails, RemoraError } from "./src/core/errors.ts";
export {
  type CodeBits,
  gptqToMarlin,
  marlinPermuteScales,
  marlinToGptq,
  marlinToPanels,
  unpackGptq,
} from "./src/formats/marlin.ts";
export { memoryModelSource } from "./src/io/memory.ts";
export type { ModelSource } from "./src/io/source.ts";
export type { ImageInput, PreparedImage, RawImage, SeenImage } from "./src/image/input.ts";
export { inspectModel, loadModel, type LoadOptions, repackModel } from "./src/generation/load_model.ts";
export type { Model } from "./src/generation/model.ts";
export type { PictureAttention } from "./src/generation/picture_attention.ts";
export type { CrossAttentionRows } from "./src/generation/vision.ts";
export type { MemoryInfo } from "./src/generation/memory_plan.ts";
export type { MemoryLimit } from "./src/core/memory_limit.ts";
export type { ModelInfo, ModuleInfo, VisionInfo } from "./src/generation/model_info.ts";
export type {
  Completion,
  FinishReason,
  GenerateChunk,
  GenerateRequest,
  TokenLogprobs,
  Usage,
} from "./src/generation/requests.ts";
export type { SamplingOptions } from "./src/generation/sampler.ts";
export type { ForwardOptions, ForwardResult, Sequence } from "./src/generation/sequence.ts";
export type { RenderOptions } from "./src/text/chat_template.ts";
export type { ContentPart, Message } from "./src/text/messages.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer } from "./src/text/tokenizer.ts";
export type { LoadProgress } from "./src/weights/load.ts";
export type { Precision } from "./src/weights/plan.ts";
export type { Trace } from "./src/models/decoder/decoder.ts";
