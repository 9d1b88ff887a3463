/**
 * Small reads of a place where every read costs a round trip: whole blocks are fetched, and the last few kept. A checkpoint has up to
 * four tensors a layer, some of a few hundred bytes, each type in a part of the file of its own: SmolLM2's 1,140 reads become 220.
 *
 * @module
 */

/** Bytes fetched at once; longer reads go past the cache. */
const BLOCK_BYTES = 1 << 20;
/** Blocks kept: codes, scales, zero points and vectors of a layer lie in different places. */
const BLOCKS_MAX = 4;

/** Fills `target` with a file's bytes from `begin` on. */
export type ReadRange = (name: string, begin: number, target: Uint8Array) => Promise<void>;

interface Block {
  readonly key: string;
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly bytes: Promise<Uint8Array>;
  /** Reads that wait for it or copy from it; its buffer is theirs. */
  readers: number;
}

/** The last blocks that were read. */
export class BlockCache {
  readonly #read: ReadRange;
  /** The one used last at the end. */
  #blocks: Block[] = [];
  /** Buffers of blocks that were given up. */
  #free: Uint8Array<ArrayBuffer>[] = [];

  constructor(read: ReadRange) {
    this.#read = read;
  }

  /** @param size Of the file. */
  async readInto(name: string, begin: number, target: Uint8Array, size: number): Promise<void> {
    if (target.byteLength >= BLOCK_BYTES) return await this.#read(name, begin, target);
    for (let filled = 0; filled < target.byteLength;) {
      const at = begin + filled, number = Math.floor(at / BLOCK_BYTES);
      const block = this.#block(name, number, size);
      block.readers++;
      try {
        const bytes = await block.bytes;
        const within = at - number * BLOCK_BYTES;
        const count = Math.min(bytes.length - within, target.byteLength - filled);
        target.set(bytes.subarray(within, within + count), filled);
        filled += count;
      } finally {
        block.readers--;
      }
    }
  }

  /** Gives up everything. */
  clear(): void {
    this.#blocks = [];
    this.#free = [];
  }

  #block(name: string, number: number, size: number): Block {
    const key = `${number} ${name}`;
    const known = this.#blocks.findIndex((block) => block.key === key);
    const block = known >= 0 ? this.#blocks.splice(known, 1)[0] : this.#begin(key, name, number, size);
    this.#blocks.push(block);
    return block;
  }

  #begin(key: string, name: string, number: number, size: number): Block {
    if (this.#blocks.length === BLOCKS_MAX) {
      const { buffer, readers } = this.#blocks.shift()!;
      if (readers === 0) this.#free.push(buffer);
    }
    const buffer = this.#free.pop() ?? new Uint8Array(BLOCK_BYTES);
    const begin = number * BLOCK_BYTES;
    const whole = buffer.subarray(0, Math.min(BLOCK_BYTES, size - begin));
    const block = { key, buffer, bytes: this.#read(name, begin, whole).then(() => whole), readers: 0 };
    // What failed is asked for again by the next read.
    block.bytes.catch(() => this.#blocks = this.#blocks.filter((other) => other !== block));
    return block;
  }
}
