/**
 * What a model will take, whether that is there, and how many tokens of context fit; from headers alone.
 *
 * @module
 */
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { describeBytes, describeInteger } from "../core/figures.ts";
import { CONTEXT_DEFAULT_MAX, CONTEXT_DEFAULT_MIN } from "../core/limits.ts";
import type { MemoryLimit } from "../core/memory_limit.ts";
import { STEP_ROWS_MAX, workspaceShape } from "../models/decoder/decoder.ts";
import { layerPart } from "../models/decoder/weights.ts";
import { pictureTokens } from "../models/mllama/vision_config.ts";
import { VisionTower } from "../models/mllama/vision_tower.ts";
import { VISION_PART } from "../models/mllama/vision_weights.ts";
import type { Architecture } from "../models/registry.ts";
import { Workspace } from "../ops/workspace.ts";
import { stagingBytes } from "../weights/load.ts";
import { placeParts } from "../weights/placement.ts";
import type { WeightPlan } from "../weights/plan.ts";
import { cacheShapeOf, keyValueBytes, pictureShapeOf } from "./key_value_cache.ts";

/** Bytes in memory. */
export interface MemoryInfo {
  weights: number;
  /** Of the key/value cache, for each 1,024 tokens of a sequence. */
  keyValuePer1024Tokens: number;
  /** Of the key/value cache of a sequence that fills the context. */
  keyValue: number;
  /** Buffers of the forward pass and of loading, in all of the model's memories. */
  working: number;
  /** Buffers of the vision tower, touched with the first picture only; 0 for text models. */
  vision: number;
  /** Keys and values of a picture that fills all tiles; 0 for text models. */
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

/** Where everything will lie. */
export interface MemoryPlan {
  contextSize: number;
  /** Number of the memory that each part of the model lies in, and how many there are. */
  bankOf: ReadonlyMap<string, number>;
  banks: number;
  memory: MemoryInfo;
}

/** What the caller wishes. */
export interface MemoryWishes {
  contextSize?: number;
  bankBytes?: number;
  threads: number;
}

/** One memory ends at 4 GiB; the page below the heap and growth in steps are the margin. */
const BANK_BYTES_MAX = 2 ** 32 - 2 ** 24;
/** Pictures for which there is certainly room in the memories; more find it as long as it lasts. */
const PICTURES_RESERVED = 2;
/** Deno 2.9.6 with the library and a tokenizer of 49,152 tokens: 95 to 120 MB (docs/performance.md). */
const RUNTIME_BYTES = 120_000_000;
/** Share of what is left beside the model that a context may take that nobody asked for: another sequence finds as much. */
const CACHE_SHARE = 0.5;
/** What it may take where nothing is known of the machine. */
const CACHE_BYTES_UNKNOWN = 2 ** 31;

/**
 * @throws {RemoraError} BAD_ARGUMENT for a context that the model does not have, OUT_OF_MEMORY when a layer with what it
 * remembers is larger than one memory.
 */
export function planMemory(
  architecture: Architecture,
  plan: WeightPlan,
  wishes: MemoryWishes,
  limit: MemoryLimit | undefined,
): MemoryPlan {
  const { decoder, vision } = architecture;
  const { threads, bankBytes = BANK_BYTES_MAX } = wishes;
  const shape = cacheShapeOf(decoder);
  const layerShape = { ...shape, layers: 1 };
  const towerBytes = vision ? VisionTower.bytes(vision, decoder.hiddenSize, threads) : 0;
  const picture = vision ? keyValueBytes(pictureShapeOf(decoder), pictureTokens(vision)) : 0;

  /** A layer lies beside what its sequences and pictures remember there; one memory also has the vision tower's buffers. */
  const rememberedBytes = (layer: DecoderLayer, contextSize: number) =>
    layer.isCross
      ? PICTURES_RESERVED * keyValueBytes(layerShape, pictureTokens(vision!))
      : keyValueBytes(layerShape, contextSize);
  /** Of every memory: buffers of the forward pass and of loading. */
  const bufferBytes = (contextSize: number) =>
    Workspace.bytesOf(workspaceShape(decoder, Math.min(STEP_ROWS_MAX, contextSize)), threads) +
    stagingBytes(plan);

  const layOut = (contextSize: number): MemoryPlan => {
    const remembered = new Map(
      decoder.layers.map((layer, index) => [layerPart(index), rememberedBytes(layer, contextSize)]),
    );
    if (vision) remembered.set(VISION_PART, towerBytes);
    const parts = plan.parts.map(({ name, bytes }) => ({ name, bytes: bytes + (remembered.get(name) ?? 0) }));
    const bankOf = placeParts(parts, bankBytes - bufferBytes(contextSize));
    const banks = 1 + Math.max(...bankOf.values());
    const sizes = {
      weights: plan.bytes,
      keyValue: keyValueBytes(shape, contextSize),
      working: banks * bufferBytes(contextSize),
      vision: towerBytes,
      picture,
      runtime: RUNTIME_BYTES,
    };
    const total = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
    const available = limit && { available: limit, fits: total <= limit.bytes };
    const keyValuePer1024Tokens = keyValueBytes(shape, 1024);
    return { contextSize, bankOf, banks, memory: { ...sizes, keyValuePer1024Tokens, total, ...available } };
  };

  if (wishes.contextSize !== undefined) {
    refuseUnknownContext(wishes.contextSize, decoder.contextSize);
    return layOut(wishes.contextSize);
  }
  const least = Math.min(CONTEXT_DEFAULT_MIN, decoder.contextSize);
  const most = Math.min(CONTEXT_DEFAULT_MAX, decoder.contextSize);
  const tokensIn = (bytes: number, blockShape: typeof shape) => {
    const tokens = KV_BLOCK_TOKENS * Math.floor(bytes / keyValueBytes(blockShape, KV_BLOCK_TOKENS));
    return Math.max(least, Math.min(most, tokens));
  };
  const layerBytes = new Map(plan.parts.map(({ name, bytes }) => [name, bytes]));
  const largestLayer = Math.max(...decoder.layers.map((_, index) => layerBytes.get(layerPart(index)) ?? 0));
  const inOneMemory = tokensIn(bankBytes - bufferBytes(most) - largestLayer, layerShape);
  /** The most tokens for which there is room beside the buffers that `contextSize` tokens need. */
  const tokensBeside = (contextSize: number) => {
    const { total, keyValue } = layOut(contextSize).memory;
    const room = limit ? CACHE_SHARE * (limit.bytes - (total - keyValue)) : CACHE_BYTES_UNKNOWN;
    return Math.min(inOneMemory, tokensIn(room, shape));
  };
  // A longer context may need more memories, each with buffers: the first is too long at most, the second fits.
  const longest = tokensBeside(least);
  return layOut(Math.min(longest, tokensBeside(longest)));
}

type DecoderLayer = Architecture["decoder"]["layers"][number];

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

function refuseUnknownContext(wanted: number, ofModel: number): void {
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= ofModel) return;
  throw new RemoraError("BAD_ARGUMENT", "Cannot use contextSize", {
    expected: `an integer from 1 to the model's ${ofModel}`,
    found: `${wanted}`,
  });
}
