/**
 * remora runs INT4 language models on the CPU: the GPTQ and AWQ files that people already have, from TypeScript, with WebAssembly
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
import type { LoadOptions } from "./src/loading/options.ts";
import { type EngineInfo, probeEngine as probe } from "./src/loading/engine.ts";
import type { ModelSource } from "./src/io/source.ts";
import type { ModelFile } from "./src/loading/inspect_files.ts";
import { type InstalledModel, installedModels, type Removal, removeInstalled } from "./src/hub/installed.ts";
import { findModelOf, pull, type PullOptions, type PullProgress } from "./src/hub/pull.ts";
import { type MachineInfo, ModelLoader } from "./src/loading/load_model.ts";
import {
  type ConversationState,
  type LoadedConversation,
  readConversation,
  writeConversation,
} from "./src/generation/conversation_file.ts";
import type { Model } from "./src/generation/model.ts";
import type { ModelInfo } from "./src/generation/model_info.ts";
import { platform } from "./src/platform/current.ts";
import { convertInto, type ConvertOptions, type WrittenFormat } from "./src/quantization/convert_model.ts";
import { quantizeInto } from "./src/quantization/quantize_model.ts";
import type { QuantizeOptions, QuantizeProgress } from "./src/quantization/options.ts";
import { createServerHandler, type Handler, type ModelsToServe } from "./src/server/handler.ts";
import { createFallbackHandler, type FallbackHandler } from "./src/fallback/handler.ts";
import type { AnswerRecord, CircuitChange, FallbackOptions } from "./src/fallback/options.ts";
import type { ServerOptions, StateStore } from "./src/server/options.ts";
import type { Sequence } from "./src/sequence/sequence.ts";

export { type ErrorCode, type ErrorDetails, printable, RemoraError } from "./src/core/errors.ts";
export { describeBytes, describeCount, describeInteger } from "./src/core/figures.ts";
export {
  type CodeBits,
  gptqToMarlin,
  marlinPermuteScales,
  marlinToGptq,
  marlinToPanels,
  unpackGptq,
} from "./src/formats/marlin/marlin.ts";
export { SYNTHETIC_SHAPES, syntheticModelSource, type SyntheticShapeName } from "./src/formats/synthetic.ts";
export { type PlannedTensor, safetensorsHeader } from "./src/formats/containers/safetensors_writer.ts";
export type { Constraint, Tool, ToolChoice } from "./src/dialects/answer_grammar.ts";
export type { AnswerPart, AnswerReader } from "./src/dialects/answer_parts.ts";
export { TOOL_CALL_FORMATS } from "./src/dialects/registry.ts";
export type { PreparedRequest, RunOptions } from "./src/generation/model.ts";
export type {
  BegunAnswer,
  Budget,
  Completion,
  FinishReason,
  GenerateChunk,
  GenerateRequest,
  TokenLogprobs,
  Usage,
} from "./src/generation/requests.ts";
export type { EngineInfo } from "./src/loading/engine.ts";
export type { MemoryInfo, ModuleInfo } from "./src/generation/model_info.ts";
export { decodeImage, type Pixels } from "./src/image/decode.ts";
export type { ImageInput, PreparedImage, RawImage, SeenImage } from "./src/image/input.ts";
export { encodePng } from "./src/image/png/encode.ts";
export { resizeBilinear } from "./src/image/resize.ts";
export { nearestName } from "./src/core/nearest.ts";
export { createMetrics } from "./src/platform/current.ts";
export type { MetricsRegistry } from "./src/platform/platform.ts";
export { memoryModelSource } from "./src/io/memory.ts";
export { remoteModelSource } from "./src/io/remote.ts";
export type { Trace } from "./src/models/decoder.ts";
export type { MemoryLimit } from "./src/platform/memory_limit.ts";
export type { SamplingOptions } from "./src/sampling/sampler.ts";
export type { LocalState } from "./src/fallback/local_model.ts";
export type { CircuitState } from "./src/fallback/circuit_breaker.ts";
export type { KeyValueStorage } from "./src/sequence/key_value_cache.ts";
export type { PictureAttention } from "./src/sequence/attention_map.ts";
export type { ForwardOptions, ForwardResult } from "./src/sequence/sequence.ts";
export type { RenderOptions } from "./src/text/chat_template.ts";
export type { ContentPart, Message } from "./src/text/messages.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer } from "./src/text/tokenizer.ts";
export type { CrossAttentionRows, FewerTiles, VisionInfo } from "./src/vision/vision_model.ts";
export type { LoadProgress } from "./src/weights/load.ts";
export type { DenseRounding, DenseStorage, EmbeddingStorage, Precision } from "./src/weights/plan.ts";
export type {
  AnswerRecord,
  CircuitChange,
  FallbackHandler,
  FallbackOptions,
  Handler,
  InstalledModel,
  ModelsToServe,
  PullOptions,
  PullProgress,
  Removal,
  ServerOptions,
  StateStore,
};
export type {
  ConversationState,
  ConvertOptions,
  LoadedConversation,
  LoadOptions,
  MachineInfo,
  Model,
  ModelFile,
  ModelInfo,
  ModelSource,
  QuantizeOptions,
  QuantizeProgress,
  Sequence,
  WrittenFormat,
};

const loader = new ModelLoader(platform);

/**
 * Loads a model and starts its threads.
 *
 * @param source A directory or a GGUF file, an http(s) URL of one, a hub id `owner/name[@revision][:quantisation]`, or a `ModelSource`.
 * A model of the hub is taken from the cache where it was downloaded ({@linkcode pullModel}), else read from the hub as it is needed.
 * @throws {RemoraError} FILE_NOT_FOUND, BAD_FILE, BAD_CONFIG, BAD_TENSOR, MISSING_TENSOR, UNSUPPORTED, OUT_OF_MEMORY or
 * WORKER_FAILED, naming file and tensor; its threads have ended then and its memory is given back. The signal's reason when it fires.
 *
 * @example One answer
 * ```ts
 * import { loadModel } from "./mod.ts";
 * async function answer(path: string): Promise<string> {
 *   await using model = await loadModel(path, { threads: 2 });
 *   const { text } = await model.complete({ prompt: "The capital of France is", maxTokens: 8 });
 *   return text;
 * }
 * ```
 */
