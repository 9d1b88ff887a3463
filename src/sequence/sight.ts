/**
 * What the tokens of one sequence see of pictures that join "across".
 *
 * A picture is seen from its token on, up to the next picture's token; neighbouring picture tokens share their end, so rows that
 * follow see all of them (transformers, `get_cross_attention_token_mask`). The last picture is seen to the end, by every answer
 * and later turn.
 *
 * @module
 */
import type { KernelMemory } from "../../kernels/host/memory.ts";
import type { PictureView, SeeingRows } from "../models/decoder.ts";
import type { CommonKeyValueView } from "../ops/attention.ts";
import { blockCounts } from "../ops/key_value_blocks.ts";
import type { CrossAttentionRows } from "../vision/vision_model.ts";
import type { KeyValuePlace } from "./key_value_cache.ts";
import type { SeenPicture } from "./pictures.ts";

/** A picture and the position of its first token. */
export interface PlacedPicture {
  readonly position: number;
  readonly picture: SeenPicture;
}

/** Views of a sequence's pictures, made when rows first see them and kept until the pictures change. */
export class Sight {
  readonly #place: KeyValuePlace;
  readonly #rows: CrossAttentionRows;
  /** By first and last picture; "all" for rows before the first one. */
  readonly #views = new Map<string, View>();

  constructor(place: KeyValuePlace, rows: CrossAttentionRows) {
    this.#place = place;
    this.#rows = rows;
  }

  /** Forgets all views; to be called when pictures were removed. */
  clear(): void {
    for (const view of this.#views.values()) view.dispose();
    this.#views.clear();
  }

  /** To be called when a picture was added after all others: only what rows before the first see has changed. */
  extend(): void {
    this.#views.get("all")?.dispose();
    this.#views.delete("all");
  }

  /** What the tokens at start … start + rows − 1 see. Rows before the first picture are left out, or see all of them. */
  seeing(placed: readonly PlacedPicture[], start: number, rows: number): SeeingRows[] {
    const runs: { first: number; rows: number; view: View; feedsForward: boolean }[] = [];
    for (let row = 0; row < rows; row++) {
      const seen = this.#viewAt(placed, start + row);
      if (!seen) continue;
      const run = runs.at(-1);
      if (run?.view === seen.view) run.rows++;
      else runs.push({ first: row, rows: 1, ...seen });
    }
    return runs;
  }

  #viewAt(placed: readonly PlacedPicture[], position: number) {
    const { first, last } = visibleAt(placed, position);
    if (last < 0) {
      if (this.#rows === "meta" || placed.length === 0) return undefined;
      return { view: this.#view("all", placed, "tokens"), feedsForward: false };
    }
    const visible = placed.slice(first, last + 1);
    return { view: this.#view(`${first} ${last}`, visible, "visibleTokens"), feedsForward: true };
  }

  #view(key: string, placed: readonly PlacedPicture[], extent: "tokens" | "visibleTokens"): View {
    let view = this.#views.get(key);
    if (!view) {
      const pictures = placed.map(({ picture }) => ({ picture, tokens: picture[extent] }));
      view = new View(this.#place, pictures);
      this.#views.set(key, view);
    }
    return view;
  }
}

/** Numbers of the first and last picture that the token at a position sees; the last is −1 where there is none. */
export function visibleAt(
  placed: readonly PlacedPicture[],
  position: number,
): { first: number; last: number } {
  const last = placed.findLastIndex((picture) => picture.position <= position);
  let first = Math.max(last, 0);
  while (first > 0 && placed[first - 1].position === placed[first].position - 1) first--;
  return { first, last };
}

/** Block tables of several pictures, one after the other, and what is seen of each block; for every layer in its memory. */
class View implements PictureView {
  readonly #layers: readonly (CommonKeyValueView & { memory: KernelMemory } | undefined)[];
  readonly #bytes: number;

  constructor(
    { kernels, keyValueType, blockBytes }: KeyValuePlace,
    pictures: { picture: SeenPicture; tokens: number }[],
  ) {
    const perPicture = pictures.map(({ tokens }) => blockCounts(tokens));
    const counts = perPicture.flat();
    const blocks = counts.length, tableBytes = blocks * 4;
    this.#bytes = 2 * tableBytes;
    this.#layers = blockBytes.map((bytes, layer) => {
      if (bytes === 0) return undefined;
      const { memory } = kernels[layer];
      const table = memory.allocate(this.#bytes), countsAt = table + tableBytes;
      const addresses = memory.wordsAt(table, blocks);
      let at = 0;
      pictures.forEach(({ picture }, i) => {
        const count = perPicture[i].length;
        addresses.set(memory.wordsAt(picture.memory!.layer(layer)!.table, count), at);
        at += count;
      });
      memory.wordsAt(countsAt, blocks).set(counts);
      return { keyValueType, table, blocks, counts: countsAt, memory };
    });
  }

  layer(index: number): CommonKeyValueView {
    return this.#layers[index]!;
  }

  dispose(): void {
    for (const layer of this.#layers) layer?.memory.free(layer.table, this.#bytes);
  }
}
