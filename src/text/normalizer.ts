/**
 * Changing text before it is cut into words, as the `tokenizers` library does.
 *
 * Its steps go by Unicode where JavaScript's own do not: white space has U+0085 and lacks U+FEFF, replacements are plain text, and
 * lower case looks at one character at a time, so that it knows no final sigma.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { toByteAlphabet } from "./byte_alphabet.ts";
import { compileCharacterMap } from "./character_map.ts";
import { translateRegex } from "./regex.ts";
import { readReplacement, replaceAll } from "./replacement.ts";

/** Changes a whole stretch of text. */
export type Normalizer = (text: string) => string;

const FORMS = ["NFC", "NFD", "NFKC", "NFKD"];
const KNOWN = [
  ...FORMS,
  "Lowercase",
  "Strip",
  "StripAccents",
  "Replace",
  "Prepend",
  "Sequence",
  "BertNormalizer",
  "ByteLevel",
  "Precompiled",
];

/**
 * Makes a function of the `normalizer` entry of tokenizer.json.
 *
 * @param config The entry; null leaves text as it is.
 * @throws {RemoraError} `UNSUPPORTED` for a step that is not known here.
 */
export function compileNormalizer(config: unknown, file: string): Normalizer {
  if (config === null || config === undefined) return (text) => text;
  const step = config as Record<string, unknown>;
  const type = String(step.type);
  if (FORMS.includes(type)) return (text) => text.normalize(type);
  switch (type) {
    case "Lowercase":
      return lowercase;
    case "Strip":
      return (text) => strip(text, step.strip_left !== false, step.strip_right !== false);
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Replace":
      return compileReplace(step, file);
    case "Prepend": {
      const prefix = readReplacement(step.prepend, "prepend", file);
      return (text) => text === "" ? text : prefix + text;
    }
    case "ByteLevel":
      return toByteAlphabet;
    case "Precompiled":
      return compileCharacterMap(step.precompiled_charsmap, file);
    case "BertNormalizer":
      return (text) => normalizeAsBert(text, step);
    case "Sequence": {
      if (!Array.isArray(step.normalizers)) break;
      const steps = step.normalizers.map((part) => compileNormalizer(part, file));
      return (text) => steps.reduce((result, normalize) => normalize(result), text);
    }
  }
  throw new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
    file,
    expected: `normalizers ${KNOWN.join(", ")}`,
    found: `normalizer ${type}`,
  });
}

function lowercase(text: string): string {
  return Array.from(text, (character) => character.toLowerCase()).join("");
}

function strip(text: string, left: boolean, right: boolean): string {
  const stripped = left ? text.replace(/^\p{White_Space}+/u, "") : text;
  if (!right) return stripped;
  let end = stripped.length;
  while (end > 0 && /\p{White_Space}/u.test(stripped[end - 1])) end--;
  return stripped.slice(0, end);
}

function compileReplace({ pattern, content }: Record<string, unknown>, file: string): Normalizer {
  const { String: literal, Regex: regex } = (pattern ?? {}) as Record<string, unknown>;
  const replacement = readReplacement(content, "content of Replace", file);
  if (typeof literal === "string") {
    return (text) => literal === "" ? text : replaceAll(text, literal, replacement, file);
  }
  const translated = translateRegex(String(regex), file);
  return (text) => replaceAll(text, translated, replacement, file);
}

/** transformers' BertNormalizer: clean text, space around Chinese characters, no accents, lower case; each as it is asked for. */
function normalizeAsBert(text: string, step: Record<string, unknown>): string {
  const isLower = step.lowercase !== false;
  let result = text;
  if (step.clean_text !== false) {
    result = result.replace(/[\0\ufffd]|(?![\t\n\r])\p{C}/gu, "").replace(/\p{White_Space}/gu, " ");
  }
  if (step.handle_chinese_chars !== false) result = result.replace(CHINESE, " $& ");
  if (step.strip_accents ?? isLower) result = result.normalize("NFD").replace(/\p{Mn}/gu, "");
  return isLower ? lowercase(result) : result;
}

/** The blocks that BERT's own code calls Chinese. */
const CHINESE =
  /[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{f900}-\u{faff}\u{2f800}-\u{2fa1f}]/gu;
