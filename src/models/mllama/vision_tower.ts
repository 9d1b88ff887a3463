/**
 * The vision tower of Llama 3.2 Vision: a picture's tiles → features of every token → states for the decoder.
 *
 * A picture always has `tilesMax` tiles; unused ones are black and take part, as the reference computes them. Tokens are kept
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
import type { CommonKeys, Kernels } from "../../../kernels/host/kernels.ts";
import { ACTIVATION_GELU, KIND_F32, KV_BLOCK_TOKENS } from "../../../kernels/shared/layout.ts";
import { tanh } from "../../core/mathematics.ts";
import { yieldToEvents } from "../../core/yield.ts";
import type { PreparedImage } from "../../image/input.ts";
import { keyValueBlockBytes, keyValueKind } from "../../ops/key_value_block.ts";
import { ProductBuffers } from "../../ops/product_buffers.ts";
import { project } from "../../ops/project.ts";
import { attentionScratchBytes } from "../../ops/workspace.ts";
import type { Linear, StoredArray } from "../../weights/linear.ts";
import type { Precision } from "../../weights/plan.ts";
import { sizesOf, TokenView, type TowerSizes } from "./tower_layout.ts";
import { CHANNELS, type VisionConfig } from "./vision_config.ts";
import type { LayerNormWeights, TileEmbedding, VisionLayerWeights, VisionWeights } from "./vision_weights.ts";

/** `nn.LayerNorm`'s own, which the reference leaves in the norms outside the layers. */
const OUTER_EPSILON = 1e-5;

/** Weights are addresses here. */
type Weights = VisionWeights<Linear, number, StoredArray>;
type LayerWeights = VisionLayerWeights<Linear, number>;

/** Where a picture's features lie; valid until the next picture. */
export interface Features {
  /** Address of f32 [tiles, tokens of a tile, outputSize]. */
  address: number;
  tiles: number;
}

/** Some tokens' states for the decoder. */
export interface States {
  /** Address of f32 [rows, the decoder's hidden size]. */
  address: number;
  /** The token that row 0 is. */
  start: number;
  rows: number;
}

/** Owns its buffers for as long as the kernels' memory lives. */
export class VisionTower {
  readonly config: VisionConfig;
  readonly #weights: Weights;
  readonly #precision: Precision;
  /** How keys and values of a layer are stored. */
  readonly #kind: number;
  readonly #kernels: Kernels;
  readonly #sizes: TowerSizes;
  readonly #products: ProductBuffers;
  /** f32 [tokens, hiddenSize] */
  readonly #hidden: number;
  readonly #features: number;
  /** Keys and values of one layer: u32 [blocks], i32 [blocks] for all tokens, and for those of used tiles. */
  readonly #table: number;
  readonly #allCounts: number;
  readonly #usedCounts: number;
  /** Of one step: f32 [rows, …]. */
  readonly #patches: number;
  readonly #normed: number;
  readonly #wide: number;
  readonly #attended: number;
  readonly #branch: number;
  readonly #states: number;
  readonly #scratch: number;

