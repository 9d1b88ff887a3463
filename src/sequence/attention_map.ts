/**
 * Where in its pictures a token looked.
 *
 * @module
 */
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { VisionModel } from "../vision/vision_model.ts";
import type { SeenPicture } from "./pictures.ts";

/** The weights that a token gave to the patches of one picture: the mean over heads and cross-attention layers. */
export interface PictureAttention {
  /** Which of the sequence's pictures. */
  picture: number;
  /** Patches from top to bottom and from left to right, padding included. */
  rows: number;
  /** See `rows`. */
  columns: number;
  /** Share of columns and rows that the picture covers, from the top left; the rest is padding. */
  width: number;
  /** See `width`. */
  height: number;
  /** f32 [rows, columns]; together with the class tokens of all tiles they sum to 1 over all pictures. */
  weights: Float32Array;
}

/** Means of the weights of several layers. */
export class AttentionMean {
  #sum?: Float64Array;
  #rows = 0;

  /** Adds weights f32 [heads, tokens]. */
  add(weights: Float32Array, heads: number): void {
    const tokens = weights.length / heads;
    const sum = this.#sum ??= new Float64Array(tokens);
    for (let i = 0; i < weights.length; i++) sum[i % tokens] += weights[i];
    this.#rows += heads;
  }

  /** The means as maps of the pictures whose states follow each other, each from the start of a block. */
  maps(pictures: readonly SeenPicture[], first: number, model: VisionModel): PictureAttention[] {
    const mean = this.#sum?.map((sum) => sum / this.#rows);
    if (!mean || !model.patchMap) return [];
    let begin = 0;
    return pictures.map(({ layout, visibleTokens }, i) => {
      const tokens = mean.subarray(begin, begin + visibleTokens);
      begin += Math.ceil(visibleTokens / KV_BLOCK_TOKENS) * KV_BLOCK_TOKENS;
      return { picture: first + i, ...model.patchMap!(layout, tokens) };
    });
  }
}
