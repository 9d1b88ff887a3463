/**
 * How tokenizers of GGUF files cut text into words: the files have a name for it, tokenizer.json the steps.
 *
 * @see {@link https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp | the names}
 *
 * @module
 */

/** What stands behind a name. */
export interface PreTokenization {
  /** `pre_tokenizer` of tokenizer.json. */
  readonly steps: Record<string, unknown>;
  readonly normalizer?: Record<string, unknown>;
  /** A word that is a token is taken as it is. */
  readonly ignoreMerges?: boolean;
  /** Texts begin with a token of their own unless the file says otherwise. */
  readonly addsBegin?: boolean;
}

const BYTES = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
/** GPT-2's words. */
const WORDS = { ...BYTES, use_regex: true };
const DIGITS = { type: "Digits", individual_digits: true };

/** Each pattern cuts what those before it left. */
function split(...patterns: string[]): Record<string, unknown> {
  const steps = patterns.map((Regex) => (
    { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false }
  ));
  return { type: "Sequence", pretokenizers: [...steps, BYTES] };
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const REST = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const LLAMA3 = split(
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${REST}`,
);
const QWEN2 = split(
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${REST}`,
);
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const TEKKEN = split(
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*|\\p{N}` +
    `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${REST}`,
);
const GPT4O = split(
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${CONTRACTIONS}?|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${CONTRACTIONS}?` +
    `|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${REST}`,
);
const CJK = "[一-龥ࠀ-一가-퟿]+";
const DEEPSEEK_CODER = split("[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}");
const FALCON = split("[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]");
/** What llama.cpp does where a file has no name, or this one. */
const DEFAULT = split("[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]");

const NFC = { type: "NFC" };
const DIGITS_AND_WORDS = { type: "Sequence", pretokenizers: [DIGITS, WORDS] };

function named(names: string, what: PreTokenization): [string, PreTokenization][] {
  return names.split(" ").map((name) => [name, what]);
}

/** By `tokenizer.ggml.pre`. */
export const PRE_TOKENIZATIONS: ReadonlyMap<string, PreTokenization> = new Map([
  ...named("default", { steps: DEFAULT }),
  ...named("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral lfm2 midm-2.0", {
    steps: LLAMA3,
    ignoreMerges: true,
    addsBegin: true,
  }),
  ...named("smaug-bpe dbrx glm4 chatglm-bpe", { steps: LLAMA3 }),
  ...named("qwen2 deepseek-r1-qwen megrez", { steps: QWEN2, normalizer: NFC }),
  ...named("stablelm2 hunyuan grok-2 solar-open", { steps: QWEN2 }),
  ...named("smollm starcoder refact codeshell command-r exaone minerva-7b", { steps: DIGITS_AND_WORDS }),
  ...named("gpt-2 phi-2 olmo mpt jais trillion granite-docling gigachat a.x-4.0 mellum exaone4", {
    steps: WORDS,
  }),
  ...named("tekken", { steps: TEKKEN, ignoreMerges: true, addsBegin: true }),
  ...named("gpt-4o llama4 kanana2", { steps: GPT4O }),
  ...named("deepseek-coder", { steps: DEEPSEEK_CODER }),
  ...named("falcon", { steps: FALCON }),
]);