  constructor(config: VisionConfig, weights: Weights, precision: Precision, kernels: Kernels) {
    const { heap, team } = kernels;
    const sizes = sizesOf(config, linearsOf(weights).map(({ packedInputs }) => packedInputs));
    const floats = (rows: number, width: number) => heap.allocate(rows * width * 4);
    this.config = config;
    this.#weights = weights;
    this.#precision = precision;
    this.#kernels = kernels;
    this.#sizes = sizes;
    this.#products = new ProductBuffers(kernels, sizes.stepRows, sizes.inputs);
    this.#hidden = floats(sizes.tokens, config.hiddenSize);
    this.#features = floats(config.tilesMax * sizes.tileTokens, config.outputSize);
    this.#kind = keyValueKindOf(precision);
    const blockBytes = towerBlockBytes(config, this.#kind);
    const keysValues = heap.allocate(sizes.blocks * blockBytes);
    this.#table = heap.allocate(sizes.blocks * 4);
    heap.wordsAt(this.#table, sizes.blocks).set(
      Uint32Array.from({ length: sizes.blocks }, (_, block) => keysValues + block * blockBytes),
    );
    this.#allCounts = heap.allocate(sizes.blocks * 4);
    this.#usedCounts = heap.allocate(sizes.blocks * 4);
    this.#patches = floats(sizes.stepRows, sizes.patchInputs);
    this.#normed = floats(sizes.stepRows, config.hiddenSize);
    this.#wide = floats(sizes.stepRows, sizes.wide);
    this.#attended = floats(sizes.stepRows, config.hiddenSize);
    this.#branch = floats(sizes.stepRows, config.hiddenSize);
    this.#states = floats(sizes.stepRows, weights.projector.outputs);
    this.#scratch = heap.allocate(attentionScratchBytes(sizes.headSize) * team.size);
  }

  /** Bytes of a tower's buffers. */
  static bytes(
    config: VisionConfig,
    precision: Precision,
    decoderHiddenSize: number,
    threads: number,
  ): number {
    const sizes = sizesOf(config);
    const perRow = sizes.patchInputs + 3 * config.hiddenSize + sizes.wide + decoderHiddenSize;
    const features = config.tilesMax * sizes.tileTokens * config.outputSize;
    return 4 * (sizes.tokens * config.hiddenSize + features + sizes.stepRows * perRow) +
      ProductBuffers.bytes(sizes.stepRows, sizes.inputs) +
      sizes.blocks * (towerBlockBytes(config, keyValueKindOf(precision)) + 12) +
      threads * attentionScratchBytes(sizes.headSize);
  }

  /** Tokens of a tile, the class token included. */
  get tileTokens(): number {
    return this.#sizes.tileTokens;
  }

  /**
   * Computes a picture's features. One picture at a time: the caller waits for it before the next.
   *
   * @param allTiles Keep the features of unused tiles too.
   * @param onLayer Told after each layer how many of all are done.
   * @throws The signal's reason when it fires between two steps of a layer.
   */
  async see(
    picture: PreparedImage,
    { allTiles, signal, onLayer }: {
      allTiles: boolean;
      signal?: AbortSignal;
      onLayer?: (done: number, total: number) => void;
    },
  ): Promise<Features> {
    const { hiddenSize, layers, globalLayers, intermediateLayers } = this.config;
    const weights = this.#weights;
    const view = this.#viewOf(picture.tileCount);
    const tiles = allTiles ? this.config.tilesMax : picture.tileCount;
    const total = layers + globalLayers;
    const pause = async () => {
      await yieldToEvents();
      signal?.throwIfAborted();
    };

    this.#embed(picture, view);
    onLayer?.(0, total);
    for (const [index, layer] of weights.layers.entries()) {
      const place = intermediateLayers.indexOf(index);
      if (place >= 0) this.#keep(view, tiles, hiddenSize + place, intermediateLayers.length);
      await this.#layer(layer, view, pause);
      onLayer?.(index + 1, total);
    }
    const rows = this.#sizes.tokens;
    this.#layerNorm(this.#hidden, this.#hidden, weights.normAfter, rows, OUTER_EPSILON);
    this.#addTileEmbedding(weights.postTile, picture.aspectRatioId, view, true);
    for (const [index, layer] of weights.globalLayers.entries()) {
      await this.#layer(layer, view, pause);
      onLayer?.(layers + index + 1, total);
    }
    this.#keep(view, tiles, 0, 1);
    return { address: this.#features, tiles };
  }

  /** States for the decoder, in steps of at most `rowsMax` rows, each valid until the next. */
  *project({ address, tiles }: Features, rowsMax: number): Generator<States, void, void> {
    const { projector } = this.#weights;
    const tokens = tiles * this.#sizes.tileTokens;
    const step = Math.min(rowsMax, this.#sizes.stepRows);
    for (let start = 0; start < tokens; start += step) {
      const rows = Math.min(step, tokens - start);
      project(this.#products, this.#precision, address + start * this.config.outputSize * 4, rows, [
        { linear: projector, output: this.#states, outputStride: projector.outputs * 4 },
      ]);
      yield { address: this.#states, start, rows };
    }
  }

  #embed({ pixelValues, tileCount, aspectRatioId }: PreparedImage, view: TokenView): void {
    const { heap } = this.#kernels;
    const { hiddenSize, tilesMax, patches } = this.config;
    const { tileTokens } = this.#sizes;
    const weights = this.#weights;
    const stride = hiddenSize * 4;
    heap.bytesAt(this.#hidden, this.#sizes.tokens * stride).fill(0);
    for (let tile = 0; tile < tileCount; tile++) this.#embedPatches(pixelValues, tile, view);
    this.#addTileEmbedding(weights.preTile, aspectRatioId, view, false);
    const gate = this.#gate(weights.positionGate);
    const { positions, tilePositions } = weights;
    for (let tile = 0; tile < tilesMax; tile++) {
      const first = this.#hidden + view.rowOf(tile) * stride;
      this.#add(first, weights.classEmbedding, 0, 0, 1, 1);
      this.#add(first, positions, 0, stride, tileTokens, 1 - gate);
      const place = (aspectRatioId * tilesMax + tile) * tileTokens * hiddenSize;
      this.#add(first, tilePositions, place, stride, tileTokens, gate);
      this.#layerNorm(first, first, weights.normBefore, patches + 1, OUTER_EPSILON);
    }
  }

  /** hidden of a used tile's patches = the patches' pixels through the convolution. */
  #embedPatches(pixels: Float32Array, tile: number, view: TokenView): void {
    const { hiddenSize, patches } = this.config;
    const { patchInputs, stepRows } = this.#sizes;
    const first = this.#hidden + (view.rowOf(tile) + 1) * hiddenSize * 4;
    for (let begin = 0; begin < patches; begin += stepRows) {
      const rows = Math.min(stepRows, patches - begin);
      const target = this.#kernels.heap.floatsAt(this.#patches, rows * patchInputs);
      for (let row = 0; row < rows; row++) {
        copyPatch(this.config, pixels, tile, begin + row, target.subarray(row * patchInputs));
      }
      project(this.#products, this.#precision, this.#patches, rows, [{
        linear: this.#weights.patchEmbedding,
        output: first + begin * hiddenSize * 4,
        outputStride: hiddenSize * 4,
      }]);
    }
  }

  /** Adds each tile's embedding to its patches, or to all of its tokens, the class token and padding included. */
  #addTileEmbedding(
    { gate, embedding }: TileEmbedding<number, StoredArray>,
    aspectRatioId: number,
    view: TokenView,
    toAllTokens: boolean,
  ): void {
    const { hiddenSize, tilesMax, patches } = this.config;
    const stride = hiddenSize * 4;
    const factor = this.#gate(gate);
    for (let tile = 0; tile < tilesMax; tile++) {
      const place = (aspectRatioId * tilesMax + tile) * hiddenSize;
      const first = this.#hidden + view.rowOf(tile) * stride;
      if (toAllTokens) {
        this.#add(first, embedding, place, 0, patches + 1, factor);
        this.#add(this.#hidden + view.paddingOf(tile) * stride, embedding, place, 0, view.padding, factor);
      } else {
        this.#add(first + stride, embedding, place, 0, patches, factor);
      }
    }
  }

