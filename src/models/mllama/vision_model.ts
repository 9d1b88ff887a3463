/**
 * Llama 3.2 Vision looks at pictures: pixels to tiles, tiles through the tower, states that cross-attention looks at.
 *
 * @module
 */
import { RemoraError } from "../../core/errors.ts";
import { joinFloats } from "../../core/floats.ts";
import { decodeImage } from "../../image/decode.ts";
import type { ImageInput, PreparedImage, SeenImage } from "../../image/input.ts";
import type { Space } from "../../ops/space.ts";
import type { HostEvents } from "../../platform/events.ts";
import type {
  CrossAttentionRows,
  EncodeOptions,
  PatchMap,
  PictureLayout,
  PictureStates,
  PreparedPicture,
  VisionInfo,
  VisionModel,
} from "../../vision/vision_model.ts";
import type { Precision, WeightPlan } from "../../weights/plan.ts";
import { patchMapOf } from "./attention_map.ts";
import { supportedCanvases, tileImage, type TileLayout, type TileSettings } from "./tiles.ts";
import { CHANNELS, type VisionConfig } from "./vision_config.ts";
import { VISION_PART, VisionTower } from "./vision_tower.ts";

/** A picture cut into tiles. */
interface TiledPicture extends PreparedPicture {
  readonly layout: TileLayout;
  readonly image: PreparedImage;
  /** Tiles that the tower computes, unused ones included. */
  readonly tiles: number;
}

/** What the decoder and the caller say. */
export interface MllamaVisionOptions {
  pictureToken: number;
  decoderWidth: number;
  /** Floats of a token's keys and values in one layer. */
  keyValueWidth: number;
  crossAttentionLayers: number;
  settings: TileSettings;
  crossAttentionRows: CrossAttentionRows;
  events: HostEvents;
}

export class MllamaVision implements VisionModel<TiledPicture> {
  readonly join = "across";
  readonly part = VISION_PART;
  readonly #tower: VisionTower;
  readonly #options: MllamaVisionOptions;

  constructor(config: VisionConfig, weights: WeightPlan, options: MllamaVisionOptions) {
    this.#tower = new VisionTower(config, options.decoderWidth, weights);
    this.#options = options;
  }

  get pictureToken(): number {
    return this.#options.pictureToken;
  }

  get crossAttentionRows(): CrossAttentionRows {
    return this.#options.crossAttentionRows;
  }

  get info(): VisionInfo {
    const { imageSize: tileSize, tilesMax, layers, globalLayers, hiddenSize } = this.#tower.config;
    const { crossAttentionLayers: crossAttentionLayerCount } = this.#options;
    return { tileSize, tilesMax, layerCount: layers + globalLayers, hiddenSize, crossAttentionLayerCount };
  }

  get tokensMax(): number {
    return this.#tower.config.tilesMax * this.#tower.sizes.tileTokens;
  }

