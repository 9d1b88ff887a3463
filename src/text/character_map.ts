/**
 * SentencePiece's compiled character map, the `Precompiled` normalizer of tokenizer.json.
 *
 * It is a length, a trie as a double array (Darts-clone) of u32 units over the bytes of UTF-8, and texts that end in a zero byte, to
 * which the values of the trie point.
 *
 * @module
 */
import { fromBase64 } from "../core/bytes_as_text.ts";
import { RemoraError } from "../core/errors.ts";

const encoder = new TextEncoder();
const segmenter = new Intl.Segmenter();
/** Bytes of a character with its marks that is looked up whole; longer ones are looked up code point by code point. */
const GRAPHEME_BYTES_MAX = 5;

/**
 * Makes a function of the map.
 *
 * @param written The map in base64.
 * @throws {RemoraError} `BAD_TOKENIZER` when it is cut short or not base64.
 */
export function compileCharacterMap(written: unknown, file: string): (text: string) => string {
  const { units, texts } = readMap(written, file);
  const replacementOf = (text: string) => {
    const place = firstPrefix(units, encoder.encode(text));
    return place === undefined ? undefined : textAt(texts, place);
  };
  return (text) => {
    let result = "";
    for (const { segment } of segmenter.segment(text)) {
      const isShort = encoder.encode(segment).length <= GRAPHEME_BYTES_MAX;
      result += (isShort ? replacementOf(segment) : undefined) ??
        Array.from(segment, (character) => replacementOf(character) ?? character).join("");
    }
    return result;
  };
}

function readMap(written: unknown, file: string): { units: Uint32Array; texts: Uint8Array } {
  const damaged = (found: string) =>
    new RemoraError("BAD_TOKENIZER", "Cannot read the tokenizer from", {
      file,
      expected: "a precompiled_charsmap in base64",
      found,
    });
  if (typeof written !== "string") throw damaged(typeof written);
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(written);
  } catch {
    throw damaged("other text");
  }
  if (bytes.length < 4) throw damaged(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer);
  const size = view.getUint32(0, true) >>> 2;
  if (4 + 4 * size > bytes.length) throw damaged(`${bytes.length} bytes, and a trie of ${4 * size}`);
  const units = Uint32Array.from({ length: size }, (_, i) => view.getUint32(4 + 4 * i, true));
  return { units, texts: bytes.subarray(4 + 4 * size) };
}

/** The value of the shortest key that is a prefix; damaged units lead nowhere. */
function firstPrefix(units: Uint32Array, key: Uint8Array): number | undefined {
  const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let place = offsetOf(units[0] ?? 0);
  for (const byte of key) {
    if (byte === 0) return undefined;
    place = (place ^ byte) >>> 0;
    const unit = units[place];
    if (unit === undefined || ((unit & 0x800000ff) >>> 0) !== byte) return undefined;
    place = (place ^ offsetOf(unit)) >>> 0;
    const hasLeaf = (unit >>> 8 & 1) === 1;
    if (hasLeaf && units[place] !== undefined) return units[place] & 0x7fffffff;
  }
  return undefined;
}

function textAt(texts: Uint8Array, begin: number): string {
  const end = texts.indexOf(0, begin);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    texts.subarray(begin, end < 0 ? texts.length : end),
  );
}
