/**
 * Snapshots of a sequence: sealed files (src/core/sealed_file.ts) of the kind "REMORAKV".
 *
 * The description says of which model and how computed (`origin`), the token ids, and each picture with the position of its
 * token. The contents are the blocks of keys and values as they lie in memory, layer by layer: first the sequence's, then those
 * of each picture, in the order in which they first appear.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { PICTURE_COUNT_MAX } from "../core/limits.ts";
import { openSealed, type SealedKind, sealFile } from "../core/sealed_file.ts";
import { isObject } from "../io/read.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { Engine } from "./engine.ts";
import { keyValueBytes, type KeyValueCache } from "./key_value_cache.ts";
import type { SnapshotOrigin } from "./snapshot_origin.ts";
import type { Placed } from "./sight.ts";
import type { SeenPicture } from "./vision.ts";

/** Raise the version with every change of the description or of the blocks' layout. */
const KIND: SealedKind = { magic: "REMORAKV", version: 2, title: "a snapshot of remora" };

/** A picture without its keys and values, and where its token is. */
interface StoredPicture extends Omit<SeenPicture, "memory"> {
  position: number;
}

interface Description {
  origin: SnapshotOrigin;
  blockTokens: number;
  tokenIds: number[];
  pictures: StoredPicture[];
}

/** A snapshot that has passed every check. */
export interface Snapshot {
  tokens: number[];
  /** With the function that writes its keys and values into a cache that has room. */
  pictures: { stored: StoredPicture; fill(memory: KeyValueCache): void }[];
  fill(cache: KeyValueCache): void;
}

/** What a sequence consists of. */
export interface SequenceContents {
  tokens: readonly number[];
  cache: KeyValueCache;
  placed: readonly Placed[];
}

export function writeSnapshot(engine: Engine, { tokens, cache, placed }: SequenceContents): Uint8Array {
  const description: Description = {
    origin: engine.origin,
    blockTokens: KV_BLOCK_TOKENS,
    tokenIds: [...tokens],
    pictures: placed.map(({ position, picture: { key, layout, tokens, visibleTokens } }) => ({
      position,
      key,
      layout,
      tokens,
      visibleTokens,
    })),
  };
  const pictures = [...new Set(placed.map(({ picture }) => picture))];
  function* contents() {
    yield* cache.blocksOf(tokens.length);
    for (const { memory, tokens } of pictures) yield* memory.blocksOf(tokens);
  }
  const bytes = pictures.reduce(
    (sum, { tokens }) => sum + keyValueBytes(engine.vision!.place, tokens),
    keyValueBytes(engine.cache, tokens.length),
  );
  return sealFile(KIND, description, contents(), bytes);
}

/**
 * @param file What messages call the snapshot.
 * @throws {RemoraError} BAD_FILE, saying what differs.
 */
export function readSnapshot(engine: Engine, bytes: Uint8Array, file: string): Snapshot {
  const refuse = (expected: string, found: string) =>
    new RemoraError("BAD_FILE", "Cannot restore", { file, expected, found });
  const { description, contents } = openSealed(bytes, KIND, file);
  requireOrigin(engine.origin, description, refuse);
  if (!isDescription(description, engine)) throw refuse("a description that fits the model", "another");
  const { tokenIds, pictures } = description;
  if (tokenIds.length > engine.contextSize) {
    throw refuse(`at most ${engine.contextSize} tokens of context`, `${tokenIds.length}`);
  }
  let at = keyValueBytes(engine.cache, tokenIds.length);
  const parts = new Map<string, Uint8Array>();
  for (const { key, tokens } of pictures) {
    if (parts.has(key)) continue;
    const size = keyValueBytes(engine.vision!.place, tokens);
    parts.set(key, contents.subarray(at, at + size));
    at += size;
  }
  if (at !== contents.length) throw refuse(`${at} bytes of keys and values`, `${contents.length}`);
  return {
    tokens: tokenIds,
    pictures: pictures.map((stored) => ({
      stored,
      fill: (memory) => fillBlocks(memory, stored.tokens, parts.get(stored.key)!),
    })),
    fill: (cache) => fillBlocks(cache, tokenIds.length, contents),
  };
}

function fillBlocks(cache: KeyValueCache, tokens: number, bytes: Uint8Array): void {
  let at = 0;
  for (const block of cache.blocksOf(tokens)) {
    block.set(bytes.subarray(at, at + block.length));
    at += block.length;
  }
}

/** Says which of the settings differs. */
function requireOrigin(
  expected: SnapshotOrigin,
  description: unknown,
  refuse: (expected: string, found: string) => RemoraError,
): void {
  const found = isObject(description) && isObject(description.origin) ? description.origin : {};
  if (found.model !== expected.model) throw refuse("a snapshot of this model", "one of another");
  for (const name of ["precision", "dense", "kvCache", "crossAttentionRows"] as const) {
    if (found[name] !== expected[name]) throw refuse(`${name} ${expected[name]}`, `${found[name]}`);
  }
}

/** Whether everything is in its range, and the pictures are where their tokens are. */
function isDescription(value: unknown, { decoder, vision }: Engine): value is Description {
  if (!isObject(value) || value.blockTokens !== KV_BLOCK_TOKENS) return false;
  const { tokenIds, pictures } = value;
  if (!Array.isArray(tokenIds) || !Array.isArray(pictures) || pictures.length > PICTURE_COUNT_MAX) {
    return false;
  }
  const { vocabularySize } = decoder.config;
  const isId = (id: unknown) => isCount(id, 0, vocabularySize - 1) || (vision && id === vision.imageToken);
  if (!tokenIds.every(isId)) return false;
  const places = vision ? tokenIds.flatMap((id, i) => id === vision.imageToken ? [i] : []) : [];
  const first = new Map<unknown, StoredPicture>();
  return pictures.length === places.length && pictures.every((picture: unknown, i) => {
    if (!isObject(picture) || typeof picture.key !== "string" || picture.position !== places[i]) return false;
    const twin = first.get(picture.key);
    if (twin && JSON.stringify({ ...twin, position: 0 }) !== JSON.stringify({ ...picture, position: 0 })) {
      return false;
    }
    first.set(picture.key, picture as unknown as StoredPicture);
    return isLayout(picture.layout, picture, vision!.extent);
  });
}

function isLayout(
  layout: unknown,
  { tokens, visibleTokens }: Record<string, unknown>,
  { tilesMax, tileTokens, allTiles }: { tilesMax: number; tileTokens: number; allTiles: boolean },
): boolean {
  if (!isObject(layout)) return false;
  const { rows, columns, width, height } = layout;
  if (!isCount(rows, 1, tilesMax) || !isCount(columns, 1, tilesMax)) return false;
  const tiles = Number(rows) * Number(columns);
  const isShare = (share: unknown) => typeof share === "number" && share > 0 && share <= 1;
  return tiles <= tilesMax && isShare(width) && isShare(height) && visibleTokens === tiles * tileTokens &&
    tokens === (allTiles ? tilesMax : tiles) * tileTokens;
}

function isCount(value: unknown, from: number, to: number): boolean {
  return Number.isInteger(value) && Number(value) >= from && Number(value) <= to;
}
