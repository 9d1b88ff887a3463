/**
 * Pictures: chunks and segments changed one by one, with lengths and checksums that fit, and the data behind them.
 *
 * @module
 */
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { decodeImage } from "../../../src/image/decode.ts";
import { readJpegHeader } from "../../../src/image/jpeg/container.ts";
import { readPngHeader } from "../../../src/image/png/container.ts";
import { readWebpHeader } from "../../../src/image/webp/container.ts";
import { fixture } from "../../image/fixtures.ts";
import type { Random } from "../../kernels/random.ts";
import { BOUNDARIES, editBytes, pick } from "../hostile_values.ts";
import type { Files, FuzzTarget } from "../target.ts";

/** A piece of a file with a name: a chunk, or a segment. */
interface Piece {
  type: string;
  payload: Uint8Array;
}

/** A file in pieces; `damage` is done to the whole at last. */
interface Picture {
  pieces: Piece[];
  damage: ((bytes: Uint8Array) => Uint8Array)[];
}

/** How a kind of file is taken apart and put together. */
interface Container {
  split(bytes: Uint8Array): Piece[];
  join(pieces: readonly Piece[]): Uint8Array;
  readHeader(bytes: Uint8Array): unknown;
  /** Types of pieces that may be put in. */
  types: readonly string[];
  /** Packed data, for an edit of what is in them. */
  repack?(piece: Piece, edit: (bytes: Uint8Array) => Uint8Array): Uint8Array;
}

const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const png: Container = {
  types: [
    "IHDR",
    "PLTE",
    "tRNS",
    "IDAT",
    "IEND",
    "eXIf",
    "iTXt",
    "zTXt",
    "tEXt",
    "gAMA",
    "acTL",
    "fcTL",
    "fdAT",
    "abcd",
  ],
  readHeader: readPngHeader,
  split(bytes) {
    const pieces: Piece[] = [], view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let at = 8; at < bytes.length;) {
      const length = view.getUint32(at);
      pieces.push({
        type: latin1(bytes.subarray(at + 4, at + 8)),
        payload: bytes.slice(at + 8, at + 8 + length),
      });
      at += 12 + length;
    }
    return pieces;
  },
  join(pieces) {
    const chunks = pieces.map(({ type, payload }) => {
      const chunk = concatenate([new Uint8Array(4), bytesOf(type), payload, new Uint8Array(4)]);
      const view = new DataView(chunk.buffer);
      view.setUint32(0, payload.length);
      view.setUint32(chunk.length - 4, crc32(chunk.subarray(4, -4)));
      return chunk;
    });
    return concatenate([bytesOf("\x89PNG\r\n\x1a\n"), ...chunks]);
  },
  repack({ type, payload }, edit) {
    if (type !== "IDAT") return edit(payload);
    try {
      return deflateSync(edit(inflateSync(payload)));
    } catch {
      return edit(payload);
    }
  },
};

const webp: Container = {
  types: ["VP8 ", "VP8L", "VP8X", "ALPH", "EXIF", "XMP ", "ANIM", "ANMF", "ICCP", "abcd"],
  readHeader: readWebpHeader,
  split(bytes) {
    const pieces: Piece[] = [], view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let at = 12; at + 8 <= bytes.length;) {
      const length = view.getUint32(at + 4, true);
      pieces.push({
        type: latin1(bytes.subarray(at, at + 4)),
        payload: bytes.slice(at + 8, at + 8 + length),
      });
      at += 8 + length + (length & 1);
    }
    return pieces;
  },
  join(pieces) {
    const chunks = pieces.map(({ type, payload }) => {
      const { length } = payload;
      const chunk = concatenate([bytesOf(type), new Uint8Array(4), payload, new Uint8Array(length & 1)]);
      new DataView(chunk.buffer).setUint32(4, length, true);
      return chunk;
    });
    const file = concatenate([bytesOf("RIFF\0\0\0\0WEBP"), ...chunks]);
    new DataView(file.buffer).setUint32(4, file.length - 8, true);
    return file;
  },
};

/** Segments by the code of their marker; a scan's data are a piece of their own, called "data". */
const jpeg: Container = {
  types: ["c0", "c1", "c2", "c4", "db", "dd", "da", "e1", "ee", "fe", "cc", "c9", "dc", "01", "d8"],
  readHeader: readJpegHeader,
  split(bytes) {
    const pieces: Piece[] = [], view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let at = 2; at < bytes.length && bytes[at + 1] !== 0xd9;) {
      const type = bytes[at + 1].toString(16).padStart(2, "0"), end = at + 2 + view.getUint16(at + 2);
      pieces.push({ type, payload: bytes.slice(at + 4, end) });
      at = end;
      if (type !== "da") continue;
      let next = at;
      while (bytes[next] !== 0xff || bytes[next + 1] === 0 || (bytes[next + 1] & 0xf8) === 0xd0) next++;
      pieces.push({ type: "data", payload: bytes.slice(at, next) });
      at = next;
    }
    return pieces;
  },
  join(pieces) {
    const parts = pieces.map(({ type, payload }) => {
      if (type === "data") return payload;
      const segment = concatenate([new Uint8Array([0xff, parseInt(type, 16), 0, 0]), payload]);
      new DataView(segment.buffer).setUint16(2, payload.length + 2);
      return segment;
    });
    return concatenate([bytesOf("\xff\xd8"), ...parts, bytesOf("\xff\xd9")]);
  },
};

