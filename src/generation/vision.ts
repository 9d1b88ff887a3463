/**
 * Looking at pictures: once for each, remembered by its content.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { joinFloats } from "../core/floats.ts";
import { PICTURE_CACHE_BYTES_MAX } from "../core/limits.ts";
import { Turns } from "../core/turns.ts";
import { yieldWhenDue } from "../core/yield.ts";
import { decodeImage } from "../image/decode.ts";
import { type ImageInput, imageKey, isSeen, type PreparedImage } from "../image/input.ts";
import { supportedCanvases, tileImage, type TileSettings } from "../image/tiles.ts";
import type { Decoder } from "../models/decoder/decoder.ts";
import { CHANNELS } from "../models/mllama/vision_config.ts";
import type { VisionTower } from "../models/mllama/vision_tower.ts";
import { keyValueBytes, KeyValueCache, type KeyValuePlace } from "./key_value_cache.ts";

/** What rows that see no picture take from it: nothing (as trained), or what transformers computes. */
export type CrossAttentionRows = "meta" | "transformers";

/** How a picture lies on its tiles. */
export interface PictureLayout {
  /** Tiles from top to bottom and from left to right. */
  rows: number;
  columns: number;
  /** Share of the tiles' width and height that the picture covers, from the top left; the rest is padding. */
  width: number;
  height: number;
}

/** A picture as the decoder sees it. */
export interface SeenPicture {
  /** Names its content. */
  readonly key: string;
  /** How it lies on its tiles. */
  readonly layout: PictureLayout;
  /** Keys and values of its tokens in every cross-attention layer. */
  readonly memory: KeyValueCache;
  /** Tokens in memory; those of used tiles, which text may see, come first. */
  readonly tokens: number;
  readonly visibleTokens: number;
}

/** A picture that is about to be looked at. */
interface ReservedPicture extends Omit<SeenPicture, "key"> {
  prepared: PreparedImage;
}

function pictureOf(key: string, { layout, memory, tokens, visibleTokens }: ReservedPicture): SeenPicture {
  return { key, layout, memory, tokens, visibleTokens };
}

/** Copies of what the tower computed, one of each for each picture; for comparison with another implementation. */
export interface VisionTrace {
  /** f32 [tilesMax, tokens of a tile, outputSize] */
  vision: Float32Array[];
  /** f32 [tilesMax, tokens of a tile, hiddenSize] */
  projector: Float32Array[];
}

/** How to look. */
export interface SeeOptions {
  signal?: AbortSignal;
  /** How much of all is done, from 0 to 1. */
  onProgress?: (share: number) => void;
  /** Computes the pictures even if they are known. */
  trace?: VisionTrace;
}

/** What a loaded model looks with. */
export interface VisionParts {
  tower: VisionTower;
  decoder: Decoder;
  /** At the decoder. Whoever holds a turn there never waits for one at the tower. */
  turns: Turns;
  /** The tower's. */
  kernels: Kernels;
  /** Where keys and values of pictures lie: in the cross-attention layers' memories. */
  place: KeyValuePlace;
  settings: TileSettings;
  imageToken: number;
  rows: CrossAttentionRows;
}

/** Sequences share pictures; each returns what it took. */
export class Vision {
  readonly #parts: VisionParts;
  /** By key; the most recently used last. */
  readonly #pictures = new Map<string, { picture: SeenPicture; users: number }>();
  /** At the tower, which has one set of buffers, and at `#pictures`. */
  readonly #turns = new Turns();

  constructor(parts: VisionParts) {
    this.#parts = parts;
  }

  get place(): KeyValuePlace {
    return this.#parts.place;
  }

  get imageToken(): number {
    return this.#parts.imageToken;
  }

  get rows(): CrossAttentionRows {
    return this.#parts.rows;
  }

  /** How many tokens a picture may have: of one tile, and whether unused tiles have some too. */
  get extent(): { tilesMax: number; tileTokens: number; allTiles: boolean } {
    const { tower: { config: { tilesMax }, tileTokens }, rows } = this.#parts;
    return { tilesMax, tileTokens, allTiles: rows === "transformers" };
  }

