/**
 * What the library asks of a model that looks at pictures. Architectures implement it in their folder below `models`; nothing
 * else knows one of them.
 *
 * @module
 */
import type { ImageInput, SeenImage } from "../image/input.ts";
import type { Space } from "../ops/space.ts";
import type { Precision } from "../weights/plan.ts";

/** What rows that see no picture take from those of the sequence: nothing (as trained), or what transformers computes. */
export type CrossAttentionRows = "meta" | "transformers";

/** How a model looks at pictures, for people. */
export interface VisionInfo {
  /** Pixels on a side of a tile, and tiles of a picture at most. */
  tileSize: number;
  /** See `tileSize`. */
  tilesMax: number;
  /** Layers of the tower. */
  layerCount: number;
  /** Floats of a token in the tower. */
  hiddenSize: number;
  /** Layers of the decoder that look. */
  crossAttentionLayerCount: number;
}

/** How a picture lies in its states, as its model needs it; plain data, kept in snapshots. */
export type PictureLayout = Readonly<Record<string, number>>;

/** A picture that is ready to be encoded. */
export interface PreparedPicture {
  readonly layout: PictureLayout;
  /** States that the picture becomes: rows as wide as the decoder. */
  readonly tokens: number;
  /** Of them those that text may see; they come first. */
  readonly visibleTokens: number;
  /** Where the caller allows fewer tiles than the picture would have. */
  readonly fewerTiles?: FewerTiles;
}

/** A picture that is seen in less detail, as `maxTiles` says. */
export interface FewerTiles {
  /** Tiles that it has. */
  tiles: number;
  /** Tiles that it would have. */
  unlimited: number;
}

/** Some of a picture's states. */
export interface PictureStates {
  /** The first of them. */
  readonly start: number;
  readonly rows: number;
  /**
   * f32 [count, width of the decoder], the first `count` rows; to be called anew after each wait, and not after the next states.
   */
  read(count: number): Float32Array;
}

/** Copies of what the tower computed, one of each for each picture; for comparison with another implementation. */
export interface VisionTrace {
  vision: Float32Array[];
  projector: Float32Array[];
}

/** How to encode. */
export interface EncodeOptions {
  /** Rows of states at a time, at most. */
  rowsMax: number;
  signal?: AbortSignal;
  /** How much of the picture is done, from 0 to 1. */
  onProgress?(share: number): void;
  trace?: VisionTrace;
}

/** Where a token looked in one picture: weights of its patches. */
export interface PatchMap {
  /** Patches from top to bottom and from left to right, padding included. */
  rows: number;
  columns: number;
  /** Share of columns and rows that the picture covers, from the top left; the rest is padding. */
  width: number;
  height: number;
  /** f32 [rows, columns]. */
  weights: Float32Array;
}

/** A vision encoder with its projector. Takes its weights when it is made, its buffers when it is placed. */
export interface VisionModel<Prepared extends PreparedPicture = PreparedPicture> {
  /**
   * How pictures join the text. "across": a picture is one token of the sequence, and layers of cross-attention look at its states.
   * "sequence": its states are rows of the sequence themselves, one for each of as many picture tokens.
   */
  readonly join: "across" | "sequence";
  /** The token that stands for a picture, or for each of its states. */
  readonly pictureToken: number;
  readonly info: VisionInfo;
  /** Of a model that joins "across": what rows before the first picture take from those that follow. */
  readonly crossAttentionRows?: CrossAttentionRows;
  /** The part of the weights, which lie in one memory with the buffers. */
  readonly part: string;
  /** States of a picture at most. */
  readonly tokensMax: number;
  /** Shapes of what a trace gets of each picture. */
  readonly traceShapes: { readonly vision: readonly number[]; readonly projector: readonly number[] };
  /** Bytes of the buffers. */
  bufferBytes(precision: Precision, threads: number): number;
  /** Reserves the buffers. The weights are loaded. */
  place(space: Space, precision: Precision): void;
  /**
   * Pixels to what the encoder takes.
   *
   * @param maxTiles Tiles at most, where that is fewer than the model's; never of a model without tiles.
   * @throws {RemoraError} BAD_IMAGE for a picture that cannot be decoded or prepared.
   */
  prepare(image: Exclude<ImageInput, SeenImage>, maxTiles?: number): Promise<Prepared>;
  /**
   * Computes a picture's states. One picture at a time: the caller waits for it before the next.
   *
   * @throws The signal's reason when it fires.
   */
  encode(picture: Prepared, options: EncodeOptions): AsyncGenerator<PictureStates, void, void>;
  /** Whether a picture from a snapshot is one that this model may have prepared. */
  mayHavePrepared(picture: PreparedPicture): boolean;
  /** Weights of a picture's visible states as a map of its patches; `undefined` where the model has no such map. */
  patchMap?(layout: PictureLayout, weights: ArrayLike<number>): PatchMap;
}
