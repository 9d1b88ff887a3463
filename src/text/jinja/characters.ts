/**
 * Characters as Python classifies them, and strings by code points.
 *
 * @module
 */

/** The code points of a string, each as a string. */
export function codePoints(text: string): string[] {
  return /[\ud800-\udfff]/.test(text) ? Array.from(text) : text.split("");
}

/** What `str.isspace` takes, and so `strip` and `split` without arguments. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const ONLY_SPACE = new RegExp(`^[${SPACE}]+$`);
const NO_SPACE = new RegExp(`[^${SPACE}]`, "g");
const WORDS = new RegExp(`[^${SPACE}]+`, "g");
const IS_SPACE = new RegExp(`[${SPACE}]`);

export const words = (text: string): string[] => text.match(WORDS) ?? [];
export const isSpaceCharacter = (character: string): boolean => IS_SPACE.test(character);

/** Where the text begins that is not white space; its length if there is none. */
export function leadingSpace(text: string): number {
  NO_SPACE.lastIndex = 0;
  return NO_SPACE.exec(text)?.index ?? text.length;
}

/** Where the white space at the end begins. */
export function trailingSpace(text: string): number {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1])) end--;
  return end;
}

/** Python's `strip`, `lstrip` and `rstrip`: of white space, or of a set of characters. */
export function strip(text: string, characters: string | undefined, left: boolean, right: boolean): string {
  if (characters === undefined) {
    const begin = left ? leadingSpace(text) : 0;
    return text.slice(begin, right ? Math.max(begin, trailingSpace(text)) : undefined);
  }
  const set = new Set(codePoints(characters));
  const points = codePoints(text);
  let begin = 0, end = points.length;
  while (left && begin < end && set.has(points[begin])) begin++;
  while (right && end > begin && set.has(points[end - 1])) end--;
  return points.slice(begin, end).join("");
}

// deno-lint-ignore no-control-regex -- separators of files and groups end lines too
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

/** Python's `splitlines`. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let begin = 0;
  for (const { index, 0: end } of text.matchAll(LINE_END)) {
    lines.push(text.slice(begin, keepEnds ? index + end.length : index));
    begin = index + end.length;
  }
  if (begin < text.length) lines.push(text.slice(begin));
  return lines;
}

/** What `repr` writes as it is. */
export const isPrintable = (character: string): boolean =>
  character === " " || !/[\p{C}\p{Z}]/u.test(character);

/** Characters whose title case is not their upper case. */
const TITLE: Record<string, string> = {
  "Ǆ": "ǅ",
  "ǅ": "ǅ",
  "ǆ": "ǅ",
  "Ǉ": "ǈ",
  "ǈ": "ǈ",
  "ǉ": "ǈ",
  "Ǌ": "ǋ",
  "ǋ": "ǋ",
  "ǌ": "ǋ",
  "Ǳ": "ǲ",
  "ǲ": "ǲ",
  "ǳ": "ǲ",
  "ŉ": "ʼN",
};

/** Title case of one character. */
function titleCharacter(character: string): string {
  if (character in TITLE) return TITLE[character];
  // Georgian letters have capitals, but no title case.
  if (/[\u10d0-\u10ff]/.test(character)) return character;
  const code = character.codePointAt(0)!;
  // Greek letters with an iota below have a title form of their own.
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8);
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9);
  if (code === 0x1fbc || code === 0x1fcc || code === 0x1ffc) return character;
  const upper = Array.from(character.toUpperCase());
  if (code >= 0x1fb2 && code <= 0x1ff7 && upper.length > 1 && upper.at(-1) === "\u0399") {
    upper[upper.length - 1] = "\u0345";
  }
  return upper.length === 1 ? upper[0] : upper[0] + upper.slice(1).map(lowerOfTitle).join("");
}

const lowerOfTitle = (character: string) => /\p{M}/u.test(character) ? character : character.toLowerCase();

const isCased = (character: string) => /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u.test(character);

/**
 * Small letters of each character, where that of a sigma depends on what is around it. No other character is written with more
 * than one code unit in small letters than in capitals but the dotted I.
 */
function lowerOf(text: string): (character: string, index: number) => string {
  const lower = text.includes("Σ") ? text.replaceAll("İ", "I").toLowerCase() : "";
  return (character, index) => character === "Σ" ? lower[index] : character.toLowerCase();
}

