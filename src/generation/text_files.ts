/**
 * The files beside the weights that turn text into tokens and back: tokenizer, chat template, end-of-text ids.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { CHAT_TEMPLATE_BYTES_MAX, CONFIG_BYTES_MAX, TOKENIZER_BYTES_MAX } from "../core/limits.ts";
import { readBytes, readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import { ConfigReader } from "../models/config_reader.ts";
import { ChatTemplate } from "../text/chat_template.ts";
import { type ChatTemplateFiles, findChatTemplate, findSpecialTokens } from "../text/chat_template_source.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import type { SamplingOptions } from "./sampler.ts";

const TOKENIZER_FILE = "tokenizer.json";
const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";

/** The contents of the text files; each is parsed when it is first needed. */
export class TextFiles {
  readonly #label: string;
  readonly #contents: ReadonlyMap<string, Uint8Array>;
  #tokenizer?: Tokenizer;
  #template?: ChatTemplate;

  private constructor(label: string, contents: ReadonlyMap<string, Uint8Array>) {
    this.#label = label;
    this.#contents = contents;
  }

  /** @throws {RemoraError} BAD_TOKENIZER or BAD_TEMPLATE for a file above its limit. */
  static async read(source: ModelSource): Promise<TextFiles> {
    const files = await source.list();
    const contents = new Map<string, Uint8Array>();
    const limits = {
      [TOKENIZER_FILE]: TOKENIZER_BYTES_MAX,
      [TOKENIZER_CONFIG_FILE]: CHAT_TEMPLATE_BYTES_MAX,
      "chat_template.jinja": CHAT_TEMPLATE_BYTES_MAX,
      "chat_template.json": CHAT_TEMPLATE_BYTES_MAX,
    };
    for (const [name, limit] of Object.entries(limits)) {
      const size = files.get(name);
      if (size === undefined) continue;
      if (size > limit) {
        throw new RemoraError(name === TOKENIZER_FILE ? "BAD_TOKENIZER" : "BAD_TEMPLATE", "Cannot read", {
          file: name,
          expected: `at most ${limit} bytes`,
          found: `${size}`,
        });
      }
      contents.set(name, await readBytes(source, name, 0, size));
    }
    return new TextFiles(source.label ?? "the model", contents);
  }

  /** @throws {RemoraError} FILE_NOT_FOUND where the model has none, BAD_TOKENIZER */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    const json = this.#contents.get(TOKENIZER_FILE);
    if (!json) throw this.#missing(TOKENIZER_FILE);
    const files = { tokenizer: TOKENIZER_FILE, config: TOKENIZER_CONFIG_FILE };
    this.#tokenizer = Tokenizer.parse(json, this.#contents.get(TOKENIZER_CONFIG_FILE), files);
    return this.#tokenizer;
  }

  /** @throws {RemoraError} FILE_NOT_FOUND where the model has none, BAD_TEMPLATE */
  get template(): ChatTemplate {
    if (this.#template) return this.#template;
    const found = findChatTemplate(Object.fromEntries(this.#contents) as ChatTemplateFiles);
    if (!found) throw this.#missing("chat_template");
    const config = this.#contents.get(TOKENIZER_CONFIG_FILE);
    this.#template = new ChatTemplate(found.source, config ? findSpecialTokens(config) : {}, found.label);
    return this.#template;
  }

  #missing(file: string): RemoraError {
    return new RemoraError("FILE_NOT_FOUND", "Cannot find", { file, found: `none in ${this.#label}` });
  }
}

/** Ids that end an answer, and the model's own sampling settings. */
export interface GenerationDefaults {
  endIds: ReadonlySet<number>;
  sampling: SamplingOptions;
}

/**
 * config.json and generation_config.json. A model that does not ask for sampling is greedy, as in transformers.
 *
 * @throws {RemoraError} BAD_CONFIG
 */
export async function readGenerationDefaults(
  source: ModelSource,
  config: ConfigReader,
): Promise<GenerationDefaults> {
  const name = "generation_config.json";
  const json = await readJsonObject(source, await source.list(), name, CONFIG_BYTES_MAX, "BAD_CONFIG");
  const generation = new ConfigReader(name, json ?? {});
  const endIds = new Set([...config.integers("eos_token_id"), ...generation.integers("eos_token_id")]);
  if (!generation.boolean("do_sample", false)) return { endIds, sampling: { temperature: 0 } };
  const sampling: SamplingOptions = { temperature: generation.numberAbove("temperature", 0, 1) };
  if (generation.has("top_k")) sampling.topK = generation.integer("top_k", 0, Number.MAX_SAFE_INTEGER);
  if (generation.has("top_p")) sampling.topP = generation.numberAbove("top_p", 0);
  if (generation.has("min_p")) sampling.minP = generation.numberAbove("min_p", -1);
  if (generation.has("typical_p")) sampling.typicalP = generation.numberAbove("typical_p", 0);
  if (generation.has("repetition_penalty")) {
    sampling.repeatPenalty = generation.numberAbove("repetition_penalty", 0);
  }
  return { endIds, sampling };
}
