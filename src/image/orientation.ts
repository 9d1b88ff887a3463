/**
 * Orientation: how a camera was held, as EXIF tells it (CIPA DC-008-2023, 4.6.5.1, tag 274), or XMP (ISO 16684-1, tiff:Orientation).
 *
 * @module
 */
import type { Pixels } from "./pixels.ts";

const ORIENTATION_TAG = 0x0112;
const SHORT = 3;
const LONG = 4;
const ENTRY_BYTES = 12;

/** What a file says about the picture besides its pixels. */
export interface PictureNotes {
  /** A TIFF header and its directories: the payload of PNG's eXIf chunk, of WebP's EXIF chunk, or of JPEG's APP1 segment. */
  exif?: Uint8Array;
  /** The XML of an XMP packet. */
  xmp?: Uint8Array;
}

/**
 * The orientation that a file states, 1 to 8: EXIF's, or XMP's where EXIF has none, as in Pillow. Damage means 1, upright, as in every
 * reader: the picture itself is not concerned.
 */
export function readOrientation({ exif, xmp }: PictureNotes): number {
  const value = (exif && readExif(exif)) ?? (xmp && readXmp(xmp)) ?? 1;
  return value >= 1 && value <= 8 ? value : 1;
}

/** The value of EXIF's tag, whatever it is; `undefined` where there is none. `Exif\0\0` may precede the block. */
function readExif(exif: Uint8Array): number | undefined {
  const tiff = exif.subarray(hasPrefix(exif) ? 6 : 0);
  if (tiff.length < 8) return undefined;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length);
  const byteOrder = view.getUint16(0);
  if (byteOrder !== 0x4949 && byteOrder !== 0x4d4d) return undefined;
  const littleEndian = byteOrder === 0x4949;
  if (view.getUint16(2, littleEndian) !== 42) return undefined;

  const directory = view.getUint32(4, littleEndian);
  if (directory + 2 > tiff.length) return undefined;
  const entries = view.getUint16(directory, littleEndian);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + i * ENTRY_BYTES;
    if (entry + ENTRY_BYTES > tiff.length) return undefined;
    if (view.getUint16(entry, littleEndian) !== ORIENTATION_TAG) continue;
    const type = view.getUint16(entry + 2, littleEndian);
    if (type === LONG) return view.getUint32(entry + 8, littleEndian);
    return type === SHORT ? view.getUint16(entry + 8, littleEndian) : 1;
  }
  return undefined;
}

/** The first value of `tiff:Orientation`, as an attribute or an element. */
function readXmp(xmp: Uint8Array): number | undefined {
  const digit = /tiff:Orientation(?:="|>)([0-9])/.exec(new TextDecoder("latin1").decode(xmp))?.[1];
  return digit === undefined ? undefined : Number(digit);
}

function hasPrefix(exif: Uint8Array): boolean {
  return [0x45, 0x78, 0x69, 0x66, 0, 0].every((byte, i) => exif[i] === byte);
}

/**
 * Turns a picture upright. The orientation names the visual edges of the stored first row and first column: 1 top
 * and left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left bottom.
 *
 * @param orientation 1 to 8; from 5 on, width and height change places.
 * @returns The same picture for 1, a new one otherwise.
 */
export function applyOrientation({ width, height, data }: Pixels, orientation: number): Pixels {
  if (orientation === 1) return { width, height, data };
  const isTransposed = orientation >= 5;
  const rowsFromEnd = [3, 4, 7, 8].includes(orientation); // stored column or row that becomes the first row
  const columnsFromEnd = [2, 3, 6, 7].includes(orientation);
  const outWidth = isTransposed ? height : width;
  const outHeight = isTransposed ? width : height;

  // One step to the right or down in the result is this many stored bytes.
  const right = (isTransposed ? width : 1) * 3 * (columnsFromEnd ? -1 : 1);
  const down = (isTransposed ? 1 : width) * 3 * (rowsFromEnd ? -1 : 1);
  const start = (columnsFromEnd ? (outWidth - 1) * -right : 0) + (rowsFromEnd ? (outHeight - 1) * -down : 0);

  const out = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < outHeight; y++) {
    let from = start + y * down;
    for (let x = 0; x < outWidth; x++, from += right, to += 3) {
      out[to] = data[from];
      out[to + 1] = data[from + 1];
      out[to + 2] = data[from + 2];
    }
  }
  return { width: outWidth, height: outHeight, data: out };
}
