/**
 * Pictures that sequences look at: each is encoded once and known by its content.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { joinFloats } from "../core/floats.ts";
import { PICTURE_CACHE_BYTES_MAX } from "../core/limits.ts";
import { Turns } from "../core/turns.ts";
import { type ImageInput, imageKey, isSeen, readKey, withTiles } from "../image/input.ts";
import type { LayeredKeyValues } from "../models/decoder.ts";
import type {
  FewerTiles,
  PictureStates,
  PreparedPicture,
  VisionModel,
  VisionTrace,
} from "../vision/vision_model.ts";
import { keyValueBytes, KeyValueCache, type KeyValuePlace } from "./key_value_cache.ts";

/** A picture as the decoder sees it. */
export interface SeenPicture extends PreparedPicture {
  /** Names its content. */
  readonly key: string;
  /** Keys and values of its states in every layer that looks at pictures, where they join "across". */
  readonly memory?: KeyValueCache;
  /** Its states, f32 [tokens, width of the decoder], where they join "sequence" and did not come with a snapshot. */
  readonly embeddings?: Float32Array;
}

/** A picture with the name of its content. */
export interface KeyedImage {
  readonly key: string;
  /** Absent where only the name is there. */
  readonly image?: Exclude<ImageInput, { key: string }>;
}

/** How to look. */
export interface SeeOptions {
  signal?: AbortSignal;
  /** How much of all is done, from 0 to 1. */
  onProgress?: (share: number) => void;
  /** Told of each picture that is encoded with fewer tiles than it would have. */
  onFewerTiles?: (fewer: FewerTiles) => void;
  /** Encodes the pictures even if they are known. */
  trace?: VisionTrace;
}

/** What pictures are encoded with, and where their keys and values lie. */
export interface PictureParts {
  model: VisionModel;
  place: KeyValuePlace;
  /** Rows of states that the decoder takes at a time. */
  rowsMax: number;
  /** Lets the decoder store keys and values of a picture's states; takes its turn there. */
  remember(states: PictureStates, memory: LayeredKeyValues, signal?: AbortSignal): Promise<void>;
}

/** A picture that is about to be encoded, with memory for what will be kept of it. */
interface ReservedPicture {
  prepared: PreparedPicture;
  memory?: KeyValueCache;
}

/** Sequences share pictures; each returns what it took. */
export class Pictures {
  readonly model: VisionModel;
  readonly #parts: PictureParts;
  /** By key; the most recently used last. */
  readonly #known = new Map<string, { picture: SeenPicture; users: number }>();
  /** At the vision model, which has one set of buffers, and at `#known`. Nobody waits here with a turn at the decoder. */
  readonly #turns = new Turns();
  /** Pictures whose tokens were asked for last: they are about to be seen. By key. */
  #prepared = new Map<string, PreparedPicture>();

  constructor(parts: PictureParts) {
    this.model = parts.model;
    this.#parts = parts;
  }

  get place(): KeyValuePlace {
    return this.#parts.place;
  }

