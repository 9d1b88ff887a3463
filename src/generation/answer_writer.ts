/**
 * What the tokens of an answer say, and whether they end it.
 *
 * @module
 */
import type { GrammarState } from "../grammar/grammar.ts";
import { StopStrings } from "../text/stop_strings.ts";
import { StreamDecoder } from "../text/stream_decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { stopTexts } from "./check_request.ts";
import { LoopGuard } from "./loop_guard.ts";
import type { GenerateRequest } from "./requests.ts";

/** What a writer needs besides the request. */
export interface AnswerContext {
  tokenizer: Tokenizer;
  /** Ids that end an answer. */
  endIds: ReadonlySet<number>;
  /** What the answer must be. */
  grammar?: GrammarState;
}

/** What a token brings. */
export interface Written {
  /** Whole characters that cannot become part of a stop string. */
  text: string;
  /** Why the answer is over with this token. */
  end?: "stop" | "loop";
}

/**
 * Writes an answer token by token. All that it remembers follows from the tokens: whoever pushes those of an answer that was
 * begun elsewhere goes on where that one stopped.
 */
export class AnswerWriter {
  readonly #context: AnswerContext;
  readonly #ignoreEnd: boolean;
  readonly #decoder: StreamDecoder;
  readonly #stops: StopStrings;
  /** Stop strings that are special tokens, which stand in no text, by their ids. */
  readonly #stopTokens: ReadonlyMap<number, string>;
  #stopToken?: string;
  readonly #guard?: LoopGuard;
  #isStopped = false;

  /** @throws {RemoraError} BAD_ARGUMENT for stop strings that are none. */
  constructor(request: GenerateRequest, context: AnswerContext) {
    this.#context = context;
    this.#ignoreEnd = request.ignoreEnd ?? false;
    this.#decoder = new StreamDecoder(context.tokenizer, {
      skipSpecialTokens: !request.keepSpecialTokens,
      beginsText: false,
    });
    const stops = stopTexts(request.stop);
    this.#stops = new StopStrings(stops);
    this.#stopTokens = specialTokens(stops, context.tokenizer);
    this.#guard = request.loopGuard ? new LoopGuard() : undefined;
  }

  /** The stop string that ended the answer. */
  get stop(): string | undefined {
    return this.#stopToken ?? this.#stops.found;
  }

  /** Takes the next token; `undefined` when it may not come here. */
  push(id: number): Written | undefined {
    const { grammar, endIds } = this.#context;
    const isEnd = endIds.has(id) && !this.#ignoreEnd;
    const mayEnd = grammar?.mayEnd ?? true;
    const mayCome = !grammar || (!isEnd && grammar.push(id)) || (endIds.has(id) && mayEnd);
    if (!mayCome) return undefined;
    if (!isEnd) this.#stopToken = this.#stopTokens.get(id);
    const isLast = isEnd || this.#stopToken !== undefined;
    const { text, stopped } = this.#stops.push(isLast ? this.#decoder.flush() : this.#decoder.push(id));
    this.#isStopped = stopped;
    const isLoop = this.#guard?.push(id) ?? false;
    if (stopped || isLast || grammar?.isOver) return { text, end: "stop" };
    return isLoop ? { text, end: "loop" } : { text };
  }

  /** What was held back as the beginning of a character or of a stop string, when nothing more comes. */
  end(): string {
    if (this.#isStopped) return "";
    const { text, stopped } = this.#stops.push(this.#decoder.flush());
    return stopped ? text : text + this.#stops.flush();
  }
}

function specialTokens(texts: readonly string[], tokenizer: Tokenizer): Map<number, string> {
  const found = new Map<number, string>();
  for (const text of texts) {
    const id = tokenizer.idOf(text);
    if (id !== undefined && tokenizer.isSpecial(id)) found.set(id, text);
  }
  return found;
}