  /** Patches on a side of a tile. */
  get patchesPerSide(): number {
    const { imageSize, patchSize } = this.#parts.tower.config;
    return imageSize / patchSize;
  }

  /** Shape of what a trace gets, without the pictures' axis. */
  get traceShapes(): { vision: number[]; projector: number[] } {
    const { config, tileTokens } = this.#parts.tower;
    const tokens = [config.tilesMax, tileTokens];
    return {
      vision: [...tokens, config.outputSize],
      projector: [...tokens, this.#parts.decoder.config.hiddenSize],
    };
  }

  /**
   * Takes pictures: those seen before from memory, the others through the tower. Memory for all of them is reserved before the
   * first is looked at.
   *
   * @throws {RemoraError} BAD_IMAGE, OUT_OF_MEMORY; the signal's reason when it fires. None is taken then.
   */
  async see(images: readonly ImageInput[], options: SeeOptions = {}): Promise<SeenPicture[]> {
    const keys = await Promise.all(images.map(imageKey));
    return await this.#turns.take(() => this.#take(keys, images, options), options.signal);
  }

  /** Takes a picture that comes from elsewhere; `fill` writes its keys and values. It is dropped when it is known. */
  async adopt(
    picture: Omit<SeenPicture, "memory">,
    fill: (memory: KeyValueCache) => void,
  ): Promise<SeenPicture> {
    return await this.#turns.take(() => {
      if (!this.#pictures.has(picture.key)) {
        const memory = KeyValueCache.reserved(this.place, picture.tokens);
        memory.use(picture.tokens);
        fill(memory);
        this.#pictures.set(picture.key, { picture: { ...picture, memory }, users: 0 });
      }
      return this.#use(picture.key);
    });
  }

  /** Returns a picture. It is kept for a while, as conversations come back to it. */
  release(picture: SeenPicture): void {
    const entry = this.#pictures.get(picture.key)!;
    entry.users--;
    this.#forget();
  }

  async #take(
    keys: readonly string[],
    images: readonly ImageInput[],
    options: SeeOptions,
  ): Promise<SeenPicture[]> {
    const { signal, trace, onProgress } = options;
    const taken = new Map<number, SeenPicture>();
    const reserved = new Map<number, ReservedPicture>();
    try {
      for (const [i, key] of keys.entries()) {
        signal?.throwIfAborted();
        if (this.#pictures.has(key)) taken.set(i, this.#use(key));
        const isKnown = taken.has(i) || keys.indexOf(key) < i;
        if (!isKnown || trace) reserved.set(i, await this.#reserve(images[i]));
      }
      for (const [i, key] of keys.entries()) {
        const found = reserved.get(i);
        if (found) {
          const onLayer = (done: number, total: number) => onProgress?.((i + done / total) / keys.length);
          await this.#look(found, { signal, trace, onLayer });
          reserved.delete(i);
          // One that is only traced is not kept: sequences go on with what they use.
          if (this.#pictures.has(key)) found.memory.dispose();
          else this.#pictures.set(key, { picture: pictureOf(key, found), users: 0 });
        }
        if (!taken.has(i)) taken.set(i, this.#use(key));
      }
    } catch (error) {
      for (const { memory } of reserved.values()) memory.dispose();
      for (const picture of taken.values()) this.release(picture);
      throw error;
    }
    this.#forget();
    return keys.map((_, i) => taken.get(i)!);
  }

  /** A known picture with one more user. */
  #use(key: string): SeenPicture {
    const entry = this.#pictures.get(key)!;
    entry.users++;
    this.#pictures.delete(key);
    this.#pictures.set(key, entry);
    return entry.picture;
  }

  /** Prepares a picture, and memory for what will be remembered of it. */
  async #reserve(image: ImageInput): Promise<ReservedPicture> {
    const { tower, rows, place } = this.#parts;
    const { prepared, layout } = await this.#prepare(image);
    const visibleTokens = prepared.tileCount * tower.tileTokens;
    const tokens = rows === "transformers" ? tower.config.tilesMax * tower.tileTokens : visibleTokens;
    const memory = KeyValueCache.reserved(place, tokens);
    return { prepared, layout, tokens, visibleTokens, memory };
  }

  async #prepare(image: ImageInput): Promise<{ prepared: PreparedImage; layout: PictureLayout }> {
    if (isSeen(image)) {
      throw new RemoraError("BAD_IMAGE", "Cannot look at the picture again", {
        expected: "one that is in memory",
        found: `"${image.key}", which is not`,
      });
    }
    if (image instanceof Uint8Array || !("pixelValues" in image)) {
      const { settings } = this.#parts;
      const prepared = tileImage(await decodeImage(image), settings);
      const { rows, columns } = prepared;
      const width = prepared.width / (columns * settings.tileSize);
      return {
        prepared,
        layout: { rows, columns, width, height: prepared.height / (rows * settings.tileSize) },
      };
    }
    const { pixelValues, tileCount, aspectRatioId } = image;
    const { imageSize, tilesMax } = this.#parts.tower.config;
    const canvas = supportedCanvases(tilesMax)[aspectRatioId - 1];
    const tileFloats = CHANNELS * imageSize ** 2;
    // Reference processors fill unused tiles with zeros; they may be left out.
    const fits = canvas !== undefined && canvas.rows * canvas.columns === tileCount &&
      [tileCount, tilesMax].some((tiles) => pixelValues.length === tiles * tileFloats);
    if (fits && pixelValues instanceof Float32Array) {
      return { prepared: image, layout: { ...canvas, width: 1, height: 1 } };
    }
    throw new RemoraError("BAD_IMAGE", "Cannot use the prepared picture", {
      expected:
        `tiles of ${CHANNELS} × ${imageSize} × ${imageSize} floats in a layout of at most ${tilesMax}`,
      found: `${pixelValues.length} floats, tileCount ${tileCount}, aspectRatioId ${aspectRatioId}`,
    });
  }

  async #look(
    { prepared, tokens, memory }: ReservedPicture,
    { signal, trace, onLayer }: {
      signal?: AbortSignal;
      trace?: VisionTrace;
      onLayer: (done: number, total: number) => void;
    },
  ): Promise<void> {
    const { tower, decoder, turns, kernels, rows } = this.#parts;
    const allTiles = rows === "transformers" || trace !== undefined;
    memory.use(tokens);
    const features = await tower.see(prepared, { allTiles, signal, onLayer });
    const { hiddenSize } = decoder.config;
    const states: Float32Array[] = [];
    for (const { address, start, rows } of tower.project(features, decoder.rows)) {
      // Views are made anew after each wait: a memory that grew in the meantime has another buffer.
      const read = (count: number) => kernels.heap.floatsAt(address, count * hiddenSize);
      if (trace) states.push(read(rows).slice());
      const kept = Math.min(rows, tokens - start);
      if (kept > 0) await turns.take(() => decoder.remember(read(kept), kept, start, memory), signal);
      await yieldWhenDue();
      signal?.throwIfAborted();
    }
    if (trace) {
      const count = features.tiles * tower.tileTokens * tower.config.outputSize;
      trace.vision.push(kernels.heap.floatsAt(features.address, count).slice());
      trace.projector.push(joinFloats(states));
    }
  }

  /** Drops pictures that nobody uses, the longest unused first; the last one always stays. */
  #forget(): void {
    const idle = [...this.#pictures].filter(([, { users }]) => users === 0);
    let bytes = idle.reduce((sum, [, { picture }]) => sum + this.#bytesOf(picture), 0);
    for (const [key, { picture }] of idle.slice(0, -1)) {
      if (bytes <= PICTURE_CACHE_BYTES_MAX) return;
      bytes -= this.#bytesOf(picture);
      this.#pictures.delete(key);
      picture.memory.dispose();
    }
  }

  #bytesOf({ tokens }: SeenPicture): number {
    return keyValueBytes(this.#parts.place, tokens);
  }
}
