/**
 * From a token, as the vocabulary writes it, to the bytes it stands for.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { fromByteAlphabet } from "./byte_alphabet.ts";
import { readReplacement, readSpaceMark } from "./replacement.ts";

/** How a vocabulary spells bytes. */
export interface TokenSpelling {
  /** Bytes of an ordinary token; not always whole UTF-8 characters. */
  bytesOf(token: string): Uint8Array;
  /** Bytes of an added token, which most tokenizers write in plain text. */
  bytesOfAdded(token: string): Uint8Array;
  /** Spaces dropped where a text begins, because encoding puts one there. */
  leadingSpaces: number;
}

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;
const encoder = new TextEncoder();
const encode = (text: string) => encoder.encode(text);

/**
 * Makes a spelling of the `decoder` entry of tokenizer.json: byte-level, or the steps by which converted
 * SentencePiece tokenizers undo theirs.
 *
 * Two differences to the `tokenizers` library are intended. Bytes of `<0xNN>` tokens are decoded together with
 * their neighbours and an invalid run becomes one U+FFFD per ill-formed sequence instead of one per byte, so
 * that decoding piece by piece gives the same text as decoding at once. And a `Metaspace` decoder takes away the space that encoding
 * has put in front, not those inside of the first token.
 *
 * @throws {RemoraError} `UNSUPPORTED` for any other decoder.
 */
export function compileSpelling(config: unknown, file: string): TokenSpelling {
  const steps = flatten(config);
  if (steps.length === 1 && steps[0].type === "ByteLevel") {
    return {
      bytesOf: (token) => fromByteAlphabet(token) ?? encode(token),
      bytesOfAdded: encode,
      leadingSpaces: 0,
    };
  }
  const replacements: [string, string][] = [];
  let fallsBackToBytes = false, isFused = false, leadingSpaces = 0;
  for (const step of steps) {
    if (step.type === "Replace" && typeof step.pattern?.String === "string") {
      replacements.push([step.pattern.String, readReplacement(step.content, "content of Replace", file)]);
    } else if (step.type === "ByteFallback") fallsBackToBytes = true;
    else if (step.type === "Fuse") isFused = true;
    else if (step.type === "Strip" && isFused && step.content === " " && !step.stop) {
      leadingSpaces = Number(step.start ?? 0);
    } else if (step.type === "Metaspace") {
      replacements.push([readSpaceMark(step.replacement, file), " "]);
      if (step.prepend_scheme !== "never" && step.add_prefix_space !== false) leadingSpaces = 1;
    } else throw unsupported(step.type, file);
  }
  if (steps.length === 0) throw unsupported("none", file);
  const bytesOf = (token: string) => {
    const byte = fallsBackToBytes ? BYTE_TOKEN.exec(token) : null;
    if (byte !== null) return Uint8Array.of(parseInt(byte[1], 16));
    return encode(replacements.reduce((text, [from, to]) => text.split(from).join(to), token));
  };
  return { bytesOf, bytesOfAdded: bytesOf, leadingSpaces };
}

/** The fields that any of the known steps has. */
interface Step {
  type?: unknown;
  decoders?: unknown;
  pattern?: { String?: unknown };
  content?: unknown;
  start?: unknown;
  stop?: unknown;
  replacement?: unknown;
  prepend_scheme?: unknown;
  add_prefix_space?: unknown;
}

function flatten(config: unknown): Step[] {
  if (typeof config !== "object" || config === null) return [];
  const step = config as Step;
  return step.type === "Sequence" && Array.isArray(step.decoders) ? step.decoders.flatMap(flatten) : [step];
}

function unsupported(found: unknown, file: string): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
    file,
    expected: "decoders ByteLevel, Replace, ByteFallback, Fuse, Strip of leading spaces or Metaspace",
    found: String(found),
  });
}
