/**
 * How a caller wants a model loaded.
 *
 * @module
 */
import { THREADS_MAX } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { PASS_ROWS_MAX as PASS_TOKENS_MAX } from "../models/decoder.ts";
import type { KeyValueStorage } from "../sequence/key_value_cache.ts";
import type { CrossAttentionRows } from "../vision/vision_model.ts";
import type { LoadProgress } from "../weights/load.ts";
import type { DenseRounding, DenseStorage, EmbeddingStorage, Precision } from "../weights/plan.ts";

/** How to load a model; every field has a default. */
export interface LoadOptions {
  /** Threads that compute; default: the physical cores this process may use. 1: no worker and no shared memory. */
  threads?: number;
  /**
   * "int8" (default): products are computed in integers. Activations have 12 bits against 4-bit weights (8 bits in gate and up
   * projections) and 16 bits against 8-bit weights. "f32": activations stay floats and every weight counts as the file has it, for
   * comparison with other implementations; slower. docs/numerics.md has the measurements.
   */
  precision?: Precision;
  /**
   * Under precision "int8", what becomes of matrices that the file leaves unquantised: "int8" (default) makes 8-bit codes of them,
   * and 7-bit codes in a vision tower, except where measurements showed that answers suffer; "f16" keeps all as they are stored.
   * docs/numerics.md has the measurements.
   */
  dense?: DenseStorage;
  /**
   * Embedding tables: as the file has them ("f16", default), or as codes of 8 or 4 bits ("int8", "int4"), which a head that is the
   * same matrix shares: a small model is so much smaller (SmolLM2: 147 MB to 90 or 77). docs/numerics.md has the measurements.
   */
  embeddings?: EmbeddingStorage;
  /**
   * Tokens of a prompt that are computed at once, 512 by default (llama.cpp's ubatch). Fewer take less memory and more time; answers
   * are the same, bit for bit.
   */
  passTokens?: number;
  /**
   * Round matrices that the file leaves unquantised to 4 or 8 bits, each weight to the nearest code of its group of 32 or 64: a bf16
   * checkpoint then takes a quarter or half of its bytes, under either precision. Embedding and head stay as they are without it.
   * Files that a quantiser wrote are better at the same size; docs/formats.md has the measurements. Default: no rounding beyond `dense`.
   */
  quantize?: DenseRounding;
  /**
   * Tokens that a sequence may have; default: the model's, at most 131,072, or fewer where their keys and values would take more
   * than half of the memory that remains besides the model, or 2 GiB where nothing is known of the machine (docs/memory.md).
   */
  contextSize?: number;
  /** Bytes that the model may take in all; default: what is known of the machine and its cgroup (docs/memory.md). */
  memoryBytes?: number;
  /**
   * Storage of keys and values: floats ("f32", the default under precision "f32"), scaled integers of 16 bits ("f16", the default
   * elsewhere: half the memory, faster, and as accurate as half floats) or of 8 bits ("int8"). docs/numerics.md has the measurements.
   */
  kvCache?: KeyValueStorage;
  /** Which kernels: relaxed SIMD where the engine has it ("auto"), or forced. Both give the same bits. */
  kernels?: "auto" | "relaxed" | "strict";
  /**
   * Models that look at pictures: what rows before the first picture take from it: nothing ("meta", default: as such models are
   * trained), or what transformers computes, for comparison with it.
   */
  crossAttentionRows?: CrossAttentionRows;
  /** Bytes of one kernel memory at most, default nearly 4 GiB; a larger model lies in several. Smaller for tests. */
  bankBytes?: number;
  /** Refuse everything that would need the network. */
  offline?: boolean;
  /**
   * Keep the weights as they lie in memory in a file, and read that file when it is there: `repacked.remora` in the model's
   * folder (true), or the file of this name. When it cannot be read or written, `onNotice` is told why and the model loads from the
   * checkpoint; but a named file that holds anything else is refused. Default: none is read or written.
   */
  cache?: boolean | string;
  /** Told in one line about something that was not done as asked, or not used, and does not change answers. */
  onNotice?(text: string): void;
  /** Told after every few MB. */
  onProgress?(progress: LoadProgress): void;
  /** Stops loading; its threads end and its memory is given back. */
  signal?: AbortSignal;
}

