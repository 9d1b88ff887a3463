/**
 * Snapshots of a sequence: sealed files (src/io/sealed_file.ts) of the kind "REMORAKV".
 *
 * The description says of which model and how computed (`origin`), the token ids, and each picture with the position of its
 * token. The contents are the blocks of keys and values as they lie in memory, layer by layer: first the sequence's, then those
 * of each picture, in the order in which they first appear.
 *
 * @module
 */
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { PICTURE_COUNT_MAX } from "../core/limits.ts";
import { isObject } from "../io/read.ts";
import { openSealed, type SealedKind, sealFile } from "../io/sealed_file.ts";
import { Contents } from "./contents.ts";
import type { Engine, SnapshotOrigin } from "./engine.ts";
import { keyValueBytes, type KeyValueCache } from "./key_value_cache.ts";
import type { SeenPicture } from "./pictures.ts";

/** Raise the version with every change of the description or of the blocks' layout. */
const KIND: SealedKind = { magic: "REMORAKV", version: 2, title: "a snapshot of remora" };

/** A picture without its keys and values, and where its first token is. */
interface StoredPicture extends Omit<SeenPicture, "memory" | "embeddings"> {
  readonly position: number;
}

interface Description {
  origin: SnapshotOrigin;
  blockTokens: number;
  /** See `Decoder.positionsOf`; absent where it follows from the number of tokens. */
  positions?: number;
  tokenIds: number[];
  pictures: StoredPicture[];
}

/** A snapshot that has passed every check. */
export interface Snapshot {
  tokens: number[];
  positions: number;
  /** With the function that writes its keys and values into a cache that has room. */
  pictures: { stored: StoredPicture; fill(memory: KeyValueCache): void }[];
  fill(cache: KeyValueCache): void;
}

export function writeSnapshot(
  { cache: place, decoder, pictures, origin, createHash }: Engine,
  { tokens, placed }: Contents,
  cache: KeyValueCache,
  positions: number,
): Uint8Array {
  const description: Description = {
    origin,
    blockTokens: KV_BLOCK_TOKENS,
    // A sequence that was cut back keeps the positions of its former length until it is computed anew.
    ...(positions !== decoder.positionsOf(tokens.length) && { positions }),
    tokenIds: tokens,
    pictures: placed.map(({ position, picture: { key, layout, tokens, visibleTokens } }) => ({
      position,
      key,
      layout,
      tokens,
      visibleTokens,
    })),
  };
  const kept = [...new Set(placed.map(({ picture }) => picture))];
  function* contents() {
    yield* cache.blocksOf(tokens.length);
    for (const { memory, tokens } of kept) if (memory) yield* memory.blocksOf(tokens);
  }
  const bytes = kept.reduce(
    (sum, { memory, tokens }) => sum + (memory ? keyValueBytes(pictures!.place, tokens) : 0),
    keyValueBytes(place, tokens.length),
  );
  return sealFile(KIND, description, contents(), bytes, createHash);
}

/**
 * @param file What messages call the snapshot.
 * @throws {RemoraError} BAD_FILE, saying what differs.
 */
export function readSnapshot(engine: Engine, bytes: Uint8Array, file: string): Snapshot {
  const refuse = (expected: string, found: string) =>
    new RemoraError("BAD_FILE", "Cannot restore", { file, expected, found });
  const { description, contents } = openSealed(bytes, KIND, file, engine.createHash);
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
    const size = engine.pictures?.model.join === "across" ? keyValueBytes(engine.pictures.place, tokens) : 0;
    parts.set(key, contents.subarray(at, at + size));
    at += size;
  }
  if (at !== contents.length) throw refuse(`${at} bytes of keys and values`, `${contents.length}`);
  return {
    tokens: tokenIds,
    positions: description.positions ?? engine.decoder.positionsOf(tokenIds.length),
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
  for (
    const name of ["precision", "dense", "embeddings", "quantize", "kvCache", "crossAttentionRows"] as const
  ) {
    if (found[name] !== expected[name]) throw refuse(`${name} ${expected[name]}`, `${found[name]}`);
  }
}

/** Whether everything is in its range, and the pictures are where their tokens are. */
function isDescription(value: unknown, engine: Engine): value is Description {
  const { decoder } = engine, model = engine.pictures?.model;
  if (!isObject(value) || value.blockTokens !== KV_BLOCK_TOKENS) return false;
  const { tokenIds, pictures } = value;
  if (!isCount(value.positions ?? 0, 0, decoder.config.rotaries.length)) return false;
  if (!Array.isArray(tokenIds) || !Array.isArray(pictures) || pictures.length > PICTURE_COUNT_MAX) {
    return false;
  }
  const { vocabularySize } = decoder.config;
  const isId = (id: unknown) => isCount(id, 0, vocabularySize - 1) || (model && id === model.pictureToken);
  if (!tokenIds.every(isId)) return false;
  if (!model) return pictures.length === 0;
  const first = new Map<string, unknown>();
  const areKnown = pictures.every((picture: unknown) => {
    if (!isObject(picture) || typeof picture.key !== "string" || !isObject(picture.layout)) return false;
    const sameBut = JSON.stringify({ ...picture, position: 0 });
    if ((first.get(picture.key) ?? sameBut) !== sameBut) return false;
    first.set(picture.key, sameBut);
    return model.mayHavePrepared(picture as unknown as StoredPicture);
  });
  if (!areKnown) return false;
  const contents = new Contents(model);
  const stored = pictures as StoredPicture[];
  const positions = contents.pictureTokens(tokenIds, 0);
  if (contents.tokensOf(stored) !== positions.length) return false;
  contents.place(stored, positions);
  return contents.placed.every(({ position }, i) => position === stored[i].position);
}

function isCount(value: unknown, from: number, to: number): boolean {
  return Number.isInteger(value) && Number(value) >= from && Number(value) <= to;
}
