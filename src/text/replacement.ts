/**
 * Putting text in the place of other text, as steps of tokenizer.json say, within bounds: a file of kilobytes must not make gigabytes
 * of a text.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { NORMALIZED_CHARACTERS_MAX, REPLACEMENT_CHARACTERS_MAX } from "../core/limits.ts";

/**
 * What a step puts in or in front: a short text, absent an empty one.
 *
 * @param key What messages call it.
 * @throws {RemoraError} BAD_TOKENIZER, naming the file.
 */
export function readReplacement(value: unknown, key: string, file: string): string {
  const text = value ?? "";
  if (typeof text === "string" && text.length <= REPLACEMENT_CHARACTERS_MAX) return text;
  throw new RemoraError("BAD_TOKENIZER", "Cannot use the tokenizer of", {
    file,
    expected: `${key} of at most ${REPLACEMENT_CHARACTERS_MAX} characters`,
    found: typeof text === "string" ? `${text.length}` : typeof text,
  });
}

/**
 * The mark that stands for a space, absent SentencePiece's.
 *
 * @throws {RemoraError} BAD_TOKENIZER, naming the file, unless it is one character.
 */
export function readSpaceMark(value: unknown, file: string): string {
  const mark = value ?? "▁";
  if (typeof mark === "string" && Array.from(mark).length === 1) return mark;
  throw new RemoraError("BAD_TOKENIZER", "Cannot use the tokenizer of", {
    file,
    expected: "replacement of Metaspace to be one character",
    found: typeof mark === "string" ? `${Array.from(mark).length}` : typeof mark,
  });
}

/**
 * Replaces every match.
 *
 * @throws {RemoraError} BAD_TOKENIZER, naming the file, before the result grows beyond `NORMALIZED_CHARACTERS_MAX`.
 */
export function replaceAll(
  text: string,
  pattern: string | RegExp,
  replacement: string,
  file: string,
): string {
  let characters = text.length;
  return text.replaceAll(pattern, () => {
    characters += replacement.length;
    if (characters <= NORMALIZED_CHARACTERS_MAX) return replacement;
    throw new RemoraError("BAD_TOKENIZER", "Cannot use the tokenizer of", {
      file,
      expected: `texts that become at most ${NORMALIZED_CHARACTERS_MAX} characters`,
      found: "a normalizer that makes more",
    });
  });
}
