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
}

/** What the decoder and the caller say. */
export interface MllamaVisionOptions {
  pictureToken: number;
  decoderWidth: number;
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

  async prepare(image: Exclude<ImageInput, SeenImage>): Promise<TiledPicture> {
    if (!(image instanceof Uint8Array) && "pixelValues" in image) {
      return this.#tiled(image, this.#canvasOf(image));
    }
    const { settings } = this.#options;
    const tiles = tileImage(await decodeImage(image), settings);
    const { rows, columns } = tiles;
    const width = tiles.width / (columns * settings.tileSize);
    return this.#tiled(tiles, { rows, columns, width, height: tiles.height / (rows * settings.tileSize) });
  }

  async *encode(
    { image, tokens }: TiledPicture,
    { rowsMax, signal, onProgress, trace }: EncodeOptions,
  ): AsyncGenerator<PictureStates, void, void> {
    const tower = this.#tower;
    const features = await tower.see(image, {
      allTiles: this.#seesAllTiles || trace !== undefined,
      onLayer: (done, total) => onProgress?.(done / total),
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
    const tiles = rows * columns;
    return tiles <= tilesMax && visibleTokens === tiles * tileTokens &&
      tokens === (this.#seesAllTiles ? tilesMax : tiles) * tileTokens;
  }

  patchMap(layout: PictureLayout, weights: ArrayLike<number>): PatchMap {
    const { imageSize, patchSize } = this.#tower.config;
    return patchMapOf(layout as TileLayout, imageSize / patchSize, weights);
  }

  /** Where transformers lets rows that see no picture average over all of it, states of unused tiles are needed too. */
  get #seesAllTiles(): boolean {
    return this.#options.crossAttentionRows === "transformers";
  }

  #tiled(image: PreparedImage, layout: TileLayout): TiledPicture {
    const { config: { tilesMax }, sizes: { tileTokens } } = this.#tower;
    const visibleTokens = image.tileCount * tileTokens;
    return {
      image,
      layout,
      visibleTokens,
      tokens: this.#seesAllTiles ? tilesMax * tileTokens : visibleTokens,
    };
  }

  /** @throws {RemoraError} BAD_IMAGE when the caller's tiles do not fit the model. */
  #canvasOf({ pixelValues, tileCount, aspectRatioId }: PreparedImage): TileLayout {
    const { imageSize, tilesMax } = this.#tower.config;
    const canvas = supportedCanvases(tilesMax)[aspectRatioId - 1];
    const tileFloats = CHANNELS * imageSize ** 2;
    // Reference processors fill unused tiles with zeros; they may be left out.
    const fits = canvas !== undefined && canvas.rows * canvas.columns === tileCount &&
      [tileCount, tilesMax].some((tiles) => pixelValues.length === tiles * tileFloats);
    if (fits && pixelValues instanceof Float32Array) return { ...canvas, width: 1, height: 1 };
    throw new RemoraError("BAD_IMAGE", "Cannot use the prepared picture", {
      expected:
        `tiles of ${CHANNELS} × ${imageSize} × ${imageSize} floats in a layout of at most ${tilesMax}`,
      found: `${pixelValues.length} floats, tileCount ${tileCount}, aspectRatioId ${aspectRatioId}`,
    });
  }
}
