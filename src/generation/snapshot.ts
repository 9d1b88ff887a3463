/**
 * Snapshots of a sequence.
 *
 *     OFFSET  SIZE  DESCRIPTION
 *          0     8  "REMORAKV"
 *          8     4  version, u32 little-endian
 *         12    32  SHA-256 of everything behind
 *         44    32  SHA-256 of the model's fingerprint
 *         76     4  number of tokens T, u32
 *         80   4·T  token ids, u32
 *          …        blocks as they lie in memory, layer by layer
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { Engine } from "./engine.ts";
import { keyValueBytes, type KeyValueCache } from "./key_value_cache.ts";

const MAGIC = new TextEncoder().encode("REMORAKV");
/** Raised with every change of this layout or of the blocks'. */
const VERSION = 1;
const CHECKSUM_AT = 12;
const FINGERPRINT_AT = 44;
const COUNT_AT = 76;
const TOKENS_AT = 80;

/** A snapshot that has passed every check. */
export interface Snapshot {
  tokens: number[];
  /** Copies the blocks into a cache that has room for the tokens. */
  fill(cache: KeyValueCache): void;
}

export async function writeSnapshot(
  engine: Engine,
  tokens: readonly number[],
  cache: KeyValueCache,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(
    TOKENS_AT + 4 * tokens.length + keyValueBytes(engine.cache, tokens.length),
  );
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(MAGIC.length, VERSION, true);
  bytes.set(await fingerprintOf(engine), FINGERPRINT_AT);
  view.setUint32(COUNT_AT, tokens.length, true);
  tokens.forEach((id, i) => view.setUint32(TOKENS_AT + 4 * i, id, true));
  let at = TOKENS_AT + 4 * tokens.length;
  for (let layer = 0; layer < engine.cache.layers; layer++) {
    for (let block = 0; block * KV_BLOCK_TOKENS < tokens.length; block++) {
      const part = cache.blockAt(layer, block);
      bytes.set(part, at);
      at += part.length;
    }
  }
  bytes.set(await sha256(bytes.subarray(FINGERPRINT_AT)), CHECKSUM_AT);
  return bytes;
}

/** @throws {RemoraError} BAD_FILE, saying what differs. */
export async function readSnapshot(engine: Engine, bytes: Uint8Array): Promise<Snapshot> {
  if (bytes.length < TOKENS_AT || !MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw bad("a snapshot of remora", "other bytes");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) throw bad(`version ${VERSION}`, `version ${version}`);
  if (!equal(await sha256(bytes.subarray(FINGERPRINT_AT)), bytes.subarray(CHECKSUM_AT, FINGERPRINT_AT))) {
    throw bad("its checksum to hold", "damaged bytes");
  }
  if (!equal(await fingerprintOf(engine), bytes.subarray(FINGERPRINT_AT, COUNT_AT))) {
    throw bad("a snapshot of this model and precision", "one of another");
  }
  const count = view.getUint32(COUNT_AT, true);
  const size = TOKENS_AT + 4 * count + keyValueBytes(engine.cache, count);
  if (size !== bytes.length) throw bad(`${size} bytes`, `${bytes.length}`);
  if (count > engine.contextSize) throw bad(`at most ${engine.contextSize} tokens`, `${count}`);
  const tokens = Array.from({ length: count }, (_, i) => view.getUint32(TOKENS_AT + 4 * i, true));
  const fill = (cache: KeyValueCache) => {
    let at = TOKENS_AT + 4 * count;
    for (let layer = 0; layer < engine.cache.layers; layer++) {
      for (let block = 0; block * KV_BLOCK_TOKENS < count; block++) {
        const part = cache.blockAt(layer, block);
        part.set(bytes.subarray(at, at + part.length));
        at += part.length;
      }
    }
  };
  return { tokens, fill };
}

function bad(expected: string, found: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot restore the snapshot", { expected, found });
}

function fingerprintOf(engine: Engine): Promise<Uint8Array> {
  return sha256(new TextEncoder().encode(engine.fingerprint));
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
