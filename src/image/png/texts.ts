/**
 * What text chunks say about a picture (W3C PNG, third edition, 11.3.3): XMP, and EXIF as ImageMagick writes it.
 *
 * @module
 */
import { PNG_TEXT_BYTES_MAX } from "../../core/limits.ts";
import type { PictureNotes } from "../orientation.ts";

const XMP = "XML:com.adobe.xmp";
/** Its text is the name of the profile and its length, a line each, and then its bytes in hexadecimal digits. */
const EXIF = "Raw profile type exif";

/** The text of a chunk, as it lies in the file. */
interface StoredText {
  bytes: Uint8Array;
  isCompressed: boolean;
}

/** The texts that are about the picture, by keyword; of several the last counts, as in Pillow. */
export type StoredTexts = Map<string, StoredText>;

/** Keeps the chunk if it is a text that is about the picture. Nothing is unpacked yet. */
export function keepText(texts: StoredTexts, type: string, payload: Uint8Array): void {
  if (!["tEXt", "zTXt", "iTXt"].includes(type)) return;
  const keyword = [XMP, EXIF].find((name) => beginsWith(payload, `${name}\0`));
  const text = keyword && withoutFrame(type, payload.subarray(keyword.length + 1));
  if (text) texts.set(keyword, text);
}

/** What follows the keyword: the compression, and in international texts a language and a translated keyword. */
function withoutFrame(type: string, rest: Uint8Array): StoredText | undefined {
  if (type === "tEXt") return { bytes: rest, isCompressed: false };
  const isCompressed = type === "zTXt" || rest[0] !== 0;
  const method = type === "zTXt" ? rest[0] : rest[1];
  if (isCompressed && method !== 0) return undefined;
  if (type === "zTXt") return { bytes: rest.subarray(1), isCompressed };
  const language = rest.indexOf(0, 2), keyword = rest.indexOf(0, language + 1);
  return language < 0 || keyword < 0 ? undefined : { bytes: rest.subarray(keyword + 1), isCompressed };
}

/** The notes that the texts hold. Damaged and oversized ones are left out: the picture itself is not concerned. */
export async function readTexts(texts: StoredTexts): Promise<PictureNotes> {
  const xmp = await unpack(texts.get(XMP)), profile = await unpack(texts.get(EXIF));
  return { xmp, exif: profile && fromDigits(profile) };
}

async function unpack(text: StoredText | undefined): Promise<Uint8Array | undefined> {
  if (text === undefined || text.bytes.length > PNG_TEXT_BYTES_MAX) return undefined;
  return text.isCompressed ? await inflate(text.bytes) : text.bytes;
}

/** Compressed bytes that are handed over at once: a step cannot make more than 1032 times as many. */
const INFLATE_STEP_BYTES = 1024;

async function inflate(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  let begin = 0;
  const source = new ReadableStream<BufferSource>({
    pull(controller) {
      if (begin >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(begin, begin += INFLATE_STEP_BYTES));
    },
  });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for await (const piece of source.pipeThrough(new DecompressionStream("deflate"))) {
      size += piece.length;
      if (size > PNG_TEXT_BYTES_MAX) return undefined;
      pieces.push(piece);
    }
  } catch {
    return undefined;
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

function fromDigits(profile: Uint8Array): Uint8Array {
  const digits = new TextDecoder("latin1").decode(profile).split("\n").slice(3).join("").replace(/\s/g, "");
  return Uint8Array.from(digits.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16));
}

function beginsWith(bytes: Uint8Array, text: string): boolean {
  return Array.from(text).every((character, i) => bytes[i] === character.charCodeAt(0));
}
