/**
 * The chunks of a WebP file (RFC 9649, section 2), checked before the decoder sees them.
 *
 * @module
 */
import type { PictureNotes } from "../orientation.ts";
import { badImage, checkSize } from "../refusal.ts";

/** What the chunks say about the picture. */
export interface WebpHeader extends PictureNotes {
  width: number;
  height: number;
}

/** "RIFF", a size, "WEBP". */
const FILE_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 8;
/** The size in a RIFF header counts the bytes that follow it. */
const SIZE_ORIGIN = 8;
const ANIMATION_FLAG = 0x02;

/**
 * Reads the size and walks over all chunks.
 *
 * @throws {RemoraError} BAD_IMAGE when the size is refused, the file ends before its RIFF size or in a chunk, or
 * the picture is animated.
 */
export function readWebpHeader(bytes: Uint8Array): WebpHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fileEnd = bytes.length < FILE_HEADER_BYTES ? Infinity : view.getUint32(4, true) + SIZE_ORIGIN;
  if (fileEnd > bytes.length) throw badImage(`a WebP file of ${fileEnd} bytes`, `${bytes.length}`);
  let canvas: { width: number; height: number } | undefined;
  let frame: { width: number; height: number } | undefined;
  let exif: Uint8Array | undefined, xmp: Uint8Array | undefined;
  for (let offset = FILE_HEADER_BYTES; offset + CHUNK_HEADER_BYTES <= fileEnd;) {
    const type = String.fromCharCode(...bytes.subarray(offset, offset + 4));
    const begin = offset + CHUNK_HEADER_BYTES;
    const end = begin + view.getUint32(offset + 4, true);
    if (end > fileEnd) {
      throw badImage(`a WebP file with ${end - begin} bytes of "${type}"`, `${fileEnd - begin}`);
    }
    const payload = bytes.subarray(begin, end);
    if (type === "VP8X") canvas = readCanvas(payload);
    if (type === "VP8 ") frame ??= readLossySize(payload);
    if (type === "VP8L") frame ??= readLosslessSize(payload);
    if (type === "EXIF") exif ??= payload;
    if (type === "XMP ") xmp ??= payload;
    offset = end + (end & 1);
  }
  if (frame === undefined) throw badImage("a WebP file with a picture", "none");
  for (const size of [canvas, frame]) if (size !== undefined) checkSize(size.width, size.height);
  return { ...frame, exif, xmp };
}

/** VP8X: a byte of flags, three reserved, width - 1 and height - 1 in 24 bits each. */
function readCanvas(payload: Uint8Array): { width: number; height: number } {
  if (payload.length < 10) throw badImage("10 bytes of VP8X", `${payload.length}`);
  if (payload[0] & ANIMATION_FLAG) throw badImage("a still picture", "an animated WebP file");
  const [a, b, c, d, e, f] = payload.subarray(4, 10);
  return { width: (a | b << 8 | c << 16) + 1, height: (d | e << 8 | f << 16) + 1 };
}

/** VP8 key frame (RFC 6386, section 9.1): three bytes of tag, three of start code, two sides of 14 bits. */
function readLossySize(payload: Uint8Array): { width: number; height: number } {
  const isKeyFrame = payload.length >= 10 && (payload[0] & 1) === 0 && payload[3] === 0x9d &&
    payload[4] === 0x01 && payload[5] === 0x2a;
  if (!isKeyFrame) throw badImage("a VP8 key frame", "other data");
  return {
    width: (payload[6] | payload[7] << 8) & 0x3fff,
    height: (payload[8] | payload[9] << 8) & 0x3fff,
  };
}

/** VP8L (RFC 9649, section 3.4): a signature byte, width - 1 and height - 1 in 14 bits each. */
function readLosslessSize(payload: Uint8Array): { width: number; height: number } {
  if (payload.length < 5 || payload[0] !== 0x2f) throw badImage("a VP8L header", "other data");
  const bits = payload[1] | payload[2] << 8 | payload[3] << 16 | payload[4] << 24;
  return { width: (bits & 0x3fff) + 1, height: (bits >>> 14 & 0x3fff) + 1 };
}
