/**
 * The marker segments of a JPEG file (ITU-T T.81, annex B), checked before the decoder sees them.
 *
 * @module
 */
import { JPEG_SCANS_MAX } from "../../core/limits.ts";
import type { PictureNotes } from "../orientation.ts";
import { badImage, checkSize } from "../refusal.ts";

/** What the markers say about the picture. */
export interface JpegHeader extends PictureNotes {
  width: number;
  height: number;
  /** Colour components: 1 grey, 3 YCbCr or RGB, 4 CMYK or YCCK. */
  components: number;
}

const END_OF_IMAGE = 0xd9;
const START_OF_SCAN = 0xda;
const APP1 = 0xe1;
const XMP = "http://ns.adobe.com/xap/1.0/\0";

/**
 * Reads the size and walks over all segments and scans up to the end-of-image marker. Decoders put grey where data
 * is missing and go on; without that marker the file was cut short. Bytes after it are ignored: cameras append
 * previews.
 *
 * @throws {RemoraError} BAD_IMAGE when the size is refused, there are too many scans, or the end is missing.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let header: JpegHeader | undefined;
  const notes: PictureNotes = {};
  let scans = 0;
  for (let offset = nextMarker(bytes, 2); offset < bytes.length;) {
    const marker = bytes[offset++];
    if (marker === END_OF_IMAGE) {
      if (header === undefined || scans === 0) throw badImage("a JPEG file with a picture", "none");
      return { ...header, ...notes };
    }
    if (!hasLength(marker)) {
      offset = nextMarker(bytes, offset);
      continue;
    }
    const length = offset + 2 <= bytes.length ? view.getUint16(offset) : 0;
    const segment = bytes.subarray(offset + 2, offset + length);
    if (length < 2 || segment.length !== length - 2) break;
    if (isFrame(marker)) {
      if (header !== undefined) throw badImage("one JPEG frame", "two");
      header = readFrame(segment);
    }
    if (marker === START_OF_SCAN && ++scans > JPEG_SCANS_MAX) {
      throw badImage(`at most ${JPEG_SCANS_MAX} JPEG scans`, "more");
    }
    if (marker === APP1 && beginsWith(segment, "Exif\0\0")) notes.exif ??= segment;
    if (marker === APP1 && beginsWith(segment, XMP)) notes.xmp ??= segment;
    offset = nextMarker(bytes, offset + length);
  }
  throw badImage("a JPEG file up to its end-of-image marker", `the end after ${bytes.length} bytes`);
}

/**
 * Position after the next 0xFF that begins a marker: not one of entropy-coded data, which is followed by zero or by
 * a restart marker.
 */
function nextMarker(bytes: Uint8Array, offset: number): number {
  while (true) {
    const prefix = bytes.indexOf(0xff, offset);
    if (prefix < 0) return bytes.length;
    const code = bytes[prefix + 1];
    if (code !== 0x00 && code !== 0xff && !(code >= 0xd0 && code <= 0xd7)) return prefix + 1;
    offset = prefix + 1;
  }
}

/** All but start-of-image and TEM; restart markers are skipped before. */
function hasLength(marker: number): boolean {
  return marker !== 0xd8 && marker !== 0x01;
}

/** SOF0 to SOF15; DHT, JPG and DAC lie between them. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

function readFrame(segment: Uint8Array): JpegHeader {
  if (segment.length < 6) throw badImage("a JPEG frame header of at least 6 bytes", `${segment.length}`);
  const [precision, heightHigh, heightLow, widthHigh, widthLow, components] = segment;
  const width = widthHigh * 256 + widthLow;
  const height = heightHigh * 256 + heightLow;
  if (precision !== 8) throw badImage("a JPEG file of 8 bits a sample", `${precision}`);
  checkSize(width, height);
  return { width, height, components };
}

function beginsWith(segment: Uint8Array, text: string): boolean {
  return Array.from(text).every((character, i) => segment[i] === character.charCodeAt(0));
}
