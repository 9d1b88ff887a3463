/**
 * A name for a model's content, made of bytes that loading reads anyway.
 *
 * Keys and values of one model are noise to another, so a snapshot names its model; so do repacked weights. Hashing all of it
 * would take a second for each gigabyte or two; instead the first SAMPLE_BYTES of every tensor that loading reads are hashed,
 * with the config and the tensor's type and shape. Training and quantising change every tensor nearly everywhere, so
 * another training state, quantisation or revision has another name. A few weights changed by hand may not be noticed.
 *
 * @module
 */
import { toHex } from "../core/bytes_as_text.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import type { TensorEntry } from "../formats/containers/safetensors.ts";
import type { Hash } from "../platform/hash.ts";

/** Of each tensor: some thousand weights. */
const SAMPLE_BYTES = 4096;

/** Watches a checkpoint being read. */
export class CheckpointDigest {
  /** The same checkpoint; what is read through it counts. */
  readonly checkpoint: Checkpoint;
  /** By the tensor's name. */
  readonly #samples = new Map<string, string>();

  readonly #createHash: () => Hash;

  constructor(checkpoint: Checkpoint, createHash: () => Hash) {
    this.#createHash = createHash;
    this.checkpoint = {
      ...checkpoint,
      readTensor: async (entry) => {
        const bytes = await checkpoint.readTensor(entry);
        this.#add(entry, 0, bytes);
        return bytes;
      },
      readTensorInto: async (entry, offset, target) => {
        await checkpoint.readTensorInto(entry, offset, target);
        this.#add(entry, offset, target);
      },
    };
  }

  /** Reads what the name needs of these tensors, unless they were read before. */
  async sample(tensors: Iterable<TensorEntry>): Promise<void> {
    for (const entry of tensors) {
      if (this.#samples.has(entry.name)) continue;
      const bytes = new Uint8Array(Math.min(SAMPLE_BYTES, entry.end - entry.begin));
      await this.checkpoint.readTensorInto(entry, 0, bytes);
    }
  }

  /** SHA-256 in hexadecimal of the config and the tensors that were read so far, in whatever order. */
  name(config: unknown): string {
    const encoder = new TextEncoder();
    const hash = this.#createHash().update(encoder.encode(JSON.stringify(config)));
    for (const sample of [...this.#samples.values()].sort()) hash.update(encoder.encode(sample));
    return toHex(hash.digest());
  }

  /** Reading begins at a tensor's first byte, with SAMPLE_BYTES at least or all there are. */
  #add({ name, dtype, shape }: TensorEntry, offset: number, bytes: Uint8Array): void {
    if (offset > 0) return;
    // A copy: the bytes may lie in memory that threads share, which the hash does not take.
    const sample = toHex(this.#createHash().update(bytes.slice(0, SAMPLE_BYTES)).digest());
    this.#samples.set(name, JSON.stringify([name, dtype, shape, sample]));
  }
}
