/**
 * From a name to a model that answers.
 *
 * @module
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { CONFIG_BYTES_MAX, DEFAULT_CONTEXT_MAX } from "../core/limits.ts";
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
import { pictureTokens } from "../models/mllama/vision_config.ts";
import { VisionTower } from "../models/mllama/vision_tower.ts";
import { takeVisionWeights, VISION_PART } from "../models/mllama/vision_weights.ts";
import { type Architecture, readArchitecture, spellingsOf } from "../models/registry.ts";
import { type LoadedWeights, type LoadProgress, loadWeights, stagingBytes } from "../weights/load.ts";
import { placeParts } from "../weights/placement.ts";
import { type DenseStorage, type Precision, WeightPlan } from "../weights/plan.ts";
import type { TileSettings } from "../image/tiles.ts";
import type { Engine } from "./engine.ts";
import { cacheShapeOf, keyValueBytes, pictureShapeOf } from "./key_value_cache.ts";
import { Model } from "./model.ts";
import { describeModel, type ModelInfo } from "./model_info.ts";
import { type GenerationDefaults, readGenerationDefaults, TextFiles } from "./text_files.ts";
import { chooseThreads } from "./threads.ts";
import { type CrossAttentionRows, Vision } from "./vision.ts";

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
  /** Tokens that a sequence may have; default: the model's, at most 131,072. */
  contextSize?: number;
  /** Storage of keys and values; "f32" is the only one yet. */
  kvCache?: "f32" | "f16" | "int8";
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
  /** Told after every few MB. */
  onProgress?(progress: LoadProgress): void;
  /** Stops loading; nothing is left behind. */
  signal?: AbortSignal;
}

/** One memory ends at 4 GiB; the page below the heap and growth in steps are the margin. */
const BANK_BYTES_MAX = 2 ** 32 - 2 ** 24;
/** Pictures for which there is certainly room in the memories; more find it as long as it lasts. */
const PICTURES_RESERVED = 2;

/** A model as its headers describe it. */
interface InspectedModel {
  source: ModelSource;
  architecture: Architecture;
  tileSettings?: TileSettings;
  checkpoint: Checkpoint;
  plan: WeightPlan;
  contextSize: number;
  threads: number;
  info: ModelInfo;
  /** Number of the memory that each part lies in, and how many there are. */
  bankOf: ReadonlyMap<string, number>;
  banks: number;
  defaults: GenerationDefaults;
  fingerprint: string;
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
  const { architecture, checkpoint, plan, info, threads, contextSize } = inspected;
  const { decoder: config } = architecture;
  let kernels: Kernels | undefined;
  try {
    const text = await TextFiles.read(inspected.source);
    const banks = await Kernels.startBanks(threads, options.kernels ?? "auto", inspected.banks);
    kernels = banks[0];
    const kernelsOf = (part: string) => banks[inspected.bankOf.get(part)!];
    const weights = await loadWeights(plan, checkpoint, kernelsOf, options);
    kernels.chooseDotForm();
    for (const bank of banks) bank.wideDot = kernels.wideDot;
    const taker = takerOf(plan, weights);
    const taken = takeDecoderWeights(config, taker, architecture.decoderPrefix);
    const rows = Math.min(STEP_ROWS_MAX, contextSize);
    const precision = options.precision ?? "int8";
    const layerKernels = ({ layers }: DecoderConfig, isCross: boolean) =>
      layers.flatMap((layer, i) => (layer.isCross ?? false) === isCross ? [kernelsOf(layerPart(i))] : []);
    const decoder = new Decoder(config, taken, precision, kernelsOf, rows);
    const engine: Engine = {
      kernels,
      memories: banks.length,
      decoder,
      cache: { ...cacheShapeOf(config), kernels: layerKernels(config, false) },
      ...(architecture.vision && {
        vision: new Vision({
          tower: new VisionTower(
            architecture.vision,
            takeVisionWeights(architecture.vision, config, taker),
            precision,
            kernelsOf(VISION_PART),
          ),
          decoder,
          kernels: kernelsOf(VISION_PART),
          place: { ...pictureShapeOf(config), kernels: layerKernels(config, true) },
          settings: inspected.tileSettings!,
          imageToken: architecture.imageToken!,
          rows: options.crossAttentionRows ?? "meta",
        }),
      }),
      contextSize,
      fingerprint: inspected.fingerprint,
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
  const { precision = "int8", dense = "int8", kvCache = "f32", signal, offline } = options;
  const threads = chooseThreads(options.threads);
  refuseUnknown("precision", precision, ["int8", "f32"]);
  refuseUnknown("dense", dense, ["int8", "f16"]);
  refuseUnknown("kernels", options.kernels ?? "auto", ["auto", "relaxed", "strict"]);
  refuseUnknown("kvCache", kvCache, ["f32"]);
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
    const contextSize = chooseContext(options.contextSize, decoder.contextSize);
    const info = describeModel(architecture, plan, contextSize, threads);
    const bankOf = placeModel(architecture, plan, info, options.bankBytes ?? BANK_BYTES_MAX);
    const fingerprint = JSON.stringify([precision, dense, json, [...checkpoint.tensors.values()]]);
    return {
      source,
      architecture,
      ...(tileSettings && { tileSettings }),
      checkpoint,
      plan,
      contextSize,
      threads,
      info,
      bankOf,
      banks: 1 + Math.max(...bankOf.values()),
      defaults,
      fingerprint,
    };
  } catch (error) {
    source.close?.();
    throw error;
  }
}

function refuseUnknown(option: string, value: string, known: string[]): void {
  if (known.includes(value)) return;
  throw new RemoraError("BAD_ARGUMENT", `Cannot use ${option}`, {
    expected: known.join(" or "),
    found: `${value}`,
  });
}

function chooseContext(wanted: number | undefined, ofModel: number): number {
  if (wanted === undefined) return Math.min(ofModel, DEFAULT_CONTEXT_MAX);
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= ofModel) return wanted;
  throw new RemoraError("BAD_ARGUMENT", "Cannot use contextSize", {
    expected: `an integer from 1 to the model's ${ofModel}`,
    found: `${wanted}`,
  });
}

/**
 * Lays the parts of a model over memories. A layer lies beside what its sequences and pictures remember there; every memory has
 * buffers of the forward pass and of loading, one the vision tower's.
 */
function placeModel(
  { decoder, vision }: Architecture,
  plan: WeightPlan,
  { memory, contextSize }: ModelInfo,
  bankBytes: number,
): Map<string, number> {
  const ofLayer = (tokens: number) => keyValueBytes({ ...cacheShapeOf(decoder), layers: 1 }, tokens);
  const remembered = new Map(decoder.layers.map(({ isCross }, index) => [
    layerPart(index),
    isCross ? PICTURES_RESERVED * ofLayer(pictureTokens(vision!)) : ofLayer(contextSize),
  ]));
  if (vision) remembered.set(VISION_PART, memory.vision);
  const parts = plan.parts.map(({ name, bytes }) => ({ name, bytes: bytes + (remembered.get(name) ?? 0) }));
  return placeParts(parts, bankBytes - memory.working - stagingBytes(plan));
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
