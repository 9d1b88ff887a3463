/**
 * The files that turn text into tokens and back: tokenizer, chat template, end-of-text ids.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { CHAT_TEMPLATE_BYTES_MAX, TOKENIZER_BYTES_MAX } from "../core/limits.ts";
import type { GenerationDefaults, ModelText } from "../generation/model.ts";
import type { Pooling } from "../generation/pooling.ts";
import {
  CHAT_TEMPLATE_FILES,
  GENERATION_CONFIG_FILE,
  POOLING_CONFIG_FILE,
  SPECIAL_TOKENS_MAP_FILE,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
} from "../io/model_files.ts";
import { readBytesInto, readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import { ConfigReader } from "../models/config_reader.ts";
import type { SamplingOptions } from "../sampling/sampler.ts";
import { ChatTemplate } from "../text/chat_template.ts";
import { findChatTemplate, findSpecialTokens, templateMissing } from "../text/chat_template_source.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import { insteadOfTokenizer } from "./other_forms.ts";

/**
 * The contents of the text files. The tokenizer is parsed at once: done before the weights are read, its garbage does not
 * add to the peak of memory (10 MB for a vocabulary of 49,152). The template waits until it is needed.
 */
export class TextFiles implements ModelText {
  readonly #label: string;
  /** What is there in place of a tokenizer. */
  readonly #otherTokenizer?: string;
  readonly #contents: ReadonlyMap<string, Uint8Array>;
  readonly #tokenizer?: Tokenizer;
  #template?: ChatTemplate;

  private constructor(
    label: string,
    contents: Map<string, Uint8Array<ArrayBuffer>>,
    otherTokenizer: string | undefined,
  ) {
    this.#label = label;
    this.#otherTokenizer = otherTokenizer;
    this.#contents = contents;
    const json = contents.get(TOKENIZER_FILE);
    if (!json) return;
    const files = { tokenizer: TOKENIZER_FILE, config: TOKENIZER_CONFIG_FILE };
    this.#tokenizer = Tokenizer.parse(json, contents.get(TOKENIZER_CONFIG_FILE), files);
    contents.delete(TOKENIZER_FILE);
    // Its memory goes back now: the collector does not count the bytes of buffers, and the weights come next.
    json.buffer.transfer(0);
  }

  /** @throws {RemoraError} BAD_TOKENIZER for a damaged one, BAD_TEMPLATE for a file above its limit. */
  static async read(source: ModelSource): Promise<TextFiles> {
    const files = await source.list();
    const contents = new Map<string, Uint8Array<ArrayBuffer>>();
    for (
      const name of [TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, SPECIAL_TOKENS_MAP_FILE, ...CHAT_TEMPLATE_FILES]
    ) {
      const limit = name === TOKENIZER_FILE ? TOKENIZER_BYTES_MAX : CHAT_TEMPLATE_BYTES_MAX;
      const size = files.get(name);
      if (size === undefined) continue;
      if (size > limit) {
        throw new RemoraError(name === TOKENIZER_FILE ? "BAD_TOKENIZER" : "BAD_TEMPLATE", "Cannot read", {
          file: name,
          expected: `at most ${limit} bytes`,
          found: `${size}`,
        });
      }
      const bytes = new Uint8Array(size);
      await readBytesInto(source, name, 0, bytes);
      contents.set(name, bytes);
    }
    return new TextFiles(source.label ?? "the model", contents, insteadOfTokenizer(files.keys()));
  }

