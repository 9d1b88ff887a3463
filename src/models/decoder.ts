/**
 * The decoder: an embedding, a list of layers, a norm and a head.
 *
 * @module
 */
import type {
  AttentionWatch,
  BlockKeyValues,
  LayerPass,
  PictureView,
  SeeingRows,
  SequenceRows,
} from "../layers/block.ts";
import type { Layer } from "../layers/layer.ts";
import { usesLongFactors } from "../layers/rotary.ts";
import { RotaryTables } from "../layers/rotary_tables.ts";
import type { KeyValueView } from "../ops/attention.ts";
import { embed, TokenIds } from "../ops/embed.ts";
import { Matrix } from "../ops/matrix.ts";
import { rmsNorm } from "../ops/norm.ts";
import { Projection } from "../ops/projection.ts";
import { CountedSpace, type Space } from "../ops/space.ts";
import { Workspace } from "../ops/workspace.ts";
import type { Linear, Vector } from "../weights/linear.ts";
import type { Precision, WeightPlan } from "../weights/plan.ts";
import type { DecoderConfig } from "./decoder_config.ts";

export type { AttentionWatch, PictureView, SeeingRows };

/** Rows of one pass at most: enough that the weights' unpacking is amortised, few enough for the caches. */
export const PASS_ROWS_MAX = 512;

/** Rows of logits computed at a time: a whole prompt's would take 200 KB a token. */
export const LOGIT_ROWS = 16;

/** Told the name, shape and values of an intermediate result. */
export type Trace = (name: string, value: { shape: number[]; data: Float32Array }) => void;

/** What a sequence consists of: token ids, or rows of embeddings that a vision model made of a picture. */
export type Segment =
  | { readonly ids: ArrayLike<number> }
  | {
    /** f32 [count, hiddenSize]. */
    readonly embeddings: Float32Array;
    readonly count: number;
  };

/** Keys and values of a sequence's tokens, or of a picture's states, in every layer that keeps some. */
export interface LayeredKeyValues {
  layer(index: number): KeyValueView | undefined;
}

/** Neighbouring places of one sequence, whose cache covers them. */
export interface Step {
  readonly segments: readonly Segment[];
  /** Rows of all segments together. */
  readonly rows: number;
  /** Position of the first. */
  readonly start: number;
  /** Tokens that the sequence will have: what positions depend on, for all of its tokens alike. */
  readonly length: number;
  readonly cache: LayeredKeyValues;
  /** Rows at the end whose result is read. Of the others the last layer computes keys and values only. */
  readonly results: number;
  /** Rows that see pictures, in order and without gaps up to the last row; none: text only. */
  readonly seeing?: readonly SeeingRows[];
  readonly watch?: AttentionWatch;
}

/** A step and the row of the pass that its first one is. */
interface PlacedStep extends Step {
  readonly first: number;
}

/** Names of the decoder's parts; each lies in one memory. */
const EMBEDDING_PART = "embedding";
const HEAD_PART = "head";
/** Bytes of an activation of the head where its weights have 4 bits: nothing comes after it that would even out its errors. */
const HEAD_BYTES = 2;
export const layerPart = (index: number): string => `layers.${index}`;

/** What one memory holds of a pass. */
interface PassBuffers {
  readonly workspace: Workspace;
  readonly ids: TokenIds;
  /** The residual stream, f32 [rows, hiddenSize]. */
  readonly hidden: Matrix;
  /** The last norm's output. */
  readonly result: Matrix;
  readonly rotary: RotaryTables;
  readonly logits: Matrix;
}