export async function loadModel(
  source: string | URL | ModelSource,
  options: LoadOptions = {},
): Promise<Model> {
  return await loader.load(source, options);
}

/**
 * Writes a quantised model in another format, code by code: between GPTQ (v1 and v2), AWQ (gemm) and compressed-tensors (packed). What the
 * other format cannot hold is refused by name: act-order and 8 bits in AWQ, zero points of 0 in GPTQ v1.
 *
 * @param folder A folder that is made; it is there only when it is whole. `FOLDER.partial` is used meanwhile.
 * @throws {RemoraError} As {@linkcode loadModel}; UNSUPPORTED for a model that the format cannot hold; BAD_ARGUMENT for a folder that is
 * there. The signal's reason when it fires; nothing is left then.
 *
 * @example For an engine that reads compressed-tensors
 * ```ts
 * import { convertModel } from "./mod.ts";
 * async function convert(model: string): Promise<void> {
 *   await convertModel(model, `${model}-ct`, { to: "compressed-tensors" });
 * }
 * ```
 */
export async function convertModel(
  source: string | URL | ModelSource,
  folder: string,
  options: ConvertOptions,
): Promise<void> {
  await convertInto(source, folder, options, loader.surroundings());
}

/**
 * Writes a model in codes of 4 or 8 bits, as a GPTQ checkpoint that this library, transformers, GPTQModel and vLLM read. One layer at a
 * time lies in memory, as it was and as it is rounded, and the states that both make of the calibration: twice sequences × their length ×
 * hidden size × 4 bytes. Of a model that looks at pictures, the layers that do and the vision tower stay as they are.
 *
 * @param source A model with unquantised weights: a directory, a URL, a hub id or a `ModelSource`.
 * @param folder A folder that is made; it is there only when it is whole. `FOLDER.partial` is used meanwhile.
 * @throws {RemoraError} As {@linkcode loadModel}; BAD_ARGUMENT for settings that cannot be, naming the option, or a folder that is there;
 * UNSUPPORTED for a model that cannot be quantised with them, naming the module. The signal's reason when it fires; nothing is left then.
 *
 * @example To 4 bits
 * ```ts
 * import { quantizeModel } from "./mod.ts";
 * async function quantize(model: string, text: string): Promise<void> {
 *   await quantizeModel(model, `${model}-int4`, { calibration: text, groupSize: 64 });
 * }
 * ```
 */
export async function quantizeModel(
  source: string | URL | ModelSource,
  folder: string,
  options: QuantizeOptions = {},
): Promise<void> {
  await quantizeInto(source, folder, options, loader.surroundings());
}