/** The options that loading computes with, each with a value. */
export interface ChosenOptions {
  readonly threads: number;
  readonly precision: Precision;
  readonly dense: DenseStorage;
  readonly embeddings: EmbeddingStorage;
  readonly passTokens: number;
  readonly quantize?: DenseRounding;
  readonly kvCache: KeyValueStorage;
  readonly kernels: "auto" | "relaxed" | "strict";
  readonly crossAttentionRows: CrossAttentionRows;
}

/** @throws {RemoraError} BAD_ARGUMENT, naming the option, for a value that it does not have. */
export function chooseOptions(options: LoadOptions, platform: Pick<Platform, "processors">): ChosenOptions {
  const { precision = "int8", dense = "int8", embeddings = "f16", kernels = "auto" } = options;
  const { crossAttentionRows = "meta", memoryBytes, quantize, passTokens = PASS_TOKENS_MAX } = options;
  const kvCache = options.kvCache ?? (precision === "f32" ? "f32" : "f16");
  const threads = chooseThreads(options.threads, platform);
  refuseUnknown("precision", precision, ["int8", "f32"]);
  refuseUnknown("dense", dense, ["int8", "f16"]);
  refuseUnknown("embeddings", embeddings, ["f16", "int8", "int4"]);
  if (quantize !== undefined) refuseUnknown("quantize", quantize, ["int4", "int8"]);
  refuseUnknown("kernels", kernels, ["auto", "relaxed", "strict"]);
  refuseUnknown("kvCache", kvCache, ["f32", "f16", "int8"]);
  for (const [name, bytes] of Object.entries({ memoryBytes, bankBytes: options.bankBytes })) {
    if (bytes === undefined || bytes >= 0) continue;
    throw new RemoraError("BAD_ARGUMENT", `Cannot use ${name}`, {
      expected: "a number from 0 on",
      found: `${bytes}`,
    });
  }
  if (options.cache === "") {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use cache", {
      expected: "true, false or the name of a file",
      found: "an empty name",
    });
  }
  refuseUnknown("crossAttentionRows", crossAttentionRows, ["meta", "transformers"]);
  if (!Number.isInteger(passTokens) || passTokens < 1 || passTokens > PASS_TOKENS_MAX) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use passTokens", {
      expected: `an integer from 1 to ${PASS_TOKENS_MAX}`,
      found: `${passTokens}`,
    });
  }
  const kept = { dense, embeddings, ...(quantize && { quantize }) };
  return { threads, precision, ...kept, passTokens, kvCache, kernels, crossAttentionRows };
}

/**
 * The caller's number, or the processors that this process may use, as the platform knows them. A host without shared memory has
 * one thread.
 */
function chooseThreads(wanted: number | undefined, platform: Pick<Platform, "processors">): number {
  if (wanted !== undefined) {
    if (Number.isInteger(wanted) && wanted >= 1 && wanted <= THREADS_MAX) return wanted;
    throw new RemoraError("BAD_ARGUMENT", "Cannot use threads", {
      expected: `an integer from 1 to ${THREADS_MAX}`,
      found: `${wanted}`,
    });
  }
  if (typeof SharedArrayBuffer === "undefined") return 1;
  return Math.max(1, Math.min(platform.processors(), THREADS_MAX));
}

function refuseUnknown(option: string, value: string, known: string[]): void {
  if (known.includes(value)) return;
  throw new RemoraError("BAD_ARGUMENT", `Cannot use ${option}`, {
    expected: known.join(" or "),
    found: `${value}`,
  });
}
