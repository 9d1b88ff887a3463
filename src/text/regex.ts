/**
 * Regular expressions of the reference's library (Oniguruma) as JavaScript's.
 *
 * @module
 */
import { toRegExpDetails } from "npm:oniguruma-to-es@4.3.6";
import { RemoraError } from "../core/errors.ts";
import { TOKENIZER_REGEX_CHARACTERS_MAX } from "../core/limits.ts";

/** The characters of `\w` in Rust's regular expressions (UTS #18, annex C), which are not Oniguruma's. */
export const WORD_CHARACTERS = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;

/**
 * Translates a pattern; it matches everywhere, by code points.
 *
 * Oniguruma's own meaning is kept where JavaScript would silently have another: `$` ends a line, `++` gives nothing back, `\s` and
 * `\w` go by Unicode, classes may meet and nest.
 *
 * @throws {RemoraError} UNSUPPORTED for what cannot be translated exactly.
 */
export function translateRegex(pattern: string, file: string): RegExp {
  if (pattern.length > TOKENIZER_REGEX_CHARACTERS_MAX) {
    throw unsupported(
      `one of ${pattern.length} characters (at most ${TOKENIZER_REGEX_CHARACTERS_MAX})`,
      file,
    );
  }
  let translated: { pattern: string; flags: string };
  try {
    translated = toRegExpDetails(pattern, { accuracy: "strict", avoidSubclass: true });
  } catch (cause) {
    throw unsupported(cause instanceof Error ? cause.message : `${cause}`, file, cause);
  }
  return compileRegex(translated.pattern, file, `g${translated.flags}`);
}

/**
 * A regular expression that is compiled at once: one that is too large for the engine fails with its first use otherwise.
 *
 * @throws {RemoraError} UNSUPPORTED
 */
export function compileRegex(source: string, file: string, flags = "gu"): RegExp {
  try {
    const regex = new RegExp(source, flags);
    // Texts of one and of two bytes a character have a program each.
    for (const text of ["", "\u0100"]) {
      regex.lastIndex = 0;
      regex.test(text);
    }
    regex.lastIndex = 0;
    return regex;
  } catch (cause) {
    throw unsupported(`one of ${source.length} characters that the engine cannot compile`, file, cause);
  }
}

/** The pattern that matches the text alone. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function unsupported(found: string, file: string, cause?: unknown): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
    file,
    expected: "regular expressions that JavaScript has too",
    found,
    cause,
  });
}
