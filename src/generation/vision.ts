/**
 * Looking at pictures: once for each, remembered by its content.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { joinFloats } from "../core/floats.ts";
import { PICTURE_CACHE_BYTES_MAX } from "../core/limits.ts";
import { decodeImage } from "../image/decode.ts";
import { type ImageInput, imageKey, type PreparedImage } from "../image/input.ts";
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
  /** Layers of the tower that are done. */
  onProgress?: (done: number, total: number) => void;
  /** Computes the picture even if it is known. */
  trace?: VisionTrace;
}

/** What a loaded model looks with. */
export interface VisionParts {
  tower: VisionTower;
  decoder: Decoder;
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
  /** The tower has one set of buffers. */
  #turn: Promise<unknown> = Promise.resolve();

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
   * Takes a picture: from memory when it was seen before, else through the tower.
   *
   * @throws {RemoraError} BAD_IMAGE, OUT_OF_MEMORY; the signal's reason when it fires.
   */
  async see(image: ImageInput, options: SeeOptions = {}): Promise<SeenPicture> {
    const key = await imageKey(image);
    const turn = this.#turn.then(() => this.#take(key, image, options));
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  /** Returns a picture. It is kept for a while, as conversations come back to it. */
  release(picture: SeenPicture): void {
    const entry = this.#pictures.get(picture.key)!;
    entry.users--;
    this.#forget();
  }

  async #take(key: string, image: ImageInput, options: SeeOptions): Promise<SeenPicture> {
    options.signal?.throwIfAborted();
    const known = this.#pictures.get(key);
    if (known && !options.trace) {
      known.users++;
      this.#pictures.delete(key);
      this.#pictures.set(key, known);
      return known.picture;
    }
    const { prepared, layout } = await this.#prepare(image);
    const picture = await this.#look(key, prepared, layout, options);
    if (known) {
      // Only traced: the sequences that use it go on with the one they have.
      picture.memory.dispose();
      known.users++;
      return known.picture;
    }
    this.#pictures.set(key, { picture, users: 1 });
    this.#forget();
    return picture;
  }

  async #prepare(image: ImageInput): Promise<{ prepared: PreparedImage; layout: PictureLayout }> {
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
    key: string,
    prepared: PreparedImage,
    layout: PictureLayout,
    options: SeeOptions,
  ): Promise<SeenPicture> {
    const { tower, decoder, kernels, place, rows } = this.#parts;
    const { signal, onProgress: onLayer, trace } = options;
    const allTiles = rows === "transformers" || trace !== undefined;
    const visibleTokens = prepared.tileCount * tower.tileTokens;
    const tokens = rows === "transformers" ? tower.config.tilesMax * tower.tileTokens : visibleTokens;
    const memory = new KeyValueCache(place);
    try {
      memory.reserve(tokens);
      const features = await tower.see(prepared, { allTiles, signal, onLayer });
      const { hiddenSize } = decoder.config;
      const states: Float32Array[] = [];
      tower.project(features, decoder.rows, (address, start, count) => {
        const part = kernels.heap.floatsAt(address, count * hiddenSize);
        if (trace) states.push(part.slice());
        const kept = Math.min(count, tokens - start);
        if (kept > 0) decoder.remember(part.subarray(0, kept * hiddenSize), kept, start, memory);
      });
      if (trace) {
        const count = features.tiles * tower.tileTokens * tower.config.outputSize;
        trace.vision.push(kernels.heap.floatsAt(features.address, count).slice());
        trace.projector.push(joinFloats(states));
      }
      return { key, layout, memory, tokens, visibleTokens };
    } catch (error) {
      memory.dispose();
      throw error;
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
