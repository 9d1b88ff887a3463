/**
 * From a name to a model that answers.
 *
 * @module
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { CONFIG_BYTES_MAX } from "../core/limits.ts";
import { memoryLimit } from "../core/memory_limit.ts";
import { Turns } from "../core/turns.ts";
import { type Checkpoint, openCheckpoint } from "../formats/checkpoint.ts";
import { respellRules, respellTensors } from "../formats/module_names.ts";
import { readQuantizationConfig } from "../formats/quantization_config.ts";
import { openSource } from "../io/open.ts";
import { readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import { ConfigReader } from "../models/config_reader.ts";
import { Decoder, STEP_ROWS_MAX } from "../models/decoder/decoder.ts";
import { layerPart, takeDecoderWeights } from "../models/decoder/weights.ts";
import type { DecoderConfig } from "../models/decoder/config.ts";
import { readTileSettings } from "../models/mllama/preprocessor.ts";
import { VisionTower } from "../models/mllama/vision_tower.ts";
import { takeVisionWeights, VISION_PART } from "../models/mllama/vision_weights.ts";
import { type Architecture, readArchitecture, spellingsOf } from "../models/registry.ts";
import { keyValueKind, type KeyValueStorage } from "../ops/key_value_block.ts";
import { type LoadProgress, loadWeights } from "../weights/load.ts";
import type { LoadedWeights } from "../weights/loaded_weights.ts";
import { type DenseStorage, type Precision, WeightPlan } from "../weights/plan.ts";
import type { TileSettings } from "../image/tiles.ts";
import { Batches } from "./batches.ts";
import type { Engine } from "./engine.ts";
import { cacheShapeOf, pictureShapeOf } from "./key_value_cache.ts";
import { type MemoryPlan, planMemory, refuseUnlessFits } from "./memory_plan.ts";
import { Model } from "./model.ts";
import { ModelDigest } from "./model_digest.ts";
import { describeModel, type ModelInfo } from "./model_info.ts";
import { type GenerationDefaults, readGenerationDefaults, TextFiles } from "./text_files.ts";
import { chooseThreads } from "./threads.ts";
import { type CrossAttentionRows, Vision } from "./vision.ts";
import { cachePathIn, loadThroughCache, repackInto } from "./weight_cache.ts";

/** How to load a model; every field has a default. */
export interface LoadOptions {
  /** Threads that compute; default: the physical cores this process may use. 1: no worker and no shared memory. */
  threads?: number;
  /**
   * "int8" (default): activations as 8-bit codes against INT4 weights, dense weights as 8-bit codes. "f32": both exact, for
   * comparison with other implementations; slower.
   */
  precision?: Precision;
  /**
   * Under "int8", what becomes of matrices that the file leaves unquantised: "int8" (default) makes 8-bit codes of them, 7-bit
   * ones in a vision tower, wherever the model bears it; "f16" keeps all as they are stored. docs/numerics.md has the
   * measurements.
   */
  dense?: DenseStorage;
  /**
   * Tokens that a sequence may have; default: the model's, at most 131,072, or fewer where their keys and values would take more
   * than half of the memory that is left beside the model, or 2 GiB where nothing is known of the machine (docs/memory.md).
   */
  contextSize?: number;
  /** Bytes that the model may take in all; default: what is known of the machine and its cgroup (docs/memory.md). */
  memoryBytes?: number;
  /**
   * Storage of keys and values: floats ("f32", the default under precision "f32"), two bytes ("f16", the default elsewhere: half the
   * memory, faster, and as accurate as half floats) or one ("int8"). docs/numerics.md has the measurements.
   */
  kvCache?: KeyValueStorage;
  /** Which kernels: relaxed SIMD where the engine has it ("auto"), or forced. Both give the same bits. */
  kernels?: "auto" | "relaxed" | "strict";
  /**
   * Models that look at pictures: what rows before the first picture take from it: nothing ("meta", default: as such models are
   * trained), or what transformers computes, for comparison with it.
   */
  crossAttentionRows?: CrossAttentionRows;
  /** Bytes of one kernel memory at most, default nearly 4 GiB; a larger model lies in several. Smaller for tests. */
  bankBytes?: number;
  /** Refuse everything that would need the network. */
  offline?: boolean;
  /**
   * Keep the weights as they lie in memory in a file, and read that file when it is there: `repacked.remora` in the model's
   * folder (true), or this one. What is in the way of it goes to `onNotice`, but a file of this name that holds anything else is
   * refused. Default: none is read or written.
   */
  cache?: boolean | string;
  /** Told in one line what went otherwise than asked for and does no harm. */
  onNotice?(text: string): void;
  /** Told after every few MB. */
  onProgress?(progress: LoadProgress): void;
  /** Stops loading; nothing is left behind. */
  signal?: AbortSignal;
}

