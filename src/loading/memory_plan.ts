/**
 * What a model will take, whether that is there, and how many tokens of context fit; from headers alone.
 *
 * @module
 */
import { wideScratchBytes } from "../../kernels/host/sizes.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { describeBytes, describeInteger } from "../core/figures.ts";
import { CONTEXT_DEFAULT_MAX, CONTEXT_DEFAULT_MIN } from "../core/limits.ts";
import type { MemoryInfo } from "../generation/model_info.ts";
import { layerPart } from "../models/decoder.ts";
import type { MemoryLimit } from "../platform/memory_limit.ts";
import {
  keyValueBytes,
  keyValueLayout,
  type KeyValueStorage,
  layerKeyValueBytes,
} from "../sequence/key_value_cache.ts";
import { stagingBytes } from "../weights/load.ts";
import { placeParts } from "../weights/placement.ts";
import type { Precision } from "../weights/plan.ts";
import type { DescribedModel } from "./describe_model.ts";

/** Where everything will lie. */
export interface MemoryPlan {
  contextSize: number;
  /** Number of the memory that each part of the model lies in, and how many there are. */
  memoryOf: ReadonlyMap<string, number>;
  memories: number;
  memory: MemoryInfo;
}

/** What the caller wishes. */
export interface MemoryWishes {
  contextSize?: number;
  bankBytes?: number;
  kvCache: KeyValueStorage;
  precision: Precision;
  threads: number;
  passTokens: number;
  /** What the runtime takes besides. */
  runtimeBytes: number;
}

/** One memory ends at 4 GiB; the page below the heap and growth in steps are the margin. */
const MEMORY_BYTES_MAX = 2 ** 32 - 2 ** 24;
/** Pictures for which there is certainly room in the memories; more find it as long as it lasts. */
const PICTURES_RESERVED = 2;
/** Share of what is left besides the model that a context may take that nobody asked for: another sequence finds as much. */
const CACHE_SHARE = 0.5;
/** What it may take where nothing is known of the machine. */
const CACHE_BYTES_UNKNOWN = 2 ** 31;

/**
 * @param limit What may be taken, where that is known.
 * @throws {RemoraError} BAD_ARGUMENT for a context that the model does not have, OUT_OF_MEMORY when a layer with what it
 * remembers is larger than one memory.
 */
export function planMemory(
  model: DescribedModel,
  wishes: MemoryWishes,
  limit: MemoryLimit | undefined,
): MemoryPlan {
  const layout = new Layout(model, wishes, limit);
  const { contextSize } = wishes;
  if (contextSize === undefined) return layout.withLongestContext();
  const ofModel = model.decoder.config.contextSize;
  if (Number.isInteger(contextSize) && contextSize >= 1 && contextSize <= ofModel) {
    return layout.at(contextSize);
  }
  throw new RemoraError("BAD_ARGUMENT", "Cannot use contextSize", {
    expected: `an integer from 1 to the model's ${ofModel}`,
    found: `${contextSize}`,
  });
}

/** Lays a model out for contexts of different lengths. Every size is asked of what will take it. */
class Layout {
  readonly #model: DescribedModel;
  readonly #wishes: MemoryWishes;
  readonly #limit: MemoryLimit | undefined;
  /** What layers keep of sequences, and of pictures. */
  readonly #ofSequences;
  readonly #ofPictures;
  /** States of the largest picture, where layers keep something of them. */
  readonly #pictureTokens: number;
  readonly #visionBytes: number;
  readonly #stagingBytes: number;

  constructor(model: DescribedModel, wishes: MemoryWishes, limit: MemoryLimit | undefined) {
    const { decoder, vision, plan } = model;
    this.#model = model;
    this.#wishes = wishes;
    this.#limit = limit;
    this.#ofSequences = keyValueLayout(decoder.keyValues, "sequence", wishes.kvCache);
    this.#ofPictures = keyValueLayout(decoder.keyValues, "picture", wishes.kvCache);
    this.#pictureTokens = vision?.join === "across" ? vision.tokensMax : 0;
    this.#visionBytes = vision?.bufferBytes(wishes.precision, wishes.threads) ?? 0;
    this.#stagingBytes = stagingBytes(plan);
  }

