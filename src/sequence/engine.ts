/**
 * What a loaded model shares among its sequences.
 *
 * @module
 */
import type { Decoder } from "../models/decoder.ts";
import type { Platform } from "../platform/platform.ts";
import type { KeyValuePlace } from "./key_value_cache.ts";
import type { Pictures } from "./pictures.ts";
import type { Scheduler } from "./scheduler.ts";

/** What keys and values depend on besides the tokens and pictures; a snapshot of another origin is refused. */
export interface SnapshotOrigin {
  /** See `CheckpointDigest`. */
  model: string;
  precision: string;
  dense: string;
  /** Where they are not as stored. */
  embeddings?: string;
  /** Where matrices were rounded. */
  quantize?: string;
  kvCache: string;
  /** Of models that look at pictures. */
  crossAttentionRows?: string;
}

/** A decoder with everything around it. */
export interface Engine {
  readonly decoder: Decoder;
  /** The only way to the decoder's buffers. */
  readonly scheduler: Scheduler;
  /** Where the keys and values of a sequence lie. */
  readonly cache: KeyValuePlace;
  /** Of models that look at pictures. */
  readonly pictures?: Pictures;
  /** Tokens that a sequence may have. */
  readonly contextSize: number;
  readonly origin: SnapshotOrigin;
  readonly createHash: Platform["createHash"];
}
