/**
 * What the one decoder can be told. An architecture is a function from config.json to this.
 *
 * @module
 */
import type { LayerFactory } from "../layers/layer.ts";
import type { RotaryConfig } from "../layers/rotary.ts";

/** A decoder-only transformer. */
export interface DecoderConfig {
  readonly vocabularySize: number;
  /** Rows of the embedding table; those beyond the vocabulary are inputs only: no answer contains them. */
  readonly embeddingRows: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Tokens that the model was made for. */
  readonly contextSize: number;
  /** Of the last norm. */
  readonly epsilon: number;
  /** Added to the last norm's stored weight: 1 where the file holds w − 1. */
  readonly normOffset: number;
  /** Factor of embedding rows. */
  readonly embeddingFactor: number;
  /** The head is the embedding when the file has no head of its own. */
  readonly tied: boolean;
  /** Ways in which layers rotate queries and keys. */
  readonly rotaries: readonly RotaryConfig[];
  readonly layers: readonly LayerFactory[];
}
