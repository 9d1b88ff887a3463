/**
 * Which tokens see which pictures: the check tables of transformers' `get_cross_attention_token_mask` and
 * `convert_sparse_cross_attention_mask_to_dense`.
 */
import { deepEqual, equal } from "node:assert/strict";
import { Kernels } from "../../kernels/host/kernels.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { KeyValueCache, keyValueLayout } from "../../src/sequence/key_value_cache.ts";
import type { SeenPicture } from "../../src/sequence/pictures.ts";
import { type PlacedPicture, Sight, visibleAt } from "../../src/sequence/sight.ts";
import type { CrossAttentionRows } from "../../src/vision/vision_model.ts";

const TILE_TOKENS = 5, TILES_MAX = 4;
/** Two layers that look at pictures, and one between them that does not. */
const KEPT = [{ of: "picture", kvHeads: 1, headSize: 4 }, undefined, {
  of: "picture",
  kvHeads: 1,
  headSize: 4,
}] as const;
const LAYERS = [0, 2];
/** The picture's token in the tables. */
const I = 128256;

interface Bench {
  kernels: Kernels;
  sight: Sight;
  placed: PlacedPicture[];
  /** Adds a picture of `tiles` tiles at a position. */
  show(position: number, tiles: number): SeenPicture;
}

function withSight(rows: CrossAttentionRows, use: (bench: Bench) => void): void {
  const kernels = Kernels.alone();
  const layout = keyValueLayout(KEPT, "picture", "f32");
  const place = { ...layout, kernels: KEPT.map(() => kernels), readings: denoPlatform.memory };
  const sight = new Sight(place, rows);
  const placed: PlacedPicture[] = [];
  const show = (position: number, tiles: number) => {
    const visibleTokens = tiles * TILE_TOKENS;
    const tokens = rows === "meta" ? visibleTokens : TILES_MAX * TILE_TOKENS;
    const memory = KeyValueCache.reserved(place, tokens);
    const layout = { rows: 1, columns: tiles, width: 1, height: 1 };
    const picture = { key: `${placed.length}`, layout, memory, tokens, visibleTokens };
    placed.push({ position, picture });
    sight.extend();
    return picture;
  };
  use({ kernels, sight, placed, show });
}

/** The first block of a picture in a layer. */
function firstBlockOf({ kernels }: Bench, { memory }: SeenPicture, layer: number): number {
  return kernels.memory.wordsAt(memory!.layer(layer)!.table, 1)[0];
}

/** For each row, the pictures it sees and how many tokens of each; the same in every layer that looks. */
function seenBy(bench: Bench, rows: number) {
  const { kernels: { memory }, sight, placed } = bench;
  const perLayer = LAYERS.map((layer) => {
    const result: Record<string, number>[] = Array.from({ length: rows }, () => ({}));
    for (const { first, rows: count, view } of sight.seeing(placed, 0, rows)) {
      const { table, blocks: length, counts: countsAt } = view.layer(layer);
      const counts = memory.wordsAt(countsAt, length);
      const seen: Record<string, number> = {};
      memory.wordsAt(table, length).forEach((block, i) => {
        const { picture: { key } } = placed.find(({ picture }) =>
          firstBlockOf(bench, picture, layer) === block
        )!;
        seen[key] = (seen[key] ?? 0) + counts[i];
      });
      for (let row = first; row < first + count; row++) result[row] = seen;
    }
    return result;
  });
  deepEqual(perLayer[1], perLayer[0]);
  return perLayer[0];
}

for (
  const { ids, spans } of [
    { ids: [1, I, 5, 6], spans: [[1, 4]] },
    { ids: [1, I, 5, I, 6, 7], spans: [[1, 3], [3, 6]] },
    { ids: [1, I, I, 5, 6], spans: [[1, 5], [2, 5]] },
    { ids: [I, I, I, 1, I, 2], spans: [[0, 4], [1, 4], [2, 4], [4, 6]] },
    { ids: [1, 2, 3], spans: [] },
  ]
) {
  Deno.test(`pictures of ${ids.join(" ")} are seen in ${JSON.stringify(spans)}`, () => {
    withSight("meta", (bench) => {
      ids.forEach((id, position) => id === I && bench.show(position, 1));
      const expected = ids.map((_, row) =>
        Object.fromEntries(
          spans.flatMap(([begin, end], j) => row >= begin && row < end ? [[`${j}`, TILE_TOKENS]] : []),
        )
      );
      deepEqual(seenBy(bench, ids.length), expected);
    });
  });
}

Deno.test("only used tiles are seen", () => {
  for (const rows of ["meta", "transformers"] as const) {
    withSight(rows, (bench) => {
      bench.show(1, 2);
      bench.show(3, 4);
      const [first, second] = [{ "0": 2 * TILE_TOKENS }, { "1": 4 * TILE_TOKENS }];
      const all = { "0": TILES_MAX * TILE_TOKENS, "1": TILES_MAX * TILE_TOKENS };
      const before = rows === "meta" ? {} : all;
      deepEqual(seenBy(bench, 6), [before, first, first, second, second, second]);
      const runs = bench.sight.seeing(bench.placed, 0, 6);
      deepEqual(
        runs.map(({ feedsForward }) => feedsForward),
        rows === "meta" ? [true, true] : [false, true, true],
      );
    });
  }
});

Deno.test("later tokens see the last picture, whatever the step", () => {
  withSight("meta", (bench) => {
    bench.show(1, 1);
    const last = bench.show(3, 2);
    for (const start of [3, 4, 100]) {
      const [run, ...others] = bench.sight.seeing(bench.placed, start, 7);
      equal(others.length, 0);
      deepEqual([run.first, run.rows], [0, 7]);
      for (const layer of LAYERS) {
        const [block] = bench.kernels.memory.wordsAt(run.view.layer(layer).table, 1);
        equal(block, firstBlockOf(bench, last, layer));
      }
      deepEqual(visibleAt(bench.placed, start + 6), { first: 1, last: 1 });
    }
  });
});

Deno.test("when pictures are removed, what is left is seen as before", () => {
  withSight("meta", (bench) => {
    bench.show(1, 1);
    bench.show(4, 1);
    bench.sight.seeing(bench.placed, 0, 6);
    bench.placed.pop();
    bench.sight.clear();
    deepEqual(seenBy(bench, 6).at(-1), { "0": TILE_TOKENS });
    bench.placed.pop();
    bench.sight.clear();
    deepEqual(bench.sight.seeing(bench.placed, 0, 6), []);
  });
});