  /**
   * Names pictures that are seen with at most `maxTiles` tiles; those that are named already keep their names.
   *
   * @throws {RemoraError} BAD_ARGUMENT for a number of tiles that cannot be.
   */
  async named(images: readonly ImageInput[], maxTiles = Infinity): Promise<KeyedImage[]> {
    if (maxTiles !== Infinity && !(Number.isInteger(maxTiles) && maxTiles >= 1)) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot use maxTiles", {
        expected: "an integer from 1 on",
        found: `${maxTiles}`,
      });
    }
    const keyed = await keyImages(images);
    if (maxTiles >= this.model.info.tilesMax) return keyed;
    return keyed.map((image, i) =>
      isSeen(images[i]) ? image : { ...image, key: withTiles(image.key, maxTiles) }
    );
  }

  /**
   * Takes pictures: those seen before from memory, the others through the vision model. Memory for all of them is reserved before
   * the first is encoded.
   *
   * @throws {RemoraError} BAD_IMAGE, OUT_OF_MEMORY; the signal's reason when it fires. None is taken then.
   */
  async see(images: readonly KeyedImage[], options: SeeOptions = {}): Promise<SeenPicture[]> {
    return await this.#turns.take(() => this.#take(images, options), options.signal);
  }

  /**
   * How many tokens stand for each picture.
   *
   * @throws {RemoraError} BAD_IMAGE.
   */
  async tokensOf(images: readonly KeyedImage[]): Promise<number[]> {
    if (this.model.join === "across") return images.map(() => 1);
    return await this.#turns.take(async () => {
      this.#prepared = new Map();
      const counts: number[] = [];
      for (const image of images) {
        const known = this.#known.get(image.key)?.picture ?? await this.#prepare(image);
        if (!this.#known.has(image.key)) this.#prepared.set(image.key, known as PreparedPicture);
        counts.push(known.tokens);
      }
      return counts;
    });
  }

  /** Takes a picture that comes from elsewhere; `fill` writes its keys and values. It is dropped when it is known. */
  async adopt(
    { key, layout, tokens, visibleTokens }: SeenPicture,
    fill: (memory: KeyValueCache) => void,
  ): Promise<SeenPicture> {
    return await this.#turns.take(() => {
      if (!this.#known.has(key)) {
        const memory = this.#reserveMemory(tokens);
        if (memory) {
          memory.use(tokens);
          fill(memory);
        }
        this.#known.set(key, { picture: { key, layout, tokens, visibleTokens, memory }, users: 0 });
      }
      return this.#use(key);
    });
  }

  /** Returns a picture. It is kept for a while, as conversations come back to it. */
  release(picture: SeenPicture): void {
    this.#known.get(picture.key)!.users--;
    this.#forget();
  }

  async #take(images: readonly KeyedImage[], options: SeeOptions): Promise<SeenPicture[]> {
    const { signal, trace, onProgress, onFewerTiles } = options;
    const taken = new Map<number, SeenPicture>();
    const reserved = new Map<number, ReservedPicture>();
    const keys = images.map(({ key }) => key);
    try {
      for (const [i, key] of keys.entries()) {
        signal?.throwIfAborted();
        if (this.#isWhole(key)) taken.set(i, this.#use(key));
        const isKnown = taken.has(i) || keys.indexOf(key) < i;
        if (trace && images[i].image === undefined) {
          throw withoutPicture(key, "the picture itself, to trace its encoding");
        }
        if (isKnown && !trace) continue;
        const own = await this.#reserve(images[i]);
        reserved.set(i, own);
        if (own.prepared.fewerTiles) onFewerTiles?.(own.prepared.fewerTiles);
      }
      for (const [i, key] of keys.entries()) {
        const found = reserved.get(i);
        if (found) {
          const progress = (share: number) => onProgress?.((i + share) / keys.length);
          const embeddings = await this.#encode(found, { signal, trace, onProgress: progress });
          reserved.delete(i);
          // One that is only traced is not kept: sequences go on with what they use.
          if (this.#isWhole(key)) found.memory?.dispose();
          else this.#keep(key, found, embeddings);
        }
        if (!taken.has(i)) taken.set(i, this.#use(key));
      }
    } catch (error) {
      for (const { memory } of reserved.values()) memory?.dispose();
      for (const picture of taken.values()) this.release(picture);
      throw error;
    }
    this.#forget();
    return keys.map((_, i) => taken.get(i)!);
  }

  /** Whether a picture is known with all that a new sequence needs of it: snapshots bring no embeddings. */
  #isWhole(key: string): boolean {
    const known = this.#known.get(key)?.picture;
    return known !== undefined && (this.model.join === "across" || known.embeddings !== undefined);
  }

  #keep(key: string, { prepared, memory }: ReservedPicture, embeddings: Float32Array | undefined): void {
    const { layout, tokens, visibleTokens } = prepared;
    const users = this.#known.get(key)?.users ?? 0;
    this.#known.set(key, { picture: { key, layout, tokens, visibleTokens, memory, embeddings }, users });
  }

  /** A known picture with one more user. */
  #use(key: string): SeenPicture {
    const entry = this.#known.get(key)!;
    entry.users++;
    this.#known.delete(key);
    this.#known.set(key, entry);
    return entry.picture;
  }

  /** Prepares a picture, and memory for what will be kept of it. */
  async #reserve(image: KeyedImage): Promise<ReservedPicture> {
    const prepared = await this.#prepare(image);
    this.#prepared.delete(image.key);
    return { prepared, memory: this.#reserveMemory(prepared.tokens) };
  }

  async #prepare({ key, image }: KeyedImage): Promise<PreparedPicture> {
    const prepared = this.#prepared.get(key);
    if (prepared) return prepared;
    if (image !== undefined) return await this.model.prepare(image, readKey(key).maxTiles);
    throw withoutPicture(key, "one that is in memory");
  }

  #reserveMemory(tokens: number): KeyValueCache | undefined {
    return this.model.join === "across" ? KeyValueCache.reserved(this.#parts.place, tokens) : undefined;
  }

  /** Lets the decoder remember the states, or returns them. */
  async #encode(
    { prepared, memory }: ReservedPicture,
    options: SeeOptions,
  ): Promise<Float32Array | undefined> {
    const { rowsMax, remember } = this.#parts;
    memory?.use(prepared.tokens);
    const kept: Float32Array[] = [];
    for await (const states of this.model.encode(prepared, { rowsMax, ...options })) {
      if (memory) await remember(states, memory, options.signal);
      else kept.push(states.read(states.rows));
    }
    return memory ? undefined : joinFloats(kept);
  }

  /** Drops pictures that nobody uses, the longest unused first; the last one always stays. */
  #forget(): void {
    const idle = [...this.#known].filter(([, { users }]) => users === 0);
    let bytes = idle.reduce((sum, [, { picture }]) => sum + this.#bytesOf(picture), 0);
    for (const [key, { picture }] of idle.slice(0, -1)) {
      if (bytes <= PICTURE_CACHE_BYTES_MAX) return;
      bytes -= this.#bytesOf(picture);
      this.#known.delete(key);
      picture.memory?.dispose();
    }
  }

  #bytesOf({ memory, tokens, embeddings }: SeenPicture): number {
    return (memory ? keyValueBytes(this.#parts.place, tokens) : 0) + (embeddings?.byteLength ?? 0);
  }
}

function withoutPicture(key: string, expected: string): RemoraError {
  return new RemoraError("BAD_IMAGE", "Cannot look at the picture again", {
    expected,
    found: `"${key}", only a name`,
  });
}

/** Names the contents of pictures; each is hashed once, here. */
export async function keyImages(images: readonly ImageInput[]): Promise<KeyedImage[]> {
  return await Promise.all(images.map(async (image) => {
    if (isSeen(image)) return image as KeyedImage;
    return { key: await imageKey(image), image };
  }));
}
