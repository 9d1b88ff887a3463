/**
 * Reads the values of a GGUF header one after the other. No length is believed before as many bytes are known to be there.
 *
 * @module
 */

import { GGUF_ARRAY_MAX } from "../../../core/limits.ts";

/** What an item of metadata may be. Arrays of numbers are plain arrays; integers beyond 2^53 lose their last bits. */
export type MetadataValue =
  | number
  | boolean
  | string
  | readonly number[]
  | readonly boolean[]
  | readonly string[];

/** The bytes end before the value does; more of the file may help. */
export class EndOfBytes extends Error {}

/** Something that the format does not allow, in words that fit after "expected" and "found". */
export class Malformed extends Error {
  constructor(readonly expected: string, readonly found: string) {
    super(`expected ${expected}, found ${found}`);
  }
}

const STRING = 8, ARRAY = 9;
/** Bytes of the other types, by number: u8 i8 u16 i16 u32 i32 f32 bool, then u64 i64 f64 from 10 on. */
const SIZES: readonly (number | undefined)[] = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];

/** A place in the bytes of a header. */
export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder = new TextDecoder();
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that were read. */
  get position(): number {
    return this.#at;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A whole number of 64 bits; one that JavaScript cannot hold becomes larger than any limit. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  /** @throws {EndOfBytes} Also where a length is nonsense: reading more of the file ends that. */
  string(): string {
    const length = this.u64();
    const begin = this.#take(length);
    return this.#decoder.decode(this.#bytes.subarray(begin, begin + length));
  }

  /** A value with its type before it. */
  value(): MetadataValue {
    const type = this.u32();
    return type === ARRAY ? this.#array() : this.#scalar(type);
  }

  #array(): MetadataValue {
    const type = this.u32(), count = this.u64();
    if (type === ARRAY) throw new Malformed("no arrays inside of arrays", "one");
    if (count > GGUF_ARRAY_MAX) throw new Malformed(`arrays of at most ${GGUF_ARRAY_MAX}`, `one of ${count}`);
    // Each element takes a byte or more; of a string, its length takes eight.
    this.#require(count * (type === STRING ? 8 : this.#sizeOf(type)));
    const values = new Array<unknown>(count);
    for (let i = 0; i < count; i++) values[i] = this.#scalar(type);
    return values as MetadataValue;
  }

  #scalar(type: number): number | boolean | string {
    if (type === STRING) return this.string();
    const at = this.#take(this.#sizeOf(type)), view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(at);
      case 1:
        return view.getInt8(at);
      case 2:
        return view.getUint16(at, true);
      case 3:
        return view.getInt16(at, true);
      case 4:
        return view.getUint32(at, true);
      case 5:
        return view.getInt32(at, true);
      case 6:
        return view.getFloat32(at, true);
      case 7:
        return view.getUint8(at) !== 0;
      case 10:
        return Number(view.getBigUint64(at, true));
      case 11:
        return Number(view.getBigInt64(at, true));
      default:
        return view.getFloat64(at, true);
    }
  }

  #sizeOf(type: number): number {
    const size = SIZES[type];
    if (size === undefined) throw new Malformed("a type of metadata from 0 to 12", `${type}`);
    return size;
  }

  #require(bytes: number): void {
    if (!(bytes <= this.#bytes.length - this.#at)) throw new EndOfBytes();
  }

  #take(bytes: number): number {
    this.#require(bytes);
    const begin = this.#at;
    this.#at += bytes;
    return begin;
  }
}