/** Takes its weights when it is made, and its buffers when it is placed. */
export class Decoder {
  readonly config: DecoderConfig;
  readonly #prefix: string;
  readonly #embedding: Linear;
  readonly #layers: readonly Layer[];
  /** The part that the last norm and the head lie in. */
  readonly #headPart: string;
  readonly #norm: Vector;
  readonly #head: Projection;
  /** By memory. */
  readonly #buffers = new Map<Space, PassBuffers>();
  #spaceOf: (part: string) => Space = () => {
    throw new Error("the decoder has no place yet");
  };
  #rows = 0;

  /**
   * @param prefix What stands before every name in the file: "", or a part of a larger model with its dot.
   * @throws {RemoraError} Whatever the plan throws for a module that is missing or wrong.
   */
  constructor(config: DecoderConfig, weights: WeightPlan, prefix = "") {
    const { hiddenSize, vocabularySize, normOffset } = config;
    this.config = config;
    this.#prefix = prefix;
    weights.part(EMBEDDING_PART);
    this.#embedding = this.embeddingIn(weights);
    this.#layers = config.layers.map((_, index) => {
      weights.part(layerPart(index));
      return this.layerIn(weights, index);
    });
    const head = `${prefix}lm_head`, table = this.#embedding.name;
    // A head of its own wins over tying: some tools untie without saying so.
    const isTied = config.tied && (table === head || !weights.has(head));
    // A tied head is the table where both have the same form, so it lies where the table lies.
    this.#headPart = isTied ? EMBEDDING_PART : HEAD_PART;
    weights.part(this.#headPart);
    this.#norm = weights.vector(`${prefix}model.norm.weight`, hiddenSize, normOffset);
    this.#head = new Projection(
      [weights.linear(isTied ? table : head, vocabularySize, hiddenSize, { isHead: true })],
      HEAD_BYTES,
    );
  }

  /** The embedding alone, taken from a plan. */
  embeddingIn(weights: WeightPlan): Linear {
    const { tied, embeddingRows, hiddenSize } = this.config;
    const head = `${this.#prefix}lm_head`, embedding = `${this.#prefix}model.embed_tokens`;
    // Tools write the matrix of a tied model under either name, or both.
    const table = tied && !weights.has(embedding) && weights.has(head) ? head : embedding;
    return weights.table(table, embeddingRows, hiddenSize);
  }

  /** One layer alone, taken from a plan. */
  layerIn(weights: WeightPlan, index: number): Layer {
    return this.config.layers[index](weights, `${this.#prefix}model.layers.${index}`);
  }

  /** What each layer keeps: of the tokens of a sequence, of pictures, or nothing. */
  get keyValues(): readonly (BlockKeyValues | undefined)[] {
    return this.#layers.map((layer) =>
      layer.map(({ block }) => block.keyValues).find((kept) => kept !== undefined)
    );
  }

  /**
   * Which positions a sequence of that many tokens has: keys and values of another number are of no use to it. Only LongRoPE has more
   * than one.
   */
  positionsOf(length: number): number {
    return this.config.rotaries.filter((rotary) => usesLongFactors(rotary, length)).length;
  }

  /** The longest sequence that has the positions of one of `length` tokens. */
  positionsEnd(length: number): number {
    const ends = this.config.rotaries.map((rotary) =>
      rotary.type === "longrope" ? rotary.originalContext : 0
    );
    return Math.min(Infinity, ...ends.filter((end) => end >= length && end > 0));
  }

  /** The rows that one pass may have. */
  get rows(): number {
    return this.#rows;
  }

  /** Bytes that the buffers of a pass take in each memory that parts of the decoder lie in. */
  bufferBytes(rows: number, precision: Precision, threads: number): number {
    const space = new CountedSpace(threads);
    this.#reserve(space, rows, precision);
    return space.bytes;
  }

  /** Reserves the buffers. The weights are loaded. */
  place(spaceOf: (part: string) => Space, rows: number, precision: Precision): void {
    this.#spaceOf = spaceOf;
    this.#rows = rows;
    const parts = [EMBEDDING_PART, ...this.#layers.map((_, index) => layerPart(index)), this.#headPart];
    for (const space of new Set(parts.map(spaceOf))) {
      this.#buffers.set(space, this.#reserve(space, rows, precision));
    }
  }

  #reserve(space: Space, rows: number, precision: Precision): PassBuffers {
    const { hiddenSize, vocabularySize, rotaries } = this.config;
    const logitRows = Math.min(LOGIT_ROWS, rows);
    return {
      ids: new TokenIds(space, rows),
      hidden: Matrix.reserve(space, rows, hiddenSize),
      result: Matrix.reserve(space, rows, hiddenSize),
      rotary: new RotaryTables(space, rotaries, rows),
      logits: Matrix.reserve(space, logitRows, vocabularySize),
      workspace: Workspace.reserve(space, precision, (workspace) => {
        for (const part of this.#layers.flat()) part.reserve(workspace, rows, hiddenSize);
        this.#head.reserve(workspace, logitRows);
      }),
    };
  }

  /**
   * Runs the layers for the rows of one sequence, or of several at once: each gets the bits that it would get alone. Keys and
   * values of a step go into its cache, the last norm's output stays for `logits`. Nothing happens but by iterating.
   *
   * @param steps Together at most `this.rows` rows.
   * @returns Yields how many layers are done, after each half of one: there the caller may let events in, but nobody may use
   * this decoder before the end. A caller who stops there leaves nothing but rows of the caches.
   */
  *forward(steps: readonly Step[], trace?: Trace): Generator<number, void, void> {
    let rows = 0;
    const placed: PlacedStep[] = steps.map((step) => {
      const first = rows;
      rows += step.rows;
      return { ...step, first };
    });
    const wanted = trace ? 0 : Math.min(
      ...placed.map(({ first, rows: count, results }) => results > 0 ? first + count - results : rows),
    );

    let x = this.#embed(placed, rows);
    this.#trace(trace, "embed", x);
    const withTables = new Set<PassBuffers>();
    for (const [index, layer] of this.#layers.entries()) {
      const buffers = this.#buffersOf(layerPart(index));
      x = this.#moveTo(buffers, x);
      if (!withTables.has(buffers)) {
        buffers.rotary.fill(placed);
        withTables.add(buffers);
      }
      const pass = passOf(index, buffers, placed, rows);
      const read = index === this.#layers.length - 1 ? wanted : 0;
      for (const [half, part] of layer.entries()) {
        part.forward(x, read, pass);
        yield index + (half + 1) / layer.length;
      }
      this.#trace(trace, `layers.${index}`, x);
    }

    if (wanted === rows) return;
    const buffers = this.#buffersOf(this.#headPart);
    const { result } = buffers;
    x = this.#moveTo(buffers, x);
    rmsNorm(x.sliceRows(wanted), this.#norm, this.config.epsilon, result.sliceRows(wanted, rows));
    this.#trace(trace, "norm", result.sliceRows(0, rows));
  }

  /**
   * Logits of `rows` read rows of the last pass from row `first` on, into `target`, f32 [rows, vocabularySize]; at most LOGIT_ROWS.
   */
  logits(first: number, rows: number, target: Float32Array): void {
    const { workspace, result, logits } = this.#buffersOf(this.#headPart);
    const output = logits.sliceRows(0, rows);
    this.#head.forward(workspace, result.sliceRows(first, first + rows), output);
    output.readInto(target);
  }

  /**
   * Stores keys and values of a picture's states in every layer that looks at pictures.
   *
   * @param states f32 [rows, hiddenSize]; at most `this.rows` rows.
   * @param start The first of them among the picture's states; `memory` covers all.
   */
  remember(states: Float32Array, rows: number, start: number, memory: LayeredKeyValues): void {
    const holding = new Set<PassBuffers>();
    for (const [index, layer] of this.#layers.entries()) {
      for (const { block } of layer) {
        if (!block.remember) continue;
        const buffers = this.#buffersOf(layerPart(index));
        // Between two passes nobody needs the residual stream.
        const x = buffers.hidden.sliceRows(0, rows);
        if (!holding.has(buffers)) x.write(states);
        holding.add(buffers);
        block.remember(buffers.workspace, x, start, memory.layer(index)!);
      }
    }
  }

  #buffersOf(part: string): PassBuffers {
    return this.#buffers.get(this.#spaceOf(part))!;
  }

  #embed(steps: readonly PlacedStep[], rows: number): Matrix {
    const { ids, hidden } = this.#buffersOf(EMBEDDING_PART);
    const x = hidden.sliceRows(0, rows);
    const pictures: { first: number; count: number; embeddings: Float32Array }[] = [];
    for (const { first, segments } of steps) {
      let at = first;
      for (const segment of segments) {
        const count = "ids" in segment ? segment.ids.length : segment.count;
        if ("ids" in segment) ids.write(segment.ids, at);
        else {
          // Any row of the table does: the picture's take its place.
          ids.fill(0, at, count);
          pictures.push({ first: at, count, embeddings: segment.embeddings });
        }
        at += count;
      }
    }
    embed(this.#embedding, ids, this.config.embeddingFactor, x);
    for (const { first, count, embeddings } of pictures) x.sliceRows(first, first + count).write(embeddings);
    return x;
  }

  /** The residual stream in another memory. */
  #moveTo({ hidden }: PassBuffers, x: Matrix): Matrix {
    if (hidden.space === x.space) return x;
    const moved = hidden.sliceRows(0, x.rows);
    moved.copyFrom(x);
    return moved;
  }

  #trace(trace: Trace | undefined, name: string, x: Matrix): void {
    trace?.(name, { shape: [x.rows, x.columns], data: x.read() });
  }
}

function passOf(
  layer: number,
  { workspace, rotary }: PassBuffers,
  steps: readonly PlacedStep[],
  rows: number,
): LayerPass {
  const sequences = steps.map(({ first, rows: count, start, cache, seeing = [], watch }): SequenceRows => ({
    first,
    rows: count,
    start,
    keyValues: cache.layer(layer),
    seeing,
    watch,
  }));
  return { layer, workspace, sequences, rotary: rotary.tables.map((table) => table.sliceRows(0, rows)) };
}
