/**
 * Where the tokens of a picture lie in the vision tower.
 *
 * @module
 */
import { CHANNELS, type VisionConfig } from "./vision_config.ts";

/** Rows of one step at most; see PASS_ROWS_MAX of the decoder. */
const STEP_ROWS_MAX = 512;
/** Tokens of a tile are padded to a multiple of this. */
const TOKEN_MULTIPLE = 8;

/** Sizes that follow from the config. */
export interface TowerSizes {
  headSize: number;
  /** Of a tile: with the class token, and the padding that follows. */
  tileTokens: number;
  padding: number;
  /** Of a picture with all tiles. */
  tokens: number;
  patchInputs: number;
  stepRows: number;
}

export function sizesOf({ hiddenSize, heads, patches, patchSize, tilesMax }: VisionConfig): TowerSizes {
  const tileTokens = patches + 1;
  const padding = (TOKEN_MULTIPLE - tileTokens % TOKEN_MULTIPLE) % TOKEN_MULTIPLE;
  const tokens = tilesMax * (tileTokens + padding);
  return {
    headSize: hiddenSize / heads,
    tileTokens,
    padding,
    tokens,
    patchInputs: CHANNELS * patchSize * patchSize,
    stepRows: Math.min(STEP_ROWS_MAX, tokens),
  };
}

/** Where a picture's tokens lie: used tiles without their padding come first, then all the rest. */
export class TokenPlaces {
  readonly padding: number;
  /** Tiles that are computed, and their tokens with padding. */
  readonly tiles: number;
  readonly tokens: number;
  readonly #sizes: TowerSizes;
  readonly #tileCount: number;

  constructor(sizes: TowerSizes, tileCount: number, tiles: number) {
    this.padding = sizes.padding;
    this.tiles = tiles;
    this.tokens = tiles * (sizes.tileTokens + sizes.padding);
    this.#sizes = sizes;
    this.#tileCount = tileCount;
  }

  /** Tokens of used tiles. */
  get used(): number {
    return this.#tileCount * this.#sizes.tileTokens;
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

  /** All rows in steps of which each is of used tiles or of the rest. */
  *steps(rowsMax: number): Generator<{ first: number; end: number; isUsed: boolean }> {
    for (
      const [begin, end, isUsed] of [[0, this.used, true], [this.used, this.tokens, false]] as const
    ) {
      for (let first = begin; first < end; first += rowsMax) {
        yield { first, end: Math.min(first + rowsMax, end), isUsed };
      }
    }
  }
}
