/**
 * Which tokens see which pictures: the check tables of transformers' `get_cross_attention_token_mask` and
 * `convert_sparse_cross_attention_mask_to_dense`.
 */
import { KIND_F32 } from "../../kernels/shared/layout.ts";
import { deepEqual, equal } from "node:assert/strict";
import { Kernels } from "../../kernels/host/kernels.ts";
import { KeyValueCache } from "../../src/generation/key_value_cache.ts";
import { Sight } from "../../src/generation/sight.ts";
import type { CrossAttentionRows, SeenPicture } from "../../src/generation/vision.ts";

const LAYERS = 2, TILE_TOKENS = 5, TILES_MAX = 4;
const SHAPE = { layers: LAYERS, kvHeads: 1, headSize: 4, kind: KIND_F32 };
/** The picture's token in the tables. */
const I = 128256;

interface Bench {
  kernels: Kernels;
  sight: Sight;
  released: string[];
  /** Adds a picture of `tiles` tiles at a position. */
  show(position: number, tiles: number): SeenPicture;
}

async function withSight(rows: CrossAttentionRows, use: (bench: Bench) => void): Promise<void> {
  const kernels = await Kernels.start(1);
  const released: string[] = [];
  const place = { ...SHAPE, kernels: Array(LAYERS).fill(kernels) };
  const sight = new Sight({ place, rows, release: ({ key }) => released.push(key) });
  let count = 0;
  const show = (position: number, tiles: number) => {
    const memory = new KeyValueCache(place);
    const visibleTokens = tiles * TILE_TOKENS;
    const tokens = rows === "meta" ? visibleTokens : TILES_MAX * TILE_TOKENS;
    memory.reserve(tokens);
    const layout = { rows: 1, columns: tiles, width: 1, height: 1 };
    const picture = { key: `${count++}`, layout, memory, tokens, visibleTokens };
    sight.add(position, picture);
    return picture;
  };
  use({ kernels, sight, released, show });
  await kernels.close();
}

/** For each row, the pictures it sees and how many tokens of each. */
function seenBy({ kernels, sight }: Bench, pictures: SeenPicture[], rows: number) {
  const result: Record<string, number>[] = Array.from({ length: rows }, () => ({}));
  for (const { first, rows: count, view } of sight.seeing(0, rows)) {
    const visible = view.visible(0);
    const blocks = kernels.heap.wordsAt(view.table(0), visible.blocks);
    const counts = kernels.heap.wordsAt(visible.counts, visible.blocks);
    const seen: Record<string, number> = {};
    blocks.forEach((block, i) => {
      const { key } = pictures.find(({ memory }) => kernels.heap.wordsAt(memory.table(0), 1)[0] === block)!;
      seen[key] = (seen[key] ?? 0) + counts[i];
    });
    for (let row = first; row < first + count; row++) result[row] = seen;
  }
  return result;
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
  Deno.test(`pictures of ${ids.join(" ")} are seen in ${JSON.stringify(spans)}`, async () => {
    await withSight("meta", (bench) => {
      const pictures: SeenPicture[] = [];
      ids.forEach((id, position) => id === I && pictures.push(bench.show(position, 1)));
      const expected = ids.map((_, row) =>
        Object.fromEntries(
          spans.flatMap(([begin, end], j) => row >= begin && row < end ? [[`${j}`, TILE_TOKENS]] : []),
        )
      );
      deepEqual(seenBy(bench, pictures, ids.length), expected);
    });
  });
}

Deno.test("only used tiles are seen", async () => {
  for (const rows of ["meta", "transformers"] as const) {
    await withSight(rows, (bench) => {
      const pictures = [bench.show(1, 2), bench.show(3, 4)];
      const [first, second] = [{ "0": 2 * TILE_TOKENS }, { "1": 4 * TILE_TOKENS }];
      const all = { "0": TILES_MAX * TILE_TOKENS, "1": TILES_MAX * TILE_TOKENS };
      const before = rows === "meta" ? {} : all;
      deepEqual(seenBy(bench, pictures, 6), [before, first, first, second, second, second]);
      const runs = bench.sight.seeing(0, 6);
      deepEqual(
        runs.map(({ feedsForward }) => feedsForward),
        rows === "meta" ? [true, true] : [false, true, true],
      );
    });
  }
});

Deno.test("later tokens see the last picture, whatever the step", async () => {
  await withSight("meta", (bench) => {
    bench.show(1, 1);
    const last = bench.show(3, 2);
    for (const start of [3, 4, 100]) {
      const [run, ...others] = bench.sight.seeing(start, 7);
      equal(others.length, 0);
      deepEqual([run.first, run.rows], [0, 7]);
      equal(
        bench.kernels.heap.wordsAt(run.view.table(1), 1)[0],
        bench.kernels.heap.wordsAt(
          last.memory.table(1),
          1,
        )[0],
      );
      deepEqual(bench.sight.picturesAt(start + 6), { pictures: [last], first: 1 });
    }
  });
});

Deno.test("truncating gives pictures back, and what is left is seen as before", async () => {
  await withSight("meta", (bench) => {
    const first = bench.show(1, 1);
    bench.show(4, 1);
    bench.sight.seeing(0, 6);
    bench.sight.truncate(5);
    deepEqual(bench.released, []);
    bench.sight.truncate(4);
    deepEqual(bench.released, ["1"]);
    deepEqual(seenBy(bench, [first], 6).at(-1), { "0": TILE_TOKENS });
    bench.sight.dispose();
    deepEqual(bench.released, ["1", "0"]);
    deepEqual(bench.sight.seeing(0, 6), []);
  });
});
