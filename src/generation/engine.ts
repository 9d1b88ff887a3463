/**
 * A decoder on its kernels, as sequences use it.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import type { Turns } from "../core/turns.ts";
import type { Batches } from "./batches.ts";
import type { Decoder } from "../models/decoder/decoder.ts";
import type { KeyValuePlace } from "./key_value_cache.ts";
import type { SnapshotOrigin } from "./snapshot_origin.ts";
import type { Vision } from "./vision.ts";

/** What a loaded model shares among its sequences. */
export interface Engine {
  /** Of the first memory. */
  readonly kernels: Kernels;
  /** Memories that the model is laid over. */
  readonly memories: number;
  readonly decoder: Decoder;
  /** Single tokens of several sequences in one pass. */
  readonly batches: Batches;
  /** At the decoder, which has one set of buffers: a step, or the remembering of a picture's states. */
  readonly turns: Turns;
  /** Where the keys and values of a sequence lie. */
  readonly cache: KeyValuePlace;
  /** Of models that look at pictures. */
  readonly vision?: Vision;
  /** Tokens that a sequence may have. */
  readonly contextSize: number;
  /** What keys and values depend on; a snapshot of another origin is refused. */
  readonly origin: SnapshotOrigin;
}
