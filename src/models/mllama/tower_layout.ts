/**
 * Where the tokens of a picture lie in the vision tower, and what they see.
 *
 * @module
 */
import type { CommonKeys } from "../../../kernels/host/kernels.ts";
import { KV_BLOCK_TOKENS } from "../../../kernels/shared/layout.ts";
import { wholeBlocks } from "../../ops/product_buffers.ts";
import { CHANNELS, type VisionConfig } from "./vision_config.ts";

/** Rows of one step at most; see STEP_ROWS_MAX of the decoder. */
const STEP_ROWS_MAX = 512;
/** Tokens of a tile are padded to a multiple of this. */
const TOKEN_MULTIPLE = 8;

/** Sizes that follow from the config. */
export interface TowerSizes {
  headSize: number;
  /** Of a tile: with the class token, and the padding behind. */
  tileTokens: number;
  padding: number;
  /** Of a picture. */
  tokens: number;
  blocks: number;
  patchInputs: number;
  stepRows: number;
  /** Floats of the widest intermediate row. */
  wide: number;
  /** The most inputs of a linear layer. */
  inputs: number;
}

/** @param packedInputs Inputs of the loaded linear layers, act-order padding included. */
export function sizesOf(config: VisionConfig, packedInputs: readonly number[] = []): TowerSizes {
  const { hiddenSize, heads, patches, patchSize, tilesMax, intermediateSize, outputSize } = config;
  const headSize = hiddenSize / heads;
  const tileTokens = patches + 1;
  const padding = (TOKEN_MULTIPLE - tileTokens % TOKEN_MULTIPLE) % TOKEN_MULTIPLE;
  const tokens = tilesMax * (tileTokens + padding);
  const patchInputs = CHANNELS * patchSize * patchSize;
  return {
    headSize,
    tileTokens,
    padding,
    tokens,
    blocks: Math.ceil(tokens / KV_BLOCK_TOKENS),
    patchInputs,
    stepRows: Math.min(STEP_ROWS_MAX, tokens),
    wide: Math.max(2 * hiddenSize, intermediateSize),
    inputs: wholeBlocks(Math.max(patchInputs, hiddenSize, intermediateSize, outputSize, ...packedInputs)),
  };
}

/** Where a picture's tokens lie and what they see: used tiles without their padding come first. */
export class TokenView {
  readonly padding: number;
  readonly #sizes: TowerSizes;
  readonly #tileCount: number;
  readonly #all: CommonKeys;
  readonly #used: CommonKeys;

  constructor(sizes: TowerSizes, tileCount: number, all: CommonKeys, used: CommonKeys) {
    this.padding = sizes.padding;
    this.#sizes = sizes;
    this.#tileCount = tileCount;
    this.#all = all;
    this.#used = used;
  }

  /** The row of a tile's class token; its patches follow. */
  rowOf(tile: number): number {
    const { tileTokens, padding } = this.#sizes;
    const unused = Math.max(0, tile - this.#tileCount);
    return tile * tileTokens + (tile < this.#tileCount ? 0 : (this.#tileCount + unused) * padding);
  }

  /** The row of a tile's first padding token. */
  paddingOf(tile: number): number {
    const { tileTokens, padding } = this.#sizes;
    return tile < this.#tileCount
      ? this.#tileCount * tileTokens + tile * padding
      : this.rowOf(tile) + tileTokens;
  }

  /** All rows in steps whose rows see the same. */
  *steps(rowsMax: number): Generator<{ first: number; rows: number; visible: CommonKeys }> {
    const inUse = this.#tileCount * this.#sizes.tileTokens;
    for (
      const [begin, end, visible] of [[0, inUse, this.#all], [inUse, this.#sizes.tokens, this.#used]] as const
    ) {
      for (let first = begin; first < end; first += rowsMax) {
        yield { first, rows: Math.min(rowsMax, end - first), visible };
      }
    }
  }
}
