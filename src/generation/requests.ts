/**
 * What a caller asks of a model and gets back.
 *
 * @module
 */
import type { ImageInput } from "../image/input.ts";
import type { Constraint, ToolChoice } from "../dialects/answer_grammar.ts";
import type { SamplingOptions } from "../sampling/sampler.ts";
import type { PictureAttention } from "../sequence/attention_map.ts";
import type { Sequence } from "../sequence/sequence.ts";
import type { Message } from "../text/messages.ts";
import type { FewerTiles } from "../vision/vision_model.ts";

/** One of `prompt` and `messages` must be there. */
export interface GenerateRequest extends SamplingOptions, Constraint {
  /** Text, which the tokenizer's own rules complete (a leading `<s>`, say), or token ids, taken as they are. */
  prompt?: string | ArrayLike<number>;
  /** A conversation, put into the model's chat template. */
  messages?: Message[];
  /** Descriptions of tools for the chat template, in the form it expects (usually OpenAI's); only with `messages`. */
  tools?: unknown[];
  /**
   * Whether the answer may or must call one of `tools`, in OpenAI's form: then calls are written as the model's family does, with
   * arguments that fit. Default: the template is told of the tools, and the answer is free. "none" shows the template no tools.
   */
  toolChoice?: ToolChoice;
  /** How the model's family writes calls; default: as its chat template does. See `--tool-call-parser`. */
  toolCallFormat?: string;
  /** With `toolChoice`: whether one answer may call several times. Default true. */
  parallelToolCalls?: boolean;
  /** Variables of the chat template, such as `enable_thinking`; only with `messages`. */
  variables?: Record<string, unknown>;
  /**
   * Pictures, for models that see: for the places in the prompt, or for the parts of messages that say `image` and hold none.
   * When no message has a place, they stand at the beginning of the first message of the user.
   */
  images?: ImageInput[];
  /** Say with each token where in its pictures the model looked when it chose it. */
  attention?: boolean;
  /**
   * Tiles of a picture at most, for models that cut pictures into tiles: less detail in less time. Default: the model's. A picture
   * that has a name keeps the number it was seen with.
   */
  maxTiles?: number;
  /** Told of each picture that is looked at with fewer tiles than it would have without `maxTiles`. */
  onFewerTiles?(fewer: FewerTiles): void;
  /** Told while pictures are looked at: how much of all is done, from 0 to 1; as `forward` tells it. */
  onPictureProgress?(share: number): void;
  /** Told while the prompt is read: tokens that are done, of how many; as `forward` tells it. */
  onPromptProgress?(done: number, total: number): void;
  /**
   * Tokens to generate at most; default: what the context still holds. Memory for all of them is reserved before anything is
   * computed. With 0 and a `sequence`, the prompt is read into it.
   */
  maxTokens?: number;
  /**
   * Guess at most this many tokens of a step from what came before, and compute them together: faster where an answer repeats
   * its prompt, and the same answer always. Default 0: none. Not used together with `attention`. While the answer comes, its
   * sequence may hold guesses.
   */
  promptLookup?: number;
  /**
   * Go on when the context is full: the first tokens (SINK_TOKENS, or all that begin the text) and the more recent half of the
   * others stay, what lies between is forgotten and the rest computed anew. A longer prompt is cut the same way. Default: a
   * longer prompt is refused, and a full context ends the answer.
   */
  contextShift?: boolean;
  /** End an answer that says the same over and over, as small models do that choose the likeliest token. Default false. */
  loopGuard?: boolean;
  /**
   * The answer ends before this text, or the first of these; no part of one is ever emitted. The text of a special token ends it at
   * that token, though such tokens stand in no text.
   */
  stop?: string | string[];
  /** Ends the answer with its reason. */
  signal?: AbortSignal;
  /**
   * The sequence to use. What it shares with the start of the prompt is not computed again; it is left holding prompt and
   * answer. Without one, a fresh sequence is made and disposed.
   */
  sequence?: Sequence;
  /**
   * Keep special tokens in the text: tool calls of some models begin with one. Default: they are left out. Those that end an answer
   * always are.
   */
  keepSpecialTokens?: boolean;
  /** Do not end with the tokens that end an answer, but go on to `maxTokens`. */
  ignoreEnd?: boolean;
}

/**
 * Why an answer ended: a stop string or end-of-text token, the limit on tokens or context, or `loopGuard`; or, for now, the budget
 * of {@linkcode RunOptions}.
 */
export type FinishReason = "stop" | "length" | "loop" | "budget";

/**
 * What one call may compute. Counted in tokens, as clocks stand still where it is needed most: in functions that are given a few
 * seconds, and only learn the time when they wait for something.
 */
export interface Budget {
  /** Tokens of the answer, 1 or more. */
  tokens: number;
  /** Tokens of the prompt, 1 or more, besides those of the answer. A picture counts by its tokens and is looked at whole. */
  promptTokens: number;
}

/**
 * An answer that its budget ended, for `RunOptions.begun`: together with the sequence that it was written in, or a snapshot of that,
 * all that is needed to go on.
 */
export interface BegunAnswer {
  /** Of the sampler, also where the request gave none. */
  seed: number;
  /** All of the answer so far. */
  tokenIds: number[];
  /** With `logprobs`: one entry for each token. */
  logprobs?: TokenLogprobs[];
}

/** Log-probability of a generated token and of the likeliest in its place; natural logarithms of the model's own. */
export interface TokenLogprobs {
  /** Of the token. */
  id: number;
  /** Its text. */
  token: string;
  /** Natural logarithm of its probability. */
  logprob: number;
  /** The likeliest tokens of this place, the first one first. */
  top: { id: number; token: string; logprob: number }[];
}

/** A piece of an answer. `text` may be empty while a character or a possible stop string is incomplete. */
export interface GenerateChunk {
  /** Characters that are whole and cannot become part of a stop string. */
  text: string;
  /** The tokens that they come from. */
  tokenIds: number[];
  /** With `logprobs`: one entry for each token. */
  logprobs?: TokenLogprobs[];
  /** With `attention`: a map for each visible picture. */
  attention?: PictureAttention[];
  /** In the last chunk. */
  finishReason?: FinishReason;
  /** In the last chunk, of an answer that a stop string ended: that string. */
  stop?: string;
  /** In the last chunk. */
  usage?: Usage;
  /** In the last chunk of an answer that its budget ended: what `RunOptions.begun` takes. */
  begun?: BegunAnswer;
  /** Of a begun answer: that an earlier run has given this chunk already. */
  isRepeated?: true;
}

/** Tokens: of the prompt as it was used, of those found in the sequence, and of the answer. */
export interface Usage {
  /** Of the prompt, as it was used. */
  promptTokens: number;
  /** Of them those found in the sequence. */
  cachedTokens: number;
  /** Of the answer. */
  completionTokens: number;
}

/** A whole answer. */
export interface Completion {
  /** Characters that are whole and cannot become part of a stop string. */
  text: string;
  /** The tokens that they come from. */
  tokenIds: number[];
  /** Why it ended. */
  finishReason: FinishReason;
  /** Tokens that were read, known and generated. */
  usage: Usage;
  /** With `logprobs`: one entry for each token. */
  logprobs?: TokenLogprobs[];
}