/** A model as its headers describe it. */
interface InspectedModel {
  source: ModelSource;
  architecture: Architecture;
  tileSettings?: TileSettings;
  checkpoint: Checkpoint;
  plan: WeightPlan;
  threads: number;
  kvCache: KeyValueStorage;
  memory: MemoryPlan;
  info: ModelInfo;
  defaults: GenerationDefaults;
  /** The parsed config.json. */
  config: unknown;
}

/**
 * Loads a model and starts its threads.
 *
 * @param source A directory, an http(s) URL of one, a hub id `owner/name[@revision]`, or a `ModelSource`.
 * @throws {RemoraError} FILE_NOT_FOUND, BAD_FILE, BAD_CONFIG, BAD_TENSOR, MISSING_TENSOR, UNSUPPORTED, OUT_OF_MEMORY or
 * WORKER_FAILED, naming file and tensor; nothing is left behind then. The signal's reason when it fires.
 *
 * @example One answer
 * ```ts
 * import { loadModel } from "../../mod.ts";
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
  const inspected = await inspect(source, options);
  const { architecture, checkpoint, plan, info, threads, memory } = inspected;
  const { decoder: config } = architecture;
  const { contextSize } = memory;
  let kernels: Kernels | undefined;
  try {
    refuseUnlessFits(inspected.source.label ?? "the model", memory);
    // A tokenizer keeps this thread busy for up to 0.3 s; the others start meanwhile.
    const [started, read] = await Promise.allSettled([
      Kernels.startBanks(threads, options.kernels ?? "auto", memory.banks),
      TextFiles.read(inspected.source),
    ]);
    if (started.status === "rejected") throw started.reason;
    const banks = started.value;
    kernels = banks[0];
    if (read.status === "rejected") throw read.reason;
    const text = read.value;
    const kernelsOf = (part: string) => banks[memory.bankOf.get(part)!];
    const digest = new ModelDigest(checkpoint);
    const weights = await weightsOf(inspected, digest, kernelsOf, options);
    kernels.chooseDotForm();
    for (const bank of banks) bank.wideDot = kernels.wideDot;
    const taker = takerOf(plan, weights);
    const taken = takeDecoderWeights(config, taker, architecture.decoderPrefix);
    const rows = Math.min(STEP_ROWS_MAX, contextSize);
    const { precision = "int8", crossAttentionRows: crossRows = "meta" } = options;
    const layerKernels = ({ layers }: DecoderConfig, isCross: boolean) =>
      layers.flatMap((layer, i) => (layer.isCross ?? false) === isCross ? [kernelsOf(layerPart(i))] : []);
    const kind = keyValueKind(inspected.kvCache);
    const decoder = new Decoder(config, taken, precision, kernelsOf, rows);
    const turns = new Turns();
    const engine: Engine = {
      kernels,
      memories: banks.length,
      decoder,
      batches: new Batches(decoder, turns),
      turns,
      cache: { ...cacheShapeOf(config, kind), kernels: layerKernels(config, false) },
      ...(architecture.vision && {
        vision: new Vision({
          tower: new VisionTower(
            architecture.vision,
            takeVisionWeights(architecture.vision, config, taker),
            precision,
            kernelsOf(VISION_PART),
          ),
          decoder,
          turns,
          kernels: kernelsOf(VISION_PART),
          place: { ...pictureShapeOf(config, kind), kernels: layerKernels(config, true) },
          settings: inspected.tileSettings!,
          imageToken: architecture.imageToken!,
          rows: crossRows,
        }),
      }),
      contextSize,
      origin: {
        model: digest.name(inspected.config),
        precision,
        dense: options.dense ?? "int8",
        kvCache: inspected.kvCache,
        ...(architecture.vision && { crossAttentionRows: crossRows }),
      },
    };
    return new Model(info, engine, text, inspected.defaults);
  } catch (error) {
    await kernels?.close();
    throw error;
  } finally {
    inspected.source.close?.();
  }
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
 * import { loadModel, repackModel } from "../../mod.ts";
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
  const inspected = await inspect(source, options);
  const { plan, config, memory, threads, source: { folder, label } } = inspected;
  let kernels: Kernels | undefined;
  try {
    refuseUnlessFits(label ?? "the model", memory);
    const file = options.file ?? (folder === undefined ? undefined : cachePathIn(folder));
    if (file === undefined) throw withoutFolder(label);
    const banks = await Kernels.startBanks(threads, options.kernels ?? "auto", memory.banks);
    kernels = banks[0];
    const kernelsOf = (part: string) => banks[memory.bankOf.get(part)!];
    const digest = new ModelDigest(inspected.checkpoint);
    await repackInto(file, { ...options, plan, config, digest, kernelsOf });
    return { file, bytes: (await Deno.stat(file)).size };
  } finally {
    await kernels?.close();
    inspected.source.close?.();
  }
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
  const inspected = await inspect(source, options);
  inspected.source.close?.();
  return inspected.info;
}

async function inspect(where: string | URL | ModelSource, options: LoadOptions): Promise<InspectedModel> {
  const { precision = "int8", dense = "int8", signal, offline } = options;
  const kvCache = options.kvCache ?? (precision === "f32" ? "f32" : "f16");
  const threads = chooseThreads(options.threads);
  refuseUnknown("precision", precision, ["int8", "f32"]);
  refuseUnknown("dense", dense, ["int8", "f16"]);
  refuseUnknown("kernels", options.kernels ?? "auto", ["auto", "relaxed", "strict"]);
  refuseUnknown("kvCache", kvCache, ["f32", "f16", "int8"]);
  const { memoryBytes } = options;
  if (memoryBytes !== undefined && !(memoryBytes >= 0)) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use memoryBytes", {
      expected: "a number from 0 on",
      found: `${memoryBytes}`,
    });
  }
  refuseUnknown("crossAttentionRows", options.crossAttentionRows ?? "meta", ["meta", "transformers"]);
  signal?.throwIfAborted();
  const source = await openSource(where, { offline, signal });
  try {
    const files = await source.list();
    const json = await readJsonObject(source, files, "config.json", CONFIG_BYTES_MAX, "BAD_CONFIG");
    if (!json) {
      throw new RemoraError("FILE_NOT_FOUND", "Cannot find", {
        file: "config.json",
        found: `none in ${source.label ?? "the model"}`,
      });
    }
    const config = new ConfigReader("config.json", json);
    const spellings = spellingsOf(config);
    const checkpoint = respellTensors(await openCheckpoint(source), spellings);
    const architecture = readArchitecture(config, (tensor) => checkpoint.tensors.get(tensor)?.shape);
    const { decoder, vision } = architecture;
    const defaults = await readGenerationDefaults(source, config);
    const quantization = await readQuantizationConfig(source);
    const plan = new WeightPlan(
      checkpoint,
      quantization && respellRules(quantization, spellings),
      precision,
      dense,
    );
    takeDecoderWeights(decoder, plan, architecture.decoderPrefix);
    if (vision) takeVisionWeights(vision, decoder, plan);
    const tileSettings = vision && await readTileSettings(source, vision);
    const limit = memoryBytes === undefined ? memoryLimit() : { bytes: memoryBytes, source: "memoryBytes" };
    const memory = planMemory(architecture, plan, { ...options, precision, kvCache, threads }, limit);
    const info = describeModel(architecture, plan, memory);
    return {
      source,
      architecture,
      ...(tileSettings && { tileSettings }),
      checkpoint,
      plan,
      threads,
      kvCache,
      memory,
      info,
      defaults,
      config: json,
    };
  } catch (error) {
    source.close?.();
    throw error;
  }
}

/** The weights, from a cache where one is wished for and can be. */
async function weightsOf(
  { source, plan, config }: InspectedModel,
  digest: ModelDigest,
  kernelsOf: (part: string) => Kernels,
  options: LoadOptions,
): Promise<LoadedWeights> {
  const { cache = false, onNotice } = options;
  if (typeof cache === "string" || (cache && source.folder !== undefined)) {
    const path = typeof cache === "string" ? cache : cachePathIn(source.folder!);
    const load = { ...options, plan, config, digest, kernelsOf };
    return await loadThroughCache(path, typeof cache === "string", load);
  }
  if (cache) onNotice?.(withoutFolder(source.label).message);
  return await loadWeights(plan, digest.checkpoint, kernelsOf, options);
}

function withoutFolder(label = "the model"): RemoraError {
  return new RemoraError("BAD_ARGUMENT", "Cannot keep repacked weights beside", {
    file: label,
    expected: "a local folder, or the name of a file",
    found: "neither",
  });
}

function refuseUnknown(option: string, value: string, known: string[]): void {
  if (known.includes(value)) return;
  throw new RemoraError("BAD_ARGUMENT", `Cannot use ${option}`, {
    expected: known.join(" or "),
    found: `${value}`,
  });
}

/** The loaded weights as a taker: what the plan walked is walked again, with addresses in place of plans. */
function takerOf(plan: WeightPlan, { tables, linears, vectors, arrays }: LoadedWeights) {
  return {
    table: (name: string) => tables.get(name)!,
    linear: (name: string) => linears.get(name) ?? tables.get(name)!,
    vector: (name: string) => vectors.get(name)!,
    array: (name: string) => arrays.get(name)!,
    part: () => {},
    has: (name: string) => plan.has(name),
  };
}