/** Sides that are not so large that the picture is refused from its header, with others. */
const SIDES = [0, 1, 2, 7, 8, 9, 15, 16, 17, 255, 256, 1000, 4000, 16383, 65535];

function editPicture({ types, repack }: Container, picture: Picture, random: Random): string {
  const { pieces, damage } = picture;
  const index = random.below(pieces.length || 1), piece = pieces[index];
  const kind = random.below(20);
  if (kind === 0 || !piece) {
    const seed = random.below(2 ** 31);
    damage.push((bytes) => editBytes(bytes, random).bytes);
    return `the file, ${seed}`;
  }
  if (kind === 1) return pieces.splice(index, 1) && `${piece.type}: removed`;
  if (kind === 2) {
    pieces.splice(random.below(pieces.length), 0, piece);
    return `${piece.type}: twice`;
  }
  if (kind === 3) {
    const other = random.below(pieces.length);
    [pieces[index], pieces[other]] = [pieces[other], piece];
    return `${piece.type}: swapped with ${pieces[index].type}`;
  }
  if (kind === 4) {
    const type = pick(random, types),
      payload = pick(random, [piece.payload, new Uint8Array(random.below(40))]);
    pieces.splice(random.below(pieces.length + 1), 0, { type, payload });
    return `${type}: ${payload.length} bytes put in`;
  }
  if (kind === 5) {
    pieces[index] = { ...piece, type: pick(random, types) };
    return `${piece.type}: called ${pieces[index].type}`;
  }
  if (kind < 8) {
    const first = pieces.find(({ payload }) => payload.length >= 8) ?? piece, copy = first.payload.slice();
    const at = pieces[0] === first ? random.below(Math.min(16, copy.length)) : random.below(copy.length),
      value = pick(random, SIDES);
    copy[at] = value >> 8;
    if (at + 1 < copy.length) copy[at + 1] = value & 255;
    first.payload = copy;
    return `${first.type}: ${value} at ${at}`;
  }
  if (kind === 8 && piece.payload.length > 0) {
    const copy = piece.payload.slice();
    copy[random.below(copy.length)] = pick(random, BOUNDARIES) & 255;
    piece.payload = copy;
    return `${piece.type}: one byte`;
  }
  let what = "";
  const edit = (bytes: Uint8Array) => {
    const edited = editBytes(bytes, random);
    what = edited.what;
    return edited.bytes;
  };
  piece.payload = kind > 9 && repack ? repack(piece, edit) : edit(piece.payload);
  return `${piece.type}: ${what}`;
}

function pictureTarget(
  name: string,
  ending: string,
  container: Container,
  fixtures: readonly string[],
): FuzzTarget {
  const file = `picture.${ending}`;
  return {
    name,
    namesPlaces: false,
    isContained: true,
    prepare() {
      const bases = fixtures.map((fixtureName) => container.split(fixture(fixtureName)));
      return Promise.resolve({
        fresh: (random: Random): Picture => ({
          pieces: pick(random, bases).map((piece) => ({ ...piece })),
          damage: [],
        }),
        edit: (picture: Picture, random: Random) => editPicture(container, picture, random),
        write({ pieces, damage }: Picture) {
          let bytes = container.join(pieces);
          for (const change of damage) bytes = change(bytes);
          return new Map([[file, bytes]]);
        },
        async run(files: Files, reached: () => void) {
          const bytes = files.get(file)!;
          container.readHeader(bytes);
          reached();
          const { width, height, data } = await decodeImage(bytes);
          if (data.length !== width * height * 3) {
            throw new Error(`${data.length} bytes for ${width} x ${height}`);
          }
        },
      });
    },
  };
}

export const pngTarget = pictureTarget("png", "png", png, [
  "rgba-16.png",
  "rgba-interlaced.png",
  "palette-4.png",
  "grey-1-interlaced.png",
  "grey-transparent.png",
  "exif-profile.png",
  "xmp-international.png",
  "xmp-compressed.png",
  "animated.png",
]);
export const jpegTarget = pictureTarget("jpeg", "jpg", jpeg, [
  "subsampled.jpg",
  "progressive.jpg",
  "cmyk.jpg",
  "ycck.jpg",
  "grey.jpg",
  "restarts.jpg",
  "exif.jpg",
]);
export const webpTarget = pictureTarget("webp", "webp", webp, [
  "lossy-alpha.webp",
  "lossless-alpha.webp",
  "lossy.webp",
  "lossless.webp",
  "exif.webp",
]);
