/**
 * A name for a model's content, made of what is read of it anyway.
 *
 * Keys and values of one model are noise to another, so a snapshot names its model. Hashing all of it would take a second for
 * each gigabyte or two; instead the first SAMPLE_BYTES of every piece that loading reads (4 MiB or a whole tensor, whichever is
 * shorter) are hashed, with the config and the place of each. Training and quantising change every tensor nearly everywhere, so
 * another training state, quantisation or revision has another name. A few weights changed by hand may not be noticed.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Checkpoint } from "../formats/checkpoint.ts";
import type { TensorEntry } from "../formats/safetensors.ts";

/** Of each piece: some 1,000 weights. 0.1 % of a large model. */
const SAMPLE_BYTES = 4096;

/** Watches a checkpoint being read. */
export class ModelDigest {
  /** The same checkpoint; what is read through it counts. */
  readonly checkpoint: Checkpoint;
  readonly #samples: string[] = [];

  constructor(checkpoint: Checkpoint) {
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

  /** SHA-256 in hexadecimal of the config and what was read so far, in whatever order. */
  name(config: unknown): string {
    const hash = createHash("sha256").update(JSON.stringify(config));
    for (const sample of this.#samples.sort()) hash.update(sample);
    return hash.digest("hex");
  }

  #add({ name, dtype, shape }: TensorEntry, offset: number, bytes: Uint8Array): void {
    // A copy: the bytes may lie in memory that threads share, which the hash does not take.
    const sample = createHash("sha256").update(bytes.slice(0, SAMPLE_BYTES)).digest("hex");
    this.#samples.push(JSON.stringify([name, dtype, shape, offset, sample]));
  }
}
