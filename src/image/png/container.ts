/**
 * The chunks of a PNG file (W3C PNG, third edition, section 5), checked before the decoder sees them.
 *
 * @module
 */
import { badImage, checkSize } from "../refusal.ts";
import { crc32 } from "./crc32.ts";
import { keepText, type StoredTexts } from "./texts.ts";

/** What the chunks say about the picture. */
export interface PngHeader {
  width: number;
  height: number;
  /** The payload of the eXIf chunk. */
  exif?: Uint8Array;
  texts: StoredTexts;
  /**
   * The file without what does not make the picture: profiles and texts, which the decoder would unpack to any size, and
   * the frames of an animation.
   */
  parts: Uint8Array[];
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** The chunks that make the picture. */
const ESSENTIAL = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"];
/** Length, type and checksum around each payload. */
const CHUNK_FRAME_BYTES = 12;
const HEADER_BYTES = 13;
/** Samples of a pixel, by colour type. */
const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEFLATE_FRAME_BYTES = 4096;

/**
 * Reads the size and walks over all chunks. The decoder ignores checksums, so they are verified here: PIL refuses
 * wrong ones too.
 *
 * @throws {RemoraError} BAD_IMAGE when the size is refused, a chunk is cut short or damaged, or the end is missing.
 */
export function readPngHeader(bytes: Uint8Array): PngHeader {
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) {
    throw badImage("the eight bytes of a PNG signature", "others");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let header: PngHeader | undefined;
  let room = 0;
  for (let offset = SIGNATURE.length; offset + CHUNK_FRAME_BYTES <= bytes.length;) {
    const length = view.getUint32(offset);
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
    const end = offset + CHUNK_FRAME_BYTES + length;
    if (end > bytes.length) {
      throw badImage(`a ${type} chunk of ${length} bytes`, `${bytes.length - offset - CHUNK_FRAME_BYTES}`);
    }
    if (crc32(bytes.subarray(offset + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw badImage(`a ${type} chunk that matches its checksum`, "a damaged one");
    }
    const payload = bytes.subarray(offset + 8, end - 4);
    if (type === "IHDR" || header === undefined) {
      header = readHeader(type, payload, header);
      room = mostDataBytes(header, payload);
    }
    if (type === "IDAT" && (room -= payload.length) < 0) {
      throw badImage(`at most ${room + payload.length} more bytes of pixel data`, `${payload.length}`);
    }
    if (type === "eXIf") header.exif = payload;
    keepText(header.texts, type, payload);
    if (ESSENTIAL.includes(type)) header.parts.push(bytes.subarray(offset, end));
    if (type === "IEND") return header;
    offset = end;
  }
  throw badImage("a PNG file up to its IEND chunk", `the end of the file after ${bytes.length} bytes`);
}

/**
 * What compressed pixels can take at most: their own size and deflate's frame. More of them would be unpacked, a thousandfold,
 * only to be thrown away. Seven interlaced passes at most double the filter bytes of the rows.
 */
function mostDataBytes({ width, height }: PngHeader, payload: Uint8Array): number {
  const depth = payload[8], samples = SAMPLES[payload[9]] ?? 4;
  return 2 * height * (1 + Math.ceil(width * samples * depth / 8)) + DEFLATE_FRAME_BYTES;
}

function readHeader(type: string, payload: Uint8Array, earlier: PngHeader | undefined): PngHeader {
  if (type !== "IHDR") throw badImage("IHDR as the first chunk", type);
  if (earlier !== undefined) throw badImage("one IHDR chunk", "two");
  if (payload.length !== HEADER_BYTES) throw badImage("13 bytes of IHDR", `${payload.length}`);
  const view = new DataView(payload.buffer, payload.byteOffset);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  checkSize(width, height);
  return { width, height, texts: new Map(), parts: [Uint8Array.from(SIGNATURE)] };
}
