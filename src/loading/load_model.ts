/**
 * From a name to a model that answers.
 *
 * @module
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { type GenerationDefaults, Model } from "../generation/model.ts";
import type { ModelInfo } from "../generation/model_info.ts";
import { openSource } from "../hub/open.ts";
import type { ModelSource } from "../io/source.ts";
import { layerPart } from "../models/decoder.ts";
import type { Architectures } from "../models/architecture.ts";
import { ARCHITECTURES } from "../models/registry.ts";
import { KernelSpace } from "../ops/space.ts";
import { HostEvents } from "../platform/events.ts";
import { type MemoryLimit, memoryLimit } from "../platform/memory_limit.ts";
import type { Platform } from "../platform/platform.ts";
import type { Engine } from "../sequence/engine.ts";
import { keyValueLayout, type KeyValuePlace } from "../sequence/key_value_cache.ts";
import { Pictures } from "../sequence/pictures.ts";
import { Scheduler } from "../sequence/scheduler.ts";
import { CheckpointDigest } from "../weights/checkpoint_digest.ts";
import { loadWeights } from "../weights/load.ts";
import { type CachedLoad, cachePathIn, loadThroughCache, repackInto } from "../weights/repacked_cache.ts";
import { inspect, type InspectedModel, type Surroundings } from "./inspect.ts";
import { inspectFilesOf, type ModelFile } from "./inspect_files.ts";
import { refuseUnlessFits } from "./memory_plan.ts";
import { chooseOptions, type LoadOptions } from "./options.ts";
import { TextFiles } from "./text_files.ts";

/** What a model would be given of this machine. */
export interface MachineInfo {
  /** Threads, where nobody asks for another number. */
  threads: number;
  /** What the process may take in all; absent where nothing is known. */
  memory?: MemoryLimit;
}

/** Loads models on one platform. */
export class ModelLoader {
  readonly #platform: Platform;
  readonly #architectures: Architectures;

  /** @param architectures Those that can be loaded; default: all that the library has. */
  constructor(platform: Platform, architectures: Architectures = ARCHITECTURES) {
    this.#platform = platform;
    this.#architectures = architectures;
  }

  /** See `loadModel`. */
  async load(source: string | URL | ModelSource, options: LoadOptions = {}): Promise<Model> {
    return await orReason(options.signal, () => this.#load(source, options));
  }

  async #load(source: string | URL | ModelSource, options: LoadOptions): Promise<Model> {
    const surroundings = this.surroundings();
    const inspected = await inspect(source, options, surroundings);
    const { source: { label = "the model" } } = inspected;
    let banks: Kernels[] = [];
    try {
      refuseUnlessFits(label, inspected.memory);
      // A tokenizer keeps this thread busy for up to 0.3 s; the others start meanwhile.
      const [started, read] = await Promise.allSettled([
        this.#startKernels(inspected),
        TextFiles.read(inspected.source),
      ]);
      if (started.status === "rejected") throw started.reason;
      banks = started.value;
      if (read.status === "rejected") throw read.reason;
      const load = this.#cachedLoad(inspected, banks, options, surroundings);
      await loadInto(load, inspected.source, options);
      Kernels.chooseForm(banks, inspected.plan.codedForms);
      const [kernels] = banks;
      return new Model({
        info: inspected.info,
        engine: this.#place(inspected, load, surroundings),
        kernels: {
          threads: kernels.threads,
          variant: kernels.variant,
          vectorBits: kernels.vectorBits,
          memories: banks.length,
          close: () => kernels.close(),
        },
        text: read.value,
        defaults: withEndId(inspected.defaults, read.value.endId),
        events: surroundings.events,
      });
    } catch (error) {
      await banks[0]?.close();
      throw error;
    } finally {
      inspected.source.close?.();
    }
  }

