/**
 * Regular expressions of other dialects in the words of ECMA-262's flag `u`.
 *
 * That flag refuses what JavaScript without it, Python and others take for granted: marks that are escaped without need (`\-`, `\#`,
 * `\"`), braces and brackets that stand for themselves, a hyphen beside `\w` in a set, `(?P<name>`. Where all of them mean the same,
 * that is said as the flag has it. What means one thing here and another there is left as it is, for the host to refuse.
 *
 * @module
 */

/** What keeps its backslash under the flag. */
const SYNTAX = /[\^$\\.*+?()[\]{}|/]/;
/** Marks of ASCII, and space: escaped, each stands for itself. */
const MARK = /[ -/:-@[-`{-~]/;
/** An escape with braces, which are part of it. */
const BRACED_ESCAPE = /\\(?:[pPu]\{[^}]*\}|k<[^>]*>)/y;
const QUANTIFIER = /\{(?:\d+(?:,\d*)?|,\d+)\}/y;
const CLASS_ESCAPE = /\\(?:[dDsSwW]|[pP]\{)/y;

/** The expression as the flag has it, or itself. */
export function strictSyntax(source: string): string {
  let result = "";
  for (let at = 0; at < source.length;) {
    const character = source[at];
    const whole = matchAt(BRACED_ESCAPE, source, at) ?? matchAt(QUANTIFIER, source, at);
    if (whole !== undefined) {
      result += whole;
      at += whole.length;
    } else if (character === "[") {
      const set = strictSet(source, at);
      if (set === undefined) return source;
      result += set.text;
      at = set.end;
    } else if (character === "\\") {
      result += unescaped(source[at + 1] ?? "");
      at += 2;
    } else if (source.startsWith("(?P<", at)) {
      result += "(?<";
      at += 4;
    } else {
      result += "{}]".includes(character) ? `\\${character}` : character;
      at++;
    }
  }
  return result;
}

/** A set, and where it ends; `undefined` for one without an end, and where others read another set. */
function strictSet(source: string, begin: number): { text: string; end: number } | undefined {
  let at = source[begin + 1] === "^" ? begin + 2 : begin + 1;
  let text = source.slice(begin, at);
  // Empty here and a bracket elsewhere.
  if (source[at] === "]") return undefined;
  for (let isClass = false; at < source.length;) {
    const character = source[at];
    if (character === "]") return { text: text + character, end: at + 1 };
    // POSIX's classes are none here.
    if (source.startsWith("[:", at)) return undefined;
    const braced = matchAt(BRACED_ESCAPE, source, at);
    const wasClass = isClass;
    isClass = matchAt(CLASS_ESCAPE, source, at) !== undefined;
    if (braced !== undefined) {
      text += braced;
      at += braced.length;
    } else if (character === "\\") {
      const next = source[at + 1] ?? "";
      text += next === "-" ? "\\-" : unescaped(next);
      at += 2;
    } else {
      const isLiteral = character === "-" &&
        (wasClass || matchAt(CLASS_ESCAPE, source, at + 1) !== undefined);
      text += isLiteral ? "\\-" : character;
      at++;
    }
  }
  return undefined;
}

function unescaped(character: string): string {
  return MARK.test(character) && !SYNTAX.test(character) ? character : `\\${character}`;
}

function matchAt(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}