/**
 * Writes the weights as they lie in memory into a file, for {@linkcode LoadOptions.cache}.
 *
 * @param file Where to; default: `repacked.remora` in the model's folder. Whatever is there is replaced.
 * @returns The file, and its bytes.
 * @throws {RemoraError} As {@linkcode loadModel}; BAD_ARGUMENT for a model without a folder and no file named, BAD_FILE when the
 * file cannot be written.
 *
 * @example Repack once, load fast
 * ```ts
 * import { loadModel, repackModel } from "./mod.ts";
 * async function repackAndLoad(path: string) {
 *   const { file } = await repackModel(path);
 *   return await loadModel(path, { cache: file });
 * }
 * ```
 */
export async function repackModel(
  source: string | URL | ModelSource,
  options: LoadOptions & { file?: string } = {},
): Promise<{ file: string; bytes: number }> {
  return await loader.repack(source, options);
}

/**
 * Downloads what a model of the Hugging Face hub needs into the cache that Python's `huggingface_hub` uses too, as far as it is not
 * there. Files count when their hash is right; what an interrupted call has brought stays for the next. docs/hub.md says what is
 * fetched, and which variables of the environment and permissions count.
 *
 * @param name `owner/name`, with `@revision` for another than `main`, with `:Q4_K_M` for one of several GGUF files.
 * @returns The snapshot's folder, for {@linkcode loadModel}; one with several GGUF models is loaded by the name.
 * @throws {RemoraError} BAD_ARGUMENT for a name that is none, or a quantisation that must be chosen; FILE_NOT_FOUND when the hub does
 * not have it, does not answer or may not be reached; BAD_FILE when its answers are wrong or the disk is full; UNSUPPORTED where there
 * is no model that can be loaded, or the host has no files. The signal's reason when it fires.
 *
 * @example Download and load
 * ```ts
 * import { loadModel, type Model, pullModel } from "./mod.ts";
 * async function fetchModel(name: string): Promise<Model> {
 *   const folder = await pullModel(name, { onNotice: console.error });
 *   return await loadModel(folder);
 * }
 * ```
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<string> {
  const { folder } = await pull(platform, name, options);
  return folder;
}

/**
 * Looks for a model of the hub in the cache, without the network.
 *
 * @param name As for {@linkcode pullModel}.
 * @returns Its folder, or its file where that is one of several models; `undefined` where it is not there as a whole, or where that may
 * not be known.
 *
 * @example Is it here?
 * ```ts
 * import { findModel } from "./mod.ts";
 * console.log(await findModel("owner/name") ?? "not downloaded");
 * ```
 */
export async function findModel(name: string): Promise<string | undefined> {
  return await findModelOf(platform, name);
}

/**
 * The models of the hub that are in the cache, those of Python's `huggingface_hub` too.
 *
 * @throws {RemoraError} FILE_NOT_FOUND where the variables that say where the cache is may not be read, UNSUPPORTED on hosts without
 * files.
 *
 * @example How much disk do they take?
 * ```ts
 * import { listModels } from "./mod.ts";
 * async function bytesOfModels(): Promise<number> {
 *   const models = await listModels();
 *   return models.reduce((sum, { bytes }) => sum + bytes, 0);
 * }
 * ```
 */
export async function listModels(): Promise<InstalledModel[]> {
  return await installedModels(platform);
}

/**
 * Removes a model from the cache: its snapshots, the names of their revisions, and the files that no other snapshot has.
 *
 * @param name `owner/name` for all its snapshots, `owner/name@revision` for one.
 * @param options.dryRun Only say what would be removed.
 * @throws {RemoraError} FILE_NOT_FOUND when it is not there, BAD_FILE while it is being downloaded or where it may not be removed.
 *
 * @example Make room
 * ```ts
 * import { removeModel } from "./mod.ts";
 * const makeRoom = (name: string) => removeModel(name).bytes;
 * ```
 */
export function removeModel(name: string, options: { dryRun?: boolean } = {}): Removal {
  return removeInstalled(platform, name, options);
}

/**
 * Which kernels run on this machine and how wide their vectors are, found by a trial of some 50 ms.
 *
 * @throws {RemoraError} UNSUPPORTED when the engine's arithmetic is wrong.
 *
 * @example Is the 256-bit form on?
 * ```ts
 * import { probeEngine } from "./mod.ts";
 * const { vectorBits } = await probeEngine();
 * console.log(vectorBits);
 * ```
 */
export async function probeEngine(): Promise<EngineInfo> {
  return await probe(platform);
}

/**
 * What a model is and what it will take, from its headers alone: no weights are read, no thread is started.
 *
 * @throws {RemoraError} As {@linkcode loadModel}.
 */