  /** @param pause Awaited before each step: a layer of a large tower takes half a minute on a small machine. */
  async #layer(layer: LayerWeights, view: TokenView, pause: () => Promise<void>): Promise<void> {
    const { hiddenSize, heads, epsilon } = this.config;
    const { tokens, stepRows } = this.#sizes;
    const stride = hiddenSize * 4;
    // All keys first: every row sees tokens behind it.
    for (let first = 0; first < tokens; first += stepRows) {
      await pause();
      const rows = Math.min(stepRows, tokens - first);
      this.#layerNorm(this.#hidden + first * stride, this.#normed, layer.inputNorm, rows, epsilon);
      const keys = this.#wide, values = keys + stride;
      project(this.#products, this.#precision, this.#normed, rows, [
        { linear: layer.key, output: keys, outputStride: 2 * stride },
        { linear: layer.value, output: values, outputStride: 2 * stride },
      ]);
      this.#kernels.storeKeysValues(
        this.#kind,
        keys,
        2 * stride,
        values,
        2 * stride,
        this.#table,
        first,
        rows,
        heads,
        this.#sizes.headSize,
      );
    }
    for (const { first, rows, visible } of view.steps(stepRows)) {
      await pause();
      this.#attendAndFeed(layer, first, rows, visible);
    }
  }

  /** The rest of a layer for rows that see the same. */
  #attendAndFeed(layer: LayerWeights, first: number, rows: number, visible: CommonKeys): void {
    const { hiddenSize, heads, intermediateSize, epsilon } = this.config;
    const { headSize } = this.#sizes;
    const stride = hiddenSize * 4;
    const hidden = this.#hidden + first * stride;
    const projectTo = (input: number, linear: Linear, output: number) =>
      project(this.#products, this.#precision, input, rows, [
        { linear, output, outputStride: linear.outputs * 4 },
      ]);
    const addBranch = (gate: number | undefined) =>
      this.#kernels.addScaled(
        hidden,
        stride,
        this.#branch,
        KIND_F32,
        stride,
        rows,
        hiddenSize,
        gate === undefined ? 1 : this.#gate(gate),
      );

    this.#layerNorm(hidden, this.#normed, layer.inputNorm, rows, epsilon);
    projectTo(this.#normed, layer.query, this.#wide);
    this.#kernels.attention({
      kind: this.#kind,
      queries: this.#wide,
      queryStride: stride,
      table: this.#table,
      visible,
      rows,
      heads,
      kvHeads: heads,
      headSize,
      scale: 1 / Math.sqrt(headSize),
      output: this.#attended,
      outputStride: stride,
      scratch: this.#scratch,
      scratchBytes: attentionScratchBytes(headSize),
    });
    projectTo(this.#attended, layer.attentionOutput, this.#branch);
    addBranch(layer.attentionGate);

    this.#layerNorm(hidden, this.#normed, layer.feedForwardNorm, rows, epsilon);
    projectTo(this.#normed, layer.feedForwardInput, this.#wide);
    this.#kernels.activation(ACTIVATION_GELU, this.#wide, rows, intermediateSize);
    projectTo(this.#wide, layer.feedForwardOutput, this.#branch);
    addBranch(layer.feedForwardGate);
  }

  /** Writes the hidden state of the tiles' tokens into every `step`-th feature from `column` on. */
  #keep(view: TokenView, tiles: number, column: number, step: number): void {
    const { hiddenSize, outputSize } = this.config;
    const { tileTokens } = this.#sizes;
    for (let tile = 0; tile < tiles; tile++) {
      this.#kernels.spreadColumns(
        this.#hidden + view.rowOf(tile) * hiddenSize * 4,
        hiddenSize * 4,
        this.#features + (tile * tileTokens * outputSize + column) * 4,
        outputSize * 4,
        step,
        tileTokens,
        hiddenSize,
      );
    }
  }

  #layerNorm(
    input: number,
    output: number,
    { weight, bias }: LayerNormWeights<number>,
    rows: number,
    epsilon: number,
  ): void {
    const { hiddenSize } = this.config;
    const stride = hiddenSize * 4;
    this.#kernels.layerNorm(input, stride, output, stride, weight, bias, rows, hiddenSize, epsilon);
  }

  /** Rows at `target` += factor · rows of `array` from element `place` on; `stride` 0 adds one row to all. */
  #add(
    target: number,
    array: StoredArray,
    place: number,
    stride: number,
    rows: number,
    factor: number,
  ): void {
    const { hiddenSize } = this.config;
    const elementBytes = array.kind === KIND_F32 ? 4 : 2;
    this.#kernels.addScaled(
      target,
      hiddenSize * 4,
      array.address + place * elementBytes,
      array.kind,
      stride * elementBytes / 4,
      rows,
      hiddenSize,
      factor,
    );
  }

  #gate(address: number): number {
    return tanh(this.#kernels.heap.floatsAt(address, 1)[0]);
  }

  #viewOf(tileCount: number): TokenView {
    const { tokens, tileTokens, blocks } = this.#sizes;
    const fill = (counts: number, seen: number): CommonKeys => {
      const used = Math.ceil(seen / KV_BLOCK_TOKENS);
      const values = Uint32Array.from(
        { length: used },
        (_, block) => Math.min(KV_BLOCK_TOKENS, seen - block * KV_BLOCK_TOKENS),
      );
      this.#kernels.heap.wordsAt(counts, blocks).set(values);
      return { counts, blocks: used };
    };
    const inUse = tileCount * tileTokens;
    return new TokenView(
      this.#sizes,
      tileCount,
      fill(this.#allCounts, tokens),
      fill(this.#usedCounts, inUse),
    );
  }
}

/** Integers of two bytes as the linears' activations are integers, or floats. */
function keyValueKindOf(precision: Precision): number {
  return keyValueKind(precision === "f32" ? "f32" : "int8");
}

function towerBlockBytes({ hiddenSize, heads }: VisionConfig, kind: number): number {
  return keyValueBlockBytes({ kvHeads: heads, headSize: hiddenSize / heads, kind });
}

function linearsOf({ patchEmbedding, projector, layers, globalLayers }: Weights): Linear[] {
  return [
    patchEmbedding,
    projector,
    ...[...layers, ...globalLayers].flatMap((layer) => [
      layer.query,
      layer.key,
      layer.value,
      layer.attentionOutput,
      layer.feedForwardInput,
      layer.feedForwardOutput,
    ]),
  ];
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
