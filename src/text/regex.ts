/**
 * Regular expressions of the reference's library (Oniguruma) as JavaScript's.
 *
 * @module
 */
import { SplitPreTokenizer } from "npm:@huggingface/tokenizers@0.2.0";
import { RemoraError } from "../core/errors.ts";

/** What shorthand classes are in Unicode (UTS #18, annex C); JavaScript's know other white space and ASCII digits only. */
const CLASSES: Readonly<Record<string, string>> = {
  s: String.raw`\p{White_Space}`,
  d: String.raw`\p{Nd}`,
  w: String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`,
};

/**
 * Translates a pattern; it matches everywhere, by code points.
 *
 * @throws {RemoraError} UNSUPPORTED for what JavaScript does not have.
 */
export function translateRegex(pattern: string, file: string): RegExp {
  try {
    const step = {
      type: "Split",
      pattern: { Regex: withUnicodeClasses(pattern) },
      behavior: "Isolated",
      invert: false,
    };
    const { pattern: translated } = new SplitPreTokenizer(
      step as ConstructorParameters<typeof SplitPreTokenizer>[0],
    );
    if (translated) return compileRegex(translated.source, file, translated.flags);
  } catch (cause) {
    if (cause instanceof RemoraError) throw cause;
    throw unsupported(cause instanceof Error ? cause.message : `${cause}`, file, cause);
  }
  throw unsupported(`"${pattern}"`, file);
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

/** The pattern with its shorthand classes written out. */
function withUnicodeClasses(pattern: string): string {
  let result = "", isInClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === "[") isInClass = true;
    if (character === "]") isInClass = false;
    if (character !== "\\") {
      result += character;
      continue;
    }
    const letter = pattern[++i] ?? "", written = CLASSES[letter.toLowerCase()];
    if (!written || (isInClass && letter === "W")) result += character + letter;
    else if (letter === letter.toLowerCase()) result += isInClass ? written : `[${written}]`;
    else result += isInClass ? written.replace("\\p", "\\P") : `[^${written}]`;
  }
  return result;
}

function unsupported(found: string, file: string, cause?: unknown): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
    file,
    expected: "regular expressions that JavaScript has too",
    found,
    cause,
  });
}
