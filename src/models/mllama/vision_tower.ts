/**
 * The vision tower of Llama 3.2 Vision: a picture's tiles → features of every token → states for the decoder.
 *
 * A picture has `tilesMax` tiles, or as many as the caller allows; unused ones are black and take part, as the reference computes
 * them. Tokens are kept
 * with those of used tiles first, then all the rest (padding, unused tiles): attention knows no order, and what each row may
 * see is a prefix then. Rows of used tiles see all tokens; the rest see the tokens of used tiles only (the reference masks
 * pairs of padding).
 *
 * Linear layers run in steps of rows, attention over blocks of keys: nothing grows with the square of the tokens.
 *
 * @see {@link https://github.com/meta-llama/llama-models/blob/a9c89c4/models/llama3/multimodal/model.py | model.py}
 *
 * @module
 */
import type { PreparedImage } from "../../image/input.ts";
import { addScaled, spreadColumns } from "../../ops/elementwise.ts";
import { KeyValueBlocks } from "../../ops/key_value_blocks.ts";
import { arrayRows, Matrix } from "../../ops/matrix.ts";
import { layerNorm, type LayerNormWeights } from "../../ops/norm.ts";
import { Projection } from "../../ops/projection.ts";
import { CountedSpace, type Space } from "../../ops/space.ts";
import { Workspace } from "../../ops/workspace.ts";
import type { StoredArray, Vector } from "../../weights/linear.ts";
import type { Precision, WeightPlan } from "../../weights/plan.ts";
import { sizesOf, TokenPlaces, type TowerSizes } from "./tower_layout.ts";
import { CHANNELS, type VisionConfig } from "./vision_config.ts";
import { gateFactor, takeLayerNorm, VisionLayer } from "./vision_layer.ts";

/** `nn.LayerNorm`'s own, which the reference leaves in the norms outside the layers. */
const OUTER_EPSILON = 1e-5;

const PREFIX = "vision_model";

/** The tower and its projector lie together. */
export const VISION_PART = "vision";

/** Views of the tower's keys and values. */
const ALL_TOKENS = 0;
const USED_TOKENS = 1;

/** An embedding for each tile of each layout, [layouts + 1, tiles · width], and its gate. */
interface TileEmbedding {
  gate: Vector;
  embedding: StoredArray;
}

/** What one memory holds of a picture. */
interface TowerBuffers {
  /** f32 [tokens, hiddenSize]. */
  hidden: Matrix;
  /** f32 [tiles · tokens of a tile, outputSize]. */
  features: Matrix;
  /** Of one layer at a time. */
  keyValues: KeyValueBlocks;
  /** Of one step: pixels of patches, and states for the decoder. */
  patches: Matrix;
  states: Matrix;
  workspace: Workspace;
}

/** How to look. */
export interface SeeOptions {
  /** Tiles that are computed, unused ones included. */
  tiles: number;
  /** Keep the features of unused tiles too. */
  allTiles: boolean;
  /** Told after each layer how many are done. */
  onLayer?(done: number): void;
  /** Awaited before each step of a layer, which takes half a minute in a large tower on a small machine. */
  pause(): Promise<void>;
}

/** Takes its weights when it is made, its buffers when it is placed; one picture at a time. */
export class VisionTower {
  readonly config: VisionConfig;
  readonly sizes: TowerSizes;
  readonly #patchEmbedding: Projection;
  readonly #classEmbedding: StoredArray;
  readonly #preTile: TileEmbedding;
  readonly #postTile: TileEmbedding;
  readonly #positionGate: Vector;
  /** [tokens of a tile, hiddenSize]. */
  readonly #positions: StoredArray;
  /** [layouts + 1, tiles · tokens of a tile · hiddenSize]. */
  readonly #tilePositions: StoredArray;
  readonly #normBefore: LayerNormWeights;
  readonly #normAfter: LayerNormWeights;
  readonly #layers: readonly VisionLayer[];
  readonly #globalLayers: readonly VisionLayer[];
  /** From the tower's features to the decoder's width. */
  readonly #projector: Projection;
  #buffers?: TowerBuffers;