  /** @throws {RemoraError} FILE_NOT_FOUND where the model has none. */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    const found = this.#otherTokenizer ?? `none in ${this.#label}`;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot find", { file: TOKENIZER_FILE, found });
  }

  /** @throws {RemoraError} FILE_NOT_FOUND where the model has none, BAD_TEMPLATE */
  get template(): ChatTemplate {
    if (this.#template) return this.#template;
    const found = findChatTemplate(Object.fromEntries(this.#contents));
    if (!found) throw templateMissing(this.#label);
    const specials = findSpecialTokens(
      this.#contents.get(TOKENIZER_CONFIG_FILE),
      this.#contents.get(SPECIAL_TOKENS_MAP_FILE),
    );
    this.#template = new ChatTemplate(found.source, specials, found.label);
    return this.#template;
  }

  /** The id of the tokenizer's own end token, where it has one: chat templates may end turns with it, whatever config.json says. */
  get endId(): number | undefined {
    const config = this.#contents.get(TOKENIZER_CONFIG_FILE);
    const token = config && findSpecialTokens(config).eos_token;
    return token === undefined ? undefined : this.#tokenizer?.idOf(token);
  }
}

/** Settings of generation_config.json: their names here, and which values they may have. */
const SAMPLING_SETTINGS: readonly [string, keyof SamplingOptions, (value: number) => boolean][] = [
  ["temperature", "temperature", (value) => value >= 0],
  ["top_k", "topK", Number.isSafeInteger],
  ["top_p", "topP", (value) => value >= 0],
  ["min_p", "minP", (value) => value > -1],
  ["typical_p", "typicalP", (value) => value > 0],
  ["repetition_penalty", "repeatPenalty", (value) => value > 0],
];

/** Settings that change what is generated and are not known here, with the values that change nothing. */
const UNUSED_SETTINGS: Readonly<Record<string, readonly unknown[]>> = {
  bad_words_ids: [],
  begin_suppress_tokens: [],
  encoder_repetition_penalty: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  exponential_decay_length_penalty: [],
  force_words_ids: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  guidance_scale: [1],
  min_length: [0],
  min_new_tokens: [0],
  no_repeat_ngram_size: [0],
  num_beams: [1],
  penalty_alpha: [0],
  sequence_bias: [],
  stop_strings: [],
  suppress_tokens: [],
  token_healing: [false],
  top_h: [],
  watermarking_config: [],
};

/** What generation_config.json asks for and nobody does. */
function noticeOfUnused(generation: ConfigReader): string | undefined {
  const unused = Object.entries(UNUSED_SETTINGS).filter(([key, neutral]) =>
    generation.has(key) && !generation.isOneOf(key, neutral) && !generation.isEmptyList(key)
  );
  if (unused.length === 0) return undefined;
  return `settings of ${generation.file} that are not used: ${unused.map(([key]) => key).join(", ")}`;
}

/**
 * config.json and generation_config.json. A model that does not ask for sampling is greedy, as in transformers.
 *
 * No setting keeps a model from loading: one that cannot be, or is not known here, is not used, and a notice says so.
 *
 * @throws {RemoraError} BAD_CONFIG for a file that is no JSON object.
 */
export async function readGenerationDefaults(
  source: ModelSource,
  config: ConfigReader,
  onNotice?: (text: string) => void,
): Promise<GenerationDefaults> {
  const files = await source.list();
  const json = await readJsonObject(source, files, GENERATION_CONFIG_FILE);
  const generation = new ConfigReader(GENERATION_CONFIG_FILE, json ?? {});
  const used = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof RemoraError)) throw error;
      onNotice?.(`${error.message}; it is not used`);
      return otherwise;
    }
  };
  const unused = noticeOfUnused(generation);
  if (unused !== undefined) onNotice?.(unused);
  // Models of several parts keep the ids with their decoder.
  const text = config.section("text_config");
  const idsOf = (key: string) =>
    [config, text, generation].flatMap((file) => used(() => file.integers(key), []));
  const endIds = new Set(idsOf("eos_token_id"));
  const [beginId] = idsOf("bos_token_id");
  const pooling = await readPooling(source, files);
  if (!used(() => generation.boolean("do_sample", false), false)) {
    return { endIds, beginId, pooling, sampling: { temperature: 0 } };
  }
  const sampling: SamplingOptions = { temperature: 1 };
  for (const [key, name, isPossible] of SAMPLING_SETTINGS) {
    if (!generation.has(key)) continue;
    const value = used(() => generation.number(key, isPossible), undefined);
    // Some engines write −1 where others write 0: every token stays.
    if (value !== undefined) {
      Object.assign(sampling, { [name]: key === "top_k" ? Math.max(0, value) : value });
    }
  }
  return { endIds, beginId, pooling, sampling };
}

/** How sentence-transformers would make an embedding of the model, where its files say so. */
async function readPooling(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
): Promise<Pooling | undefined> {
  const json = await readJsonObject(source, files, POOLING_CONFIG_FILE);
  if (json?.pooling_mode_mean_tokens === true) return "mean";
  return json?.pooling_mode_lasttoken === true ? "last" : undefined;
}