/** Python's `str.title()`. */
export function title(text: string): string {
  const lower = lowerOf(text);
  let isInWord = false;
  let out = "";
  let index = 0;
  for (const character of text) {
    out += isInWord ? lower(character, index) : titleCharacter(character);
    isInWord = isCased(character);
    index += character.length;
  }
  return out;
}

/** Python's `str.capitalize()`. */
export function capitalize(text: string): string {
  const [first] = text;
  if (first === undefined) return "";
  // Lowered with the first letter in place, since a final sigma depends on what is before it.
  const lower = text.toLowerCase().slice(first.toLowerCase().length);
  return titleCharacter(first) + lower;
}

/** Python's `str.swapcase()`. */
export function swapCase(text: string): string {
  const lower = lowerOf(text);
  let out = "";
  let index = 0;
  for (const character of text) {
    if (/\p{Uppercase}/u.test(character)) out += lower(character, index);
    else out += /\p{Lowercase}/u.test(character) ? character.toUpperCase() : character;
    index += character.length;
  }
  return out;
}

/** Digits that are not decimal ones, such as superscripts. */
const OTHER_DIGITS =
  "\\u00b2\\u00b3\\u00b9\\u1369-\\u1371\\u19da\\u2070\\u2074-\\u2079\\u2080-\\u2089\\u2460-\\u2468\\u2474-\\u247c\\u2488-\\u2490" +
  "\\u24ea\\u24f5-\\u24fd\\u24ff\\u2776-\\u277e\\u2780-\\u2788\\u278a-\\u2792\\u{10a40}-\\u{10a43}\\u{10e60}-\\u{10e68}" +
  "\\u{11052}-\\u{1105a}\\u{1f100}-\\u{1f10a}";
/** Letters with the value of a number. */
const NUMERIC_LETTERS =
  "\\u3405\\u3483\\u382a\\u3b4d\\u4e00\\u4e03\\u4e07\\u4e09\\u4e5d\\u4e8c\\u4e94\\u4e96\\u4ebf\\u4ec0\\u4edf\\u4ee8\\u4f0d\\u4f70" +
  "\\u5104\\u5146\\u5169\\u516b\\u516d\\u5341\\u5343-\\u5345\\u534c\\u53c1-\\u53c4\\u56db\\u58f1\\u58f9\\u5e7a\\u5efe\\u5eff" +
  "\\u5f0c-\\u5f0e\\u5f10\\u62fe\\u634c\\u67d2\\u6f06\\u7396\\u767e\\u8086\\u842c\\u8cae\\u8cb3\\u8d30\\u9621\\u9646\\u964c\\u9678" +
  "\\u96f6\\uf96b\\uf973\\uf978\\uf9b2\\uf9d1\\uf9d3\\uf9fd";

/** Methods that ask whether every character of a string is of a kind. */
const CLASSES: Record<string, RegExp> = {
  isalpha: /^\p{L}+$/u,
  isdecimal: /^\p{Nd}+$/u,
  isdigit: new RegExp(`^[\\p{Nd}${OTHER_DIGITS}]+$`, "u"),
  isnumeric: new RegExp(`^[\\p{N}${NUMERIC_LETTERS}]+$`, "u"),
  isalnum: /^[\p{L}\p{N}]+$/u,
  isspace: ONLY_SPACE,
  // deno-lint-ignore no-control-regex -- all of ASCII
  isascii: /^[\x00-\x7f]*$/,
  isidentifier: /^[\p{XID_Start}_]\p{XID_Continue}*$/u,
  isprintable: /^(?: |[^\p{C}\p{Z}])*$/u,
};

/** Python's `str.is…()`; undefined for another name. */
export function classify(name: string, text: string): boolean | undefined {
  if (name === "islower") return /[\p{Lowercase}]/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
  if (name === "isupper") return /[\p{Uppercase}]/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
  if (name === "istitle") return isTitle(text);
  return Object.hasOwn(CLASSES, name) ? CLASSES[name].test(text) : undefined;
}

function isTitle(text: string): boolean {
  let isInWord = false, found = false;
  for (const character of text) {
    const starts = /[\p{Uppercase}\p{Lt}]/u.test(character);
    if (starts ? isInWord : isCased(character) && !isInWord) return false;
    isInWord = isCased(character);
    found ||= isInWord;
  }
  return found;
}