  /** The plan for a context of that many tokens. */
  at(contextSize: number): MemoryPlan {
    const { plan, vision } = this.#model;
    const remembered = new Map(
      this.#layers.map((index) => [layerPart(index), this.#rememberedBytes(index, contextSize)]),
    );
    if (vision) remembered.set(vision.part, this.#visionBytes);
    const parts = plan.parts.map(({ name, bytes }) => ({ name, bytes: bytes + (remembered.get(name) ?? 0) }));
    const buffers = this.#bufferBytes(contextSize);
    const memoryOf = placeParts(parts, this.#memoryBytesMax - buffers);
    const memories = 1 + Math.max(...memoryOf.values());
    const sizes = {
      weights: plan.bytes,
      keyValue: keyValueBytes(this.#ofSequences, contextSize),
      working: memories * buffers,
      vision: this.#visionBytes,
      picture: keyValueBytes(this.#ofPictures, this.#pictureTokens),
      runtime: this.#wishes.runtimeBytes,
    };
    const total = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
    const available = this.#limit && { available: this.#limit, fits: total <= this.#limit.bytes };
    const keyValuePer1024Tokens = keyValueBytes(this.#ofSequences, 1024);
    return {
      contextSize,
      memoryOf,
      memories,
      memory: { ...sizes, keyValuePer1024Tokens, total, ...available },
    };
  }

  /** The longest context that nobody need ask for: a longer one may need more memories, each with buffers. */
  withLongestContext(): MemoryPlan {
    const { least, most } = this.#contextRange;
    const { plan } = this.#model;
    const layerBytes = new Map(plan.parts.map(({ name, bytes }) => [name, bytes]));
    const largestLayer = Math.max(...this.#layers.map((index) => layerBytes.get(layerPart(index)) ?? 0));
    const largestBlock = Math.max(...this.#ofSequences.blockBytes);
    const inOneMemory = this.#tokensIn(
      this.#memoryBytesMax - this.#bufferBytes(most) - largestLayer,
      largestBlock,
    );
    const blockBytes = keyValueBytes(this.#ofSequences, KV_BLOCK_TOKENS);
    /** The most tokens for which there is room besides the buffers that `contextSize` tokens need. */
    const tokensWith = (contextSize: number) => {
      const { total, keyValue } = this.at(contextSize).memory;
      const room = this.#limit ? CACHE_SHARE * (this.#limit.bytes - (total - keyValue)) : CACHE_BYTES_UNKNOWN;
      return Math.min(inOneMemory, this.#tokensIn(room, blockBytes));
    };
    // The first is too long at most, the second fits.
    const longest = tokensWith(least);
    return this.at(Math.min(longest, tokensWith(longest)));
  }

  get #layers(): number[] {
    return this.#model.decoder.config.layers.map((_, index) => index);
  }

  get #memoryBytesMax(): number {
    return this.#wishes.bankBytes ?? MEMORY_BYTES_MAX;
  }

  get #contextRange(): { least: number; most: number } {
    const { contextSize } = this.#model.decoder.config;
    return {
      least: Math.min(CONTEXT_DEFAULT_MIN, contextSize),
      most: Math.min(CONTEXT_DEFAULT_MAX, contextSize),
    };
  }

  /** Tokens whose blocks fit, within the range of contexts. */
  #tokensIn(bytes: number, blockBytes: number): number {
    const { least, most } = this.#contextRange;
    return Math.max(least, Math.min(most, KV_BLOCK_TOKENS * Math.floor(bytes / blockBytes)));
  }

  /** What a layer keeps of a sequence and of pictures lies with it. */
  #rememberedBytes(layer: number, contextSize: number): number {
    return layerKeyValueBytes(this.#ofSequences, layer, contextSize) +
      PICTURES_RESERVED * layerKeyValueBytes(this.#ofPictures, layer, this.#pictureTokens);
  }

  /** Of every memory: buffers of a pass, of loading, and of the wide tiles. */
  #bufferBytes(contextSize: number): number {
    const { precision, threads, passTokens } = this.#wishes;
    const rows = Math.min(passTokens, contextSize);
    const ofPass = this.#model.decoder.bufferBytes(rows, precision, threads);
    return ofPass + this.#stagingBytes + wideScratchBytes(threads);
  }
}

/** @throws {RemoraError} OUT_OF_MEMORY with the arithmetic, when it is known that the model does not fit. */
export function refuseUnlessFits(name: string, { memory, contextSize }: MemoryPlan): void {
  if (memory.fits !== false) return;
  const { bytes, source } = memory.available!;
  const parts = [
    `weights ${describeBytes(memory.weights)}`,
    `keys and values ${describeBytes(memory.keyValue)} at ${describeInteger(contextSize)} tokens`,
    `working ${describeBytes(memory.working)}`,
    ...(memory.vision > 0
      ? [`vision tower ${describeBytes(memory.vision)}`, `a picture ${describeBytes(memory.picture)}`]
      : []),
    `runtime ${describeBytes(memory.runtime)}`,
  ];
  throw new RemoraError("OUT_OF_MEMORY", "Cannot load", {
    file: name,
    expected: `at most ${describeBytes(Math.floor(bytes))} of memory (${source})`,
    found: `${describeBytes(memory.total)} needed: ${parts.join(", ")}`,
  });
}