  /** See `repackModel`. */
  async repack(
    source: string | URL | ModelSource,
    options: LoadOptions & { file?: string } = {},
  ): Promise<{ file: string; bytes: number }> {
    return await orReason(options.signal, () => this.#repack(source, options));
  }

  async #repack(
    source: string | URL | ModelSource,
    options: LoadOptions & { file?: string },
  ): Promise<{ file: string; bytes: number }> {
    const surroundings = this.surroundings();
    const inspected = await inspect(source, options, surroundings);
    const { source: { folder, label } } = inspected;
    let banks: Kernels[] = [];
    try {
      refuseUnlessFits(label ?? "the model", inspected.memory);
      const file = options.file ?? (folder === undefined ? undefined : cachePathIn(folder));
      if (file === undefined) throw withoutFolder(label);
      banks = await this.#startKernels(inspected);
      const bytes = await repackInto(file, this.#cachedLoad(inspected, banks, options, surroundings));
      return { file, bytes };
    } finally {
      await banks[0]?.close();
      inspected.source.close?.();
    }
  }

  /** See `inspectModel`. */
  async inspect(source: string | URL | ModelSource, options: LoadOptions = {}): Promise<ModelInfo> {
    return await orReason(options.signal, async () => {
      const inspected = await inspect(source, options, this.surroundings());
      inspected.source.close?.();
      return inspected.info;
    });
  }

  /** See `inspectFiles`. */
  async inspectFiles(
    source: string | URL | ModelSource,
    options: Pick<LoadOptions, "offline" | "signal">,
  ): Promise<ModelFile[]> {
    return await orReason(options.signal, async () => {
      const opened = await openSource(this.#platform, source, options);
      try {
        return await inspectFilesOf(opened);
      } finally {
        opened.close?.();
      }
    });
  }

  /** See `inspectMachine`. */
  inspectMachine(): MachineInfo {
    const memory = memoryLimit(this.#platform.memory);
    return { threads: chooseOptions({}, this.#platform).threads, ...(memory && { memory }) };
  }

  /** What is needed to load, and to do more with a model than load it. */
  surroundings(): Surroundings {
    const platform = this.#platform;
    return { platform, architectures: this.#architectures, events: new HostEvents(platform) };
  }

  async #startKernels({ memory: { memories }, options: { threads, kernels: variant } }: InspectedModel) {
    this.#platform.widenVectors?.();
    const startWorker = this.#platform.startWorker;
    return await Kernels.start({ threads, variant, memories, startWorker });
  }

  #cachedLoad(
    { plan, config, checkpoint, memory: { memoryOf } }: InspectedModel,
    banks: readonly Kernels[],
    { signal, onProgress, onNotice }: LoadOptions,
    { events }: Surroundings,
  ): CachedLoad {
    const platform = this.#platform;
    const digest = new CheckpointDigest(checkpoint, () => platform.createHash());
    const kernelsOf = (part: string) => banks[memoryOf.get(part)!];
    return { platform, plan, digest, config, events, kernelsOf, signal, onProgress, onNotice };
  }

  /** Gives loaded parts their buffers, and sequences their place. */
  #place(
    { decoder, vision, memory: { contextSize }, options }: InspectedModel,
    { kernelsOf, digest, config, events }: CachedLoad,
    { platform }: Surroundings,
  ): Engine {
    const { precision, dense, embeddings, quantize, kvCache, crossAttentionRows, passTokens } = options;
    const spaces = new Map<Kernels, KernelSpace>();
    const spaceOf = (part: string) => {
      const kernels = kernelsOf(part);
      let space = spaces.get(kernels);
      if (!space) spaces.set(kernels, space = new KernelSpace(kernels));
      return space;
    };
    decoder.place(spaceOf, Math.min(passTokens, contextSize), precision);
    vision?.place(spaceOf(vision.part), precision);
    const kernels = decoder.config.layers.map((_, index) => kernelsOf(layerPart(index)));
    const placeOf = (of: "sequence" | "picture"): KeyValuePlace => ({
      ...keyValueLayout(decoder.keyValues, of, kvCache),
      kernels,
      readings: platform.memory,
    });
    const scheduler = new Scheduler(decoder, events);
    const pictures = vision && new Pictures({
      model: vision,
      place: placeOf("picture"),
      rowsMax: decoder.rows,
      remember: (states, memory, signal) => scheduler.remember(states, memory, signal),
    });
    const model = digest.name(config);
    return {
      decoder,
      scheduler,
      cache: placeOf("sequence"),
      pictures,
      contextSize,
      origin: {
        model,
        precision,
        dense,
        ...(embeddings !== "f16" && { embeddings }),
        ...(quantize && { quantize }),
        kvCache,
        ...(vision && { crossAttentionRows }),
      },
      createHash: () => platform.createHash(),
    };
  }
}

/** Fails with the signal's reason when it has fired: sources fail in whatever way when they are stopped. */
async function orReason<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** The weights, from a cache where one is wished for and can be. */
async function loadInto(
  load: CachedLoad,
  { folder, label }: ModelSource,
  { cache = false, onNotice }: LoadOptions,
): Promise<void> {
  if (typeof cache === "string") return await loadThroughCache(cache, true, load);
  if (cache && folder !== undefined) return await loadThroughCache(cachePathIn(folder), false, load);
  if (cache) onNotice?.(withoutFolder(label).message);
  await loadWeights(load.plan, load.digest.checkpoint, load);
}

/** The ids that end an answer, with one more. */
function withEndId(defaults: GenerationDefaults, endId: number | undefined): GenerationDefaults {
  return endId === undefined ? defaults : { ...defaults, endIds: new Set([...defaults.endIds, endId]) };
}

function withoutFolder(label = "the model"): RemoraError {
  return new RemoraError("BAD_ARGUMENT", "Cannot keep repacked weights of", {
    file: label,
    expected: "a local folder, or the name of a file",
    found: "neither",
  });
}