export async function inspectModel(
  source: string | URL | ModelSource,
  options: LoadOptions = {},
): Promise<ModelInfo> {
  return await loader.inspect(source, options);
}

/**
 * The files that make a model, one by one: which are there, and which are damaged. Headers, settings and the tokenizer are read, no
 * weights.
 *
 * @throws {RemoraError} FILE_NOT_FOUND, BAD_ARGUMENT or UNSUPPORTED where the place itself cannot be opened, BAD_FILE where several
 * models could be meant. The signal's reason when it fires.
 *
 * @example What is missing?
 * ```ts
 * import { inspectFiles } from "./mod.ts";
 * async function missing(path: string): Promise<string[]> {
 *   const files = await inspectFiles(path);
 *   return files.filter(({ bytes, isNeeded }) => isNeeded && bytes === undefined).map(({ name }) => name);
 * }
 * ```
 */
export async function inspectFiles(
  source: string | URL | ModelSource,
  options: Pick<LoadOptions, "offline" | "signal"> = {},
): Promise<ModelFile[]> {
  return await loader.inspectFiles(source, options);
}

/**
 * What a model would be given of this machine, as far as the permissions that were granted tell.
 *
 * @example Is there room for 4 GB?
 * ```ts
 * import { inspectMachine } from "./mod.ts";
 * const { memory } = inspectMachine();
 * console.log(memory ? memory.bytes > 4e9 : "not known");
 * ```
 */
export function inspectMachine(): MachineInfo {
  return loader.inspectMachine();
}

/**
 * The server as a function from requests to responses: OpenAI's and Anthropic's endpoints and a page (docs/server.md). It opens no
 * port and needs no permission.
 *
 * @param models A model, or several by the names that clients call them by.
 * @throws {RemoraError} BAD_ARGUMENT for no model, and for a budget that counts nothing or has no key; UNSUPPORTED in a Worker whose
 * requests do not tell when their clients leave.
 *
 * @example Serve a model
 * ```ts
 * import { createHandler, loadModel } from "./mod.ts";
 * async function serve(path: string) {
 *   const model = await loadModel(path);
 *   return Deno.serve({ port: 8000, hostname: "127.0.0.1" }, createHandler({ "my-model": model }));
 * }
 * ```
 */
export function createHandler(models: ModelsToServe, options: ServerOptions = {}): Handler {
  const { requestsMax, withoutLeaving } = platform;
  return createServerHandler(models, options, { requestsMax, withoutLeaving });
}

/**
 * A proxy before servers with OpenAI's endpoints: it passes everything through while they answer, and answers with a model of this
 * machine while they do not (docs/fallback.md). It opens no port.
 *
 * @throws {RemoraError} BAD_ARGUMENT for no upstream, or an address that cannot be meant.
 *
 * @example Stand in for a server
 * ```ts
 * import { createFallback, loadModel } from "./mod.ts";
 * function standIn(path: string) {
 *   const fallback = createFallback({ upstreams: ["http://127.0.0.1:8001"], model: () => loadModel(path) });
 *   return Deno.serve({ port: 8000, hostname: "127.0.0.1" }, fallback);
 * }
 * ```
 */
export function createFallback(options: FallbackOptions): FallbackHandler {
  return createFallbackHandler(options, platform);
}

/**
 * Reads a file of {@linkcode saveConversation}. Its snapshot goes into a sequence with `Sequence.restore`, which checks that it
 * is the same model's.
 *
 * @throws {RemoraError} FILE_NOT_FOUND, BAD_FILE, naming the file.
 */
export function loadConversation(path: string): LoadedConversation {
  return readConversation(platform, path);
}

/**
 * Writes a conversation and the sequence that has read it, to go on later or in another process. The file is the old one or the
 * new one at any time where the file `PATH.partial` may be written too.
 *
 * @throws {RemoraError} BAD_FILE when it cannot be written.
 *
 * @example Answer, and keep the conversation
 * ```ts
 * import { type Message, type Model, saveConversation } from "./mod.ts";
 * async function answer(model: Model, messages: Message[], path: string): Promise<void> {
 *   using sequence = model.createSequence();
 *   const { text, tokenIds } = await model.complete({ messages, sequence });
 *   const whole = [...messages, { role: "assistant", content: text }];
 *   await saveConversation(path, { messages: whole, tokenIds: [...sequence.tokenIds, ...tokenIds.slice(-1)] }, sequence);
 * }
 * ```
 */
export async function saveConversation(
  path: string,
  state: ConversationState,
  sequence: Sequence,
): Promise<void> {
  await writeConversation(platform, path, state, sequence);
}
