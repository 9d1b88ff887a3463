/**
 * Cutting text into the words that byte-pair encoding works on.
 *
 * The steps of `@huggingface/tokenizers` differ from the reference implementation on U+0085, U+FEFF and
 * non-ASCII digits, and know two of the five split behaviours; so none of them is used.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { toByteAlphabet } from "./byte_alphabet.ts";
import { compileRegex, escapeRegex, translateRegex, WORD_CHARACTERS } from "./regex.ts";
import { readSpaceMark } from "./replacement.ts";

/** Cuts one stretch of text; `isFirst` says whether it begins the whole input. */
export type PreTokenizer = (text: string, isFirst: boolean) => string[];

/** GPT-2's words. `\s` of JavaScript has U+FEFF and lacks U+0085, hence the Unicode property. */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const DIGITS = /\p{N}+|\P{N}+/gu;
const SINGLE_DIGITS = /\p{N}|\P{N}+/gu;
/** The marks of ASCII and Unicode's punctuation, which lacks some of them. */
const PUNCTUATION = /[!-\/:-@[-`{-~\p{P}]/gu;
const WHITE_SPACE = /\p{White_Space}/gu;
const WORDS_AND_MARKS = new RegExp(`[${WORD_CHARACTERS}]+|[^${WORD_CHARACTERS}\\p{White_Space}]+`, "gu");

const KNOWN = [
  "Sequence",
  "ByteLevel",
  "Digits",
  "Split",
  "Metaspace",
  "Punctuation",
  "Whitespace",
  "WhitespaceSplit",
  "CharDelimiterSplit",
  "BertPreTokenizer",
];

/**
 * Makes a function of the `pre_tokenizer` entry of tokenizer.json.
 *
 * @param config The entry; null leaves text whole.
 * @throws {RemoraError} `UNSUPPORTED` for a step that is not known here.
 */
export function compilePreTokenizer(config: unknown, file: string): PreTokenizer {
  if (config === null || config === undefined) return (text) => [text];
  const step = config as Record<string, unknown>;
  switch (step.type) {
    case "Sequence": {
      if (!Array.isArray(step.pretokenizers)) break;
      const steps = step.pretokenizers.map((part) => compilePreTokenizer(part, file));
      return (text, isFirst) =>
        steps.reduce(
          (pieces, cut) => pieces.flatMap((piece, i) => cut(piece, isFirst && i === 0)),
          [text],
        );
    }
    case "ByteLevel": {
      const addsSpace = step.add_prefix_space === true;
      const usesRegex = step.use_regex !== false;
      return (text) => {
        const spaced = addsSpace && !text.startsWith(" ") ? " " + text : text;
        return (usesRegex ? spaced.match(WORDS) ?? [] : [spaced]).map(toByteAlphabet);
      };
    }
    case "Digits": {
      const pattern = step.individual_digits === true ? SINGLE_DIGITS : DIGITS;
      return (text) => text.match(pattern) ?? [];
    }
    case "Split":
      return split(translatePattern(step, file), readArrangement(step.behavior, file), step.invert === true);
    case "Punctuation":
      return split(PUNCTUATION, readArrangement(step.behavior ?? "Isolated", file));
    case "BertPreTokenizer": {
      const words = split(WHITE_SPACE, readArrangement("Removed", file));
      const marks = split(PUNCTUATION, readArrangement("Isolated", file));
      return (text, isFirst) => words(text, isFirst).flatMap((word) => marks(word, isFirst));
    }
    case "CharDelimiterSplit":
      return split(
        translatePattern({ pattern: { String: step.delimiter } }, file),
        readArrangement("Removed", file),
      );
    case "Whitespace":
      return (text) => text.match(WORDS_AND_MARKS) ?? [];
    case "Metaspace":
      return compileMetaspace(step, file);
    case "WhitespaceSplit":
      return (text) => text.split(/\p{White_Space}+/u).filter((word) => word !== "");
  }
  throw unsupported(`pre-tokenizer ${String(step.type)}`, file);
}

/** A stretch of text and whether the pattern matched it. */
interface Span {
  text: string;
  isMatch: boolean;
}

/** Cuts where the pattern matches; a match of nothing parts what stands beside it. */
function split(
  pattern: RegExp,
  arrange: (spans: Span[]) => string[],
  inverted = false,
): PreTokenizer {
  return (text) => {
    const spans: Span[] = [];
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      if (match.index > end) spans.push({ text: text.slice(end, match.index), isMatch: inverted });
      spans.push({ text: match[0], isMatch: !inverted });
      end = match.index + match[0].length;
    }
    if (end < text.length) spans.push({ text: text.slice(end), isMatch: inverted });
    return arrange(spans).filter((piece) => piece !== "");
  };
}

/** What becomes of the matches, by the names and rules of the `tokenizers` library's SplitDelimiterBehavior. */
const ARRANGEMENTS = new Map<string, (spans: Span[]) => string[]>([
  ["Isolated", (spans) => spans.map((span) => span.text)],
  ["Removed", (spans) => spans.filter((span) => !span.isMatch).map((span) => span.text)],
  ["Contiguous", (spans) => joinWhere(spans, (left, right) => left.isMatch === right.isMatch)],
  ["MergedWithPrevious", (spans) => joinWhere(spans, (left, right) => right.isMatch && !left.isMatch)],
  ["MergedWithNext", (spans) => joinWhere(spans, (left, right) => left.isMatch && !right.isMatch)],
]);

function readArrangement(behavior: unknown, file: string): (spans: Span[]) => string[] {
  const arrange = ARRANGEMENTS.get(String(behavior));
  if (arrange === undefined) throw unsupported(`split behaviour ${String(behavior)}`, file);
  return arrange;
}

function joinWhere(spans: Span[], belongs: (left: Span, right: Span) => boolean): string[] {
  const pieces: string[] = [];
  spans.forEach((span, i) => {
    if (i > 0 && belongs(spans[i - 1], span)) pieces[pieces.length - 1] += span.text;
    else pieces.push(span.text);
  });
  return pieces;
}

function translatePattern({ pattern }: Record<string, unknown>, file: string): RegExp {
  const { String: literal, Regex: regex } = (pattern ?? {}) as Record<string, unknown>;
  if (typeof regex === "string") return translateRegex(regex, file);
  if (typeof literal === "string") return compileRegex(escapeRegex(literal), file);
  throw unsupported("split pattern that is neither String nor Regex", file);
}

function compileMetaspace(step: Record<string, unknown>, file: string): PreTokenizer {
  const mark = readSpaceMark(step.replacement, file);
  const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
  return (text, isFirst) => {
    let marked = text.replaceAll(" ", mark);
    const prepends = scheme === "always" || (scheme === "first" && isFirst);
    if (prepends && !marked.startsWith(mark)) marked = mark + marked;
    if (step.split === false) return [marked];
    const words = marked.split(mark);
    return words.map((word, i) => i === 0 ? word : mark + word).filter((word) => word !== "");
  };
}

function unsupported(found: string, file: string, cause?: unknown): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
    file,
    expected: `pre-tokenizers ${KNOWN.join(", ")}`,
    found,
    cause,
  });
}