  /** @throws {RemoraError} Whatever the plan throws for a module that is missing or wrong. */
  constructor(config: VisionConfig, decoderWidth: number, weights: WeightPlan) {
    const { hiddenSize, patchSize, patches, tilesMax, aspectRatios, outputSize } = config;
    this.config = config;
    this.sizes = sizesOf(config);
    const vector = (name: string, length: number) => weights.vector(`${PREFIX}.${name}`, length);
    const array = (name: string, ...shape: number[]) => weights.array(`${PREFIX}.${name}`, shape);
    const layouts = aspectRatios + 1, tokens = patches + 1;
    const tileEmbedding = (name: string): TileEmbedding => ({
      gate: vector(`${name}.gate`, 1),
      embedding: array(`${name}.embedding.weight`, layouts, tilesMax * hiddenSize),
    });
    weights.part(VISION_PART);
    const kernel = [hiddenSize, CHANNELS, patchSize, patchSize];
    this.#patchEmbedding = new Projection([
      weights.linear(`${PREFIX}.patch_embedding`, hiddenSize, this.sizes.patchInputs, {
        kernel,
        dense: "int7",
      }),
    ]);
    this.#classEmbedding = array("class_embedding", hiddenSize);
    this.#preTile = tileEmbedding("pre_tile_positional_embedding");
    this.#postTile = tileEmbedding("post_tile_positional_embedding");
    this.#positionGate = vector("gated_positional_embedding.gate", 1);
    this.#positions = array("gated_positional_embedding.embedding", tokens, hiddenSize);
    const tilePositions = "gated_positional_embedding.tile_embedding.weight";
    this.#tilePositions = array(tilePositions, layouts, tilesMax * tokens * hiddenSize);
    this.#normBefore = takeLayerNorm(weights, `${PREFIX}.layernorm_pre`, hiddenSize);
    this.#normAfter = takeLayerNorm(weights, `${PREFIX}.layernorm_post`, hiddenSize);
    const takeLayers = (stack: string, count: number, isGated: boolean) =>
      Array.from(
        { length: count },
        (_, i) => new VisionLayer(config, weights, `${PREFIX}.${stack}.layers.${i}`, isGated),
      );
    this.#layers = takeLayers("transformer", config.layers, false);
    this.#globalLayers = takeLayers("global_transformer", config.globalLayers, true);
    const projector = weights.linear("multi_modal_projector", decoderWidth, outputSize, { dense: "int7" });
    this.#projector = new Projection([projector]);
  }

  /** Bytes of the buffers. */
  bufferBytes(precision: Precision, threads: number): number {
    const space = new CountedSpace(threads);
    this.#reserve(space, precision);
    return space.bytes;
  }

  /** Reserves the buffers. The weights are loaded. */
  place(space: Space, precision: Precision): void {
    this.#buffers = this.#reserve(space, precision);
  }

  #reserve(space: Space, precision: Precision): TowerBuffers {
    const { hiddenSize, heads, tilesMax, outputSize } = this.config;
    const { headSize, tokens, tileTokens, stepRows, patchInputs } = this.sizes;
    // In bytes, as the linear layers' products are, or floats.
    const keyValueType = precision === "f32" ? "f32" : "int7";
    return {
      hidden: Matrix.reserve(space, tokens, hiddenSize),
      features: Matrix.reserve(space, tilesMax * tileTokens, outputSize),
      keyValues: new KeyValueBlocks(space, { kvHeads: heads, headSize, keyValueType }, tokens, 2),
      patches: Matrix.reserve(space, stepRows, patchInputs),
      states: Matrix.reserve(space, stepRows, this.#projector.outputs),
      workspace: Workspace.reserve(space, precision, (workspace) => {
        for (const layer of [...this.#layers, ...this.#globalLayers]) layer.reserve(workspace, stepRows);
        this.#patchEmbedding.reserve(workspace, stepRows);
        this.#projector.reserve(workspace, stepRows);
      }),
    };
  }

  get #placed(): TowerBuffers {
    return this.#buffers!;
  }

  /**
   * Computes a picture's features; they are valid until the next picture.
   *
   * @returns f32 [tiles · tokens of a tile, outputSize].
   */
  async see(
    picture: PreparedImage,
    { tiles: computed, allTiles, onLayer, pause }: SeeOptions,
  ): Promise<Matrix> {
    const { layers, intermediateLayers } = this.config;
    const places = new TokenPlaces(this.sizes, picture.tileCount, computed);
    const hidden = this.#placed.hidden.sliceRows(0, places.tokens);
    const tiles = allTiles ? computed : picture.tileCount;

    this.#embed(picture, places);
    onLayer?.(0);
    for (const [index, layer] of this.#layers.entries()) {
      const place = intermediateLayers.indexOf(index);
      if (place >= 0) this.#keepIntermediate(places, tiles, place);
      await this.#run(layer, places, pause);
      onLayer?.(index + 1);
    }
    layerNorm(hidden, this.#normAfter, OUTER_EPSILON, hidden);
    this.#addTileEmbedding(this.#postTile, picture.aspectRatioId, places, true);
    for (const [index, layer] of this.#globalLayers.entries()) {
      await this.#run(layer, places, pause);
      onLayer?.(layers + index + 1);
    }
    return this.#keepOutput(places, tiles);
  }

  /** Multiplications of a layer for a picture. */
  layerWork(tileCount: number, tiles: number): number {
    const { hiddenSize, intermediateSize } = this.config;
    const { tokens, used } = new TokenPlaces(this.sizes, tileCount, tiles);
    const seen = used * tokens + (tokens - used) * used;
    return 2 * hiddenSize * (tokens * (2 * hiddenSize + intermediateSize) + seen);
  }

  /** States for the decoder, in steps of at most `rowsMax` rows, each valid until the next. */
  *project(features: Matrix, rowsMax: number): Generator<{ start: number; states: Matrix }, void, void> {
    const { workspace, states } = this.#placed;
    const step = Math.min(rowsMax, this.sizes.stepRows);
    for (let start = 0; start < features.rows; start += step) {
      const end = Math.min(start + step, features.rows);
      const output = states.sliceRows(0, end - start);
      this.#projector.forward(workspace, features.sliceRows(start, end), output);
      yield { start, states: output };
    }
  }

  #embed({ pixelValues, tileCount, aspectRatioId }: PreparedImage, places: TokenPlaces): void {
    const { hidden } = this.#placed;
    const { hiddenSize, tilesMax } = this.config;
    const { tileTokens } = this.sizes;
    hidden.clear();
    for (let tile = 0; tile < tileCount; tile++) {
      this.#embedPatches(pixelValues, tile, places.rowOf(tile) + 1);
    }
    this.#addTileEmbedding(this.#preTile, aspectRatioId, places, false);
    const gate = gateFactor(this.#positionGate);
    const rowsOf = (array: StoredArray, begin: number, rows: number) =>
      arrayRows(hidden.space, array, begin, rows, hiddenSize);
    for (let tile = 0; tile < places.tiles; tile++) {
      const first = places.rowOf(tile);
      const tokens = hidden.sliceRows(first, first + tileTokens);
      addScaled(tokens.sliceRows(0, 1), rowsOf(this.#classEmbedding, 0, 1));
      addScaled(tokens, rowsOf(this.#positions, 0, tileTokens), 1 - gate);
      const begin = (aspectRatioId * tilesMax + tile) * tileTokens * hiddenSize;
      addScaled(tokens, rowsOf(this.#tilePositions, begin, tileTokens), gate);
      layerNorm(tokens, this.#normBefore, OUTER_EPSILON, tokens);
    }
  }

  /** Writes the patches of a used tile, their pixels through the convolution, into rows from `first` on. */
  #embedPatches(pixels: Float32Array, tile: number, first: number): void {
    const { hidden, patches: buffer, workspace } = this.#placed;
    const { patches } = this.config;
    const { patchInputs, stepRows } = this.sizes;
    const values = new Float32Array(Math.min(stepRows, patches) * patchInputs);
    for (let begin = 0; begin < patches; begin += stepRows) {
      const rows = Math.min(stepRows, patches - begin);
      for (let row = 0; row < rows; row++) {
        copyPatch(this.config, pixels, tile, begin + row, values.subarray(row * patchInputs));
      }
      const input = buffer.sliceRows(0, rows);
      input.write(values.subarray(0, rows * patchInputs));
      this.#patchEmbedding.forward(workspace, input, hidden.sliceRows(first + begin, first + begin + rows));
    }
  }

  /** Adds each tile's embedding to its patches, or to all of its tokens, the class token and padding included. */
  #addTileEmbedding(
    { gate, embedding }: TileEmbedding,
    aspectRatioId: number,
    places: TokenPlaces,
    toAllTokens: boolean,
  ): void {
    const { hidden } = this.#placed;
    const { hiddenSize, tilesMax } = this.config;
    const { tileTokens } = this.sizes;
    const factor = gateFactor(gate);
    const add = (tile: number, first: number, rows: number) => {
      const begin = (aspectRatioId * tilesMax + tile) * hiddenSize;
      const one = arrayRows(hidden.space, embedding, begin, rows, hiddenSize, true);
      addScaled(hidden.sliceRows(first, first + rows), one, factor);
    };
    for (let tile = 0; tile < places.tiles; tile++) {
      const first = places.rowOf(tile);
      if (toAllTokens) {
        add(tile, first, tileTokens);
        add(tile, places.paddingOf(tile), places.padding);
      } else add(tile, first + 1, tileTokens - 1);
    }
  }

  async #run(layer: VisionLayer, places: TokenPlaces, pause: () => Promise<void>): Promise<void> {
    const { hidden, keyValues, workspace } = this.#placed;
    const { stepRows } = this.sizes;
    const { tokens } = places;
    // All keys first: every row sees tokens that follow it.
    for (let first = 0; first < tokens; first += stepRows) {
      await pause();
      const rows = hidden.sliceRows(first, Math.min(first + stepRows, tokens));
      layer.storeKeysValues(workspace, rows, first, keyValues);
    }
    const all = keyValues.view(ALL_TOKENS, tokens), used = keyValues.view(USED_TOKENS, places.used);
    for (const { first, end, isUsed } of places.steps(stepRows)) {
      await pause();
      layer.forward(workspace, hidden.sliceRows(first, end), isUsed ? all : used);
    }
  }

  /** Keeps the hidden state of the tiles' tokens as the features of an intermediate layer, interleaved with the others'. */
  #keepIntermediate(places: TokenPlaces, tiles: number, place: number): void {
    const { hiddenSize, intermediateLayers } = this.config;
    this.#keep(places, tiles, hiddenSize + place, intermediateLayers.length);
  }

  /** Keeps the tower's output as the first features, and returns all. */
  #keepOutput(places: TokenPlaces, tiles: number): Matrix {
    this.#keep(places, tiles, 0, 1);
    return this.#placed.features.sliceRows(0, tiles * this.sizes.tileTokens);
  }

  #keep(places: TokenPlaces, tiles: number, column: number, step: number): void {
    const { hidden, features } = this.#placed;
    const { tileTokens } = this.sizes;
    for (let tile = 0; tile < tiles; tile++) {
      const first = places.rowOf(tile);
      const target = features.sliceRows(tile * tileTokens, (tile + 1) * tileTokens).sliceColumns(column);
      spreadColumns(hidden.sliceRows(first, first + tileTokens), target, step);
    }
  }
}

/** Copies one patch of a tile, f32 [3, imageSize, imageSize], as [3, patchSize, patchSize]. */
function copyPatch(
  { imageSize, patchSize }: VisionConfig,
  pixels: Float32Array,
  tile: number,
  patch: number,
  target: Float32Array,
): void {
  const perRow = imageSize / patchSize;
  const top = Math.floor(patch / perRow) * patchSize, left = patch % perRow * patchSize;
  for (let channel = 0; channel < CHANNELS; channel++) {
    for (let y = 0; y < patchSize; y++) {
      const from = ((tile * CHANNELS + channel) * imageSize + top + y) * imageSize + left;
      target.set(pixels.subarray(from, from + patchSize), (channel * patchSize + y) * patchSize);
    }
  }
}
