/**
 * What the tokens of one sequence see.
 *
 * A picture is seen from its token on, up to the next picture's token; neighbouring picture tokens share their end, so rows
 * behind them see all of them (transformers, `get_cross_attention_token_mask`). The last picture is seen to the end, by every
 * answer and later turn.
 *
 * @module
 */
import type { Heap } from "../../kernels/host/heap.ts";
import type { CommonKeys } from "../../kernels/host/kernels.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { PictureView, SeeingRows } from "../layers/cross_attention.ts";
import type { KeyValuePlace } from "./key_value_cache.ts";
import type { SeenPicture, Vision } from "./vision.ts";

/** What the pictures come from and go back to. */
type SightVision = Pick<Vision, "place" | "rows" | "release">;

/** A picture and the position of its token. */
export interface Placed {
  position: number;
  picture: SeenPicture;
}

/** Holds the sequence's pictures until they are truncated away or it is disposed. */
export class Sight {
  readonly #vision: SightVision;
  #placed: Placed[] = [];
  /** By first and last picture; "all" for rows before the first one. */
  readonly #views = new Map<string, View>();

  constructor(vision: SightVision) {
    this.#vision = vision;
  }

  /** The pictures' names, in the order of their tokens. */
  get keys(): string[] {
    return this.#placed.map(({ picture }) => picture.key);
  }

  /** Takes over a picture whose token is at `position`, behind all that are there. */
  add(position: number, picture: SeenPicture): void {
    this.#placed.push({ position, picture });
    this.#dropView("all");
  }

  /** The pictures and the positions of their tokens. */
  get placed(): readonly Readonly<Placed>[] {
    return this.#placed;
  }

  /** Gives back the pictures whose tokens are at begin … end − 1; those behind move up. */
  drop(begin: number, end: number): void {
    const dropped = this.#placed.filter(({ position }) => position >= begin && position < end);
    const count = end - begin;
    this.#placed = this.#placed.filter((placed) => !dropped.includes(placed))
      .map(({ position, picture }) => ({ position: position < end ? position : position - count, picture }));
    this.#dropViews();
    for (const { picture } of dropped) this.#vision.release(picture);
  }

  /** Gives back the pictures whose tokens are at `length` or behind. */
  truncate(length: number): void {
    const kept = this.#placed.filter(({ position }) => position < length);
    if (kept.length === this.#placed.length) return;
    const dropped = this.#placed.slice(kept.length);
    this.#placed = kept;
    this.#dropViews();
    for (const { picture } of dropped) this.#vision.release(picture);
  }

  dispose(): void {
    this.truncate(0);
  }

  /** The pictures that the token at `position` sees, and the place of the first of them. */
  picturesAt(position: number): { pictures: SeenPicture[]; first: number } {
    const { first, last } = this.#visibleAt(position);
    const pictures = this.#placed.slice(first, last + 1).map(({ picture }) => picture);
    return { pictures, first };
  }

  /** What the tokens at start … start + rows − 1 see. Rows before the first picture are left out, or see all of them. */
  seeing(start: number, rows: number): SeeingRows[] {
    const runs: SeeingRows[] = [];
    for (let row = 0; row < rows; row++) {
      const view = this.#viewAt(start + row);
      if (!view) continue;
      const run = runs.at(-1);
      if (run?.view === view.view) run.rows++;
      else runs.push({ first: row, rows: 1, ...view });
    }
    return runs;
  }

  #viewAt(position: number): { view: View; feedsForward: boolean } | undefined {
    const { first, last } = this.#visibleAt(position);
    if (last < 0) {
      if (this.#vision.rows === "meta" || this.#placed.length === 0) return undefined;
      return { view: this.#view("all", this.#placed, "tokens"), feedsForward: false };
    }
    const placed = this.#placed.slice(first, last + 1);
    return { view: this.#view(`${first} ${last}`, placed, "visibleTokens"), feedsForward: true };
  }

  /** Places of the first and last visible picture; the last is −1 where there is none. */
  #visibleAt(position: number): { first: number; last: number } {
    const last = this.#placed.findLastIndex((placed) => placed.position <= position);
    let first = Math.max(last, 0);
    while (first > 0 && this.#placed[first - 1].position === this.#placed[first].position - 1) first--;
    return { first, last };
  }

  #view(key: string, placed: readonly Placed[], extent: "tokens" | "visibleTokens"): View {
    let view = this.#views.get(key);
    if (!view) {
      const pictures = placed.map(({ picture }) => ({ picture, tokens: picture[extent] }));
      view = new View(this.#vision.place, pictures);
      this.#views.set(key, view);
    }
    return view;
  }

  #dropViews(): void {
    for (const key of [...this.#views.keys()]) this.#dropView(key);
  }

  #dropView(key: string): void {
    this.#views.get(key)?.dispose();
    this.#views.delete(key);
  }
}

/** Block tables of several pictures, one behind the other, and what is seen of each block; for every layer in its memory. */
class View implements PictureView {
  readonly #heaps: Heap[];
  readonly #blocks: number;
  /** Addresses of u32 [blocks], i32 [blocks]. */
  readonly #tables: number[];

  constructor({ kernels }: KeyValuePlace, pictures: { picture: SeenPicture; tokens: number }[]) {
    const counts = pictures.flatMap(({ tokens }) => blockCounts(tokens));
    this.#heaps = kernels.map(({ heap }) => heap);
    this.#blocks = counts.length;
    this.#tables = this.#heaps.map((heap, layer) => {
      const table = heap.allocate(this.#bytes);
      let at = table;
      for (const { picture, tokens } of pictures) {
        const count = blockCounts(tokens).length;
        heap.wordsAt(at, count).set(heap.wordsAt(picture.memory.table(layer), count));
        at += count * 4;
      }
      heap.wordsAt(at, this.#blocks).set(counts);
      return table;
    });
  }

  table(layer: number): number {
    return this.#tables[layer];
  }

  visible(layer: number): CommonKeys {
    return { counts: this.#tables[layer] + this.#blocks * 4, blocks: this.#blocks };
  }

  dispose(): void {
    this.#tables.forEach((table, layer) => this.#heaps[layer].free(table, this.#bytes));
  }

  get #bytes(): number {
    return 2 * this.#blocks * 4;
  }
}

/** Tokens in each block of a picture of which the first `tokens` are seen. */
function blockCounts(tokens: number): number[] {
  return Array.from(
    { length: Math.ceil(tokens / KV_BLOCK_TOKENS) },
    (_, block) => Math.min(KV_BLOCK_TOKENS, tokens - block * KV_BLOCK_TOKENS),
  );
}