  get traceShapes() {
    const { config: { tilesMax, outputSize }, sizes: { tileTokens } } = this.#tower;
    const tokens = [tilesMax, tileTokens];
    return { vision: [...tokens, outputSize], projector: [...tokens, this.#options.decoderWidth] };
  }

  bufferBytes(precision: Precision, threads: number): number {
    return this.#tower.bufferBytes(precision, threads);
  }

  place(space: Space, precision: Precision): void {
    this.#tower.place(space, precision);
  }

  async prepare(image: Exclude<ImageInput, SeenImage>, limit = Infinity): Promise<TiledPicture> {
    const maxTiles = Math.min(limit, this.info.tilesMax);
    if (!(image instanceof Uint8Array) && "pixelValues" in image) {
      return this.#tiled(image, this.#canvasOf(image, maxTiles), maxTiles);
    }
    const { settings } = this.#options;
    const tiled = tileImage(await decodeImage(image), settings, maxTiles);
    const { rows, columns, tileCount: tiles, tilesUnlimited: unlimited } = tiled;
    const width = tiled.width / (columns * settings.tileSize),
      height = tiled.height / (rows * settings.tileSize);
    const picture = this.#tiled(tiled, { rows, columns, width, height }, maxTiles);
    return tiles < unlimited ? { ...picture, fewerTiles: { tiles, unlimited } } : picture;
  }

  async *encode(
    { image, tokens, tiles }: TiledPicture,
    { rowsMax, signal, onProgress, trace }: EncodeOptions,
  ): AsyncGenerator<PictureStates, void, void> {
    const tower = this.#tower;
    if (trace && tiles < this.info.tilesMax) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot trace a picture", {
        expected: `all ${this.info.tilesMax} tiles`,
        found: `${tiles}`,
      });
    }
    const { layer, states: ofStates } = this.#workOf(image.tileCount, tiles);
    const total = layer * this.info.layerCount + ofStates * tokens;
    const features = await tower.see(image, {
      tiles,
      allTiles: this.#seesAllTiles || trace !== undefined,
      onLayer: (done) => onProgress?.(layer * done / total),
      pause: async () => {
        await this.#options.events.pause();
        signal?.throwIfAborted();
      },
    });
    const traced: Float32Array[] = [];
    for (const { start, states } of tower.project(features, rowsMax)) {
      if (trace) traced.push(states.read());
      const rows = Math.min(states.rows, tokens - start);
      if (rows > 0) yield { start, rows, read: (count) => states.sliceRows(0, count).read() };
      // By now the decoder has its keys and values.
      onProgress?.(1 - ofStates * Math.max(0, tokens - start - rows) / total);
      await this.#options.events.pauseWhenDue();
      signal?.throwIfAborted();
    }
    if (trace) {
      trace.vision.push(features.read());
      trace.projector.push(joinFloats(traced));
    }
  }

  mayHavePrepared({ layout, tokens, visibleTokens }: PreparedPicture): boolean {
    const { config: { tilesMax }, sizes: { tileTokens } } = this.#tower;
    const { rows, columns, width, height } = layout;
    const isCount = (value: unknown) =>
      Number.isInteger(value) && Number(value) >= 1 && Number(value) <= tilesMax;
    const isShare = (share: unknown) => typeof share === "number" && share > 0 && share <= 1;
    if (!isCount(rows) || !isCount(columns) || !isShare(width) || !isShare(height)) return false;
    const used = rows * columns, tiles = tokens / tileTokens;
    // Where unused tiles count they are as many as the caller allowed.
    return used <= tilesMax && visibleTokens === used * tileTokens &&
      (this.#seesAllTiles ? isCount(tiles) && tiles >= used : tiles === used);
  }

  patchMap(layout: PictureLayout, weights: ArrayLike<number>): PatchMap {
    const { imageSize, patchSize } = this.#tower.config;
    return patchMapOf(layout as TileLayout, imageSize / patchSize, weights);
  }

  /** Where transformers lets rows that see no picture average over all of it, states of unused tiles are needed too. */
  get #seesAllTiles(): boolean {
    return this.#options.crossAttentionRows === "transformers";
  }

  #tiled(image: PreparedImage, layout: TileLayout, tiles: number): TiledPicture {
    const { tileTokens } = this.#tower.sizes;
    const visibleTokens = image.tileCount * tileTokens;
    return {
      image,
      tiles,
      layout,
      visibleTokens,
      tokens: this.#seesAllTiles ? tiles * tileTokens : visibleTokens,
    };
  }

  /** Multiplications of a layer of the tower, and of what becomes of one state in projector and decoder. */
  #workOf(tileCount: number, tiles: number): { layer: number; states: number } {
    const { decoderWidth, keyValueWidth, crossAttentionLayers } = this.#options;
    const { outputSize } = this.#tower.config;
    return {
      layer: this.#tower.layerWork(tileCount, tiles),
      states: decoderWidth * (outputSize + crossAttentionLayers * keyValueWidth),
    };
  }

  /** @throws {RemoraError} BAD_IMAGE when the caller's tiles do not fit the model, or are more than the caller allows. */
  #canvasOf({ pixelValues, tileCount, aspectRatioId }: PreparedImage, maxTiles: number): TileLayout {
    const { imageSize, tilesMax } = this.#tower.config;
    const canvas = supportedCanvases(tilesMax)[aspectRatioId - 1];
    const tileFloats = CHANNELS * imageSize ** 2;
    // Reference processors fill unused tiles with zeros; they may be left out.
    const fits = canvas !== undefined && canvas.rows * canvas.columns === tileCount &&
      tileCount <= maxTiles &&
      [tileCount, tilesMax].some((tiles) => pixelValues.length === tiles * tileFloats);
    if (fits && pixelValues instanceof Float32Array) return { ...canvas, width: 1, height: 1 };
    throw new RemoraError("BAD_IMAGE", "Cannot use the prepared picture", {
      expected:
        `tiles of ${CHANNELS} × ${imageSize} × ${imageSize} floats in a layout of at most ${maxTiles}`,
      found: `${pixelValues.length} floats, tileCount ${tileCount}, aspectRatioId ${aspectRatioId}`,
    });
  }
}
