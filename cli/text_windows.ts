/**
 * How a text that is longer than a context is cut into windows, of which some tokens are scored.
 *
 * @module
 */
/** Tokens that are fed to an empty sequence. */
export interface Window {
  readonly ids: readonly number[];
  /** The first that is scored, as are all after it; at least 1, as nothing comes before the first of a window. */
  readonly from: number;
}

/** Whose definition of perplexity. */
export type WindowRule = "transformers" | "llama.cpp";

/** How to cut. */
export interface WindowOptions {
  readonly rule: WindowRule;
  /** Tokens of a window. */
  readonly context: number;
  /** Tokens from one window to the next under "transformers"; default: a window's. */
  readonly stride?: number;
  /** What "llama.cpp" puts in the place of each window's first token, for tokenizers that begin texts with one. */
  readonly beginId?: number;
}

/**
 * The windows of a text; none when it has too few tokens for one that is scored.
 *
 * - "transformers": windows of `context` tokens, `stride` apart; each scores the tokens that none before it held. The first token of the
 *   text is never scored; with windows side by side neither is the first of each.
 *   {@link https://huggingface.co/docs/transformers/perplexity | Perplexity of fixed-length models}
 * - "llama.cpp": whole windows side by side, what is left at the end is dropped; each scores its second half.
 *   {@link https://github.com/ggml-org/llama.cpp/blob/master/tools/perplexity/README.md | llama-perplexity}
 */
export function windowsOf(ids: readonly number[], options: WindowOptions): Window[] {
  return options.rule === "llama.cpp" ? halfWindows(ids, options) : slidingWindows(ids, options);
}

function slidingWindows(ids: readonly number[], { context, stride = context }: WindowOptions): Window[] {
  const windows: Window[] = [];
  for (let begin = 0, known = 0; known < ids.length; begin += stride) {
    const end = Math.min(begin + context, ids.length);
    const from = Math.max(1, known - begin);
    if (from < end - begin) windows.push({ ids: ids.slice(begin, end), from });
    known = end;
  }
  return windows;
}

function halfWindows(ids: readonly number[], { context, beginId }: WindowOptions): Window[] {
  return Array.from({ length: Math.floor(ids.length / context) }, (_, i) => {
    const window = ids.slice(i * context, (i + 1) * context);
    if (beginId !== undefined) window[0] = beginId;
    // llama.cpp reads the logits of rows ⌊context / 2⌋ on, which foresee the tokens after them.
    return { ids: window, from: Math.floor(context / 2) + 1 };
  }).filter(({ ids: { length }, from }) => from < length);
}
