// How every runtime is timed: the wall clock around whole answers, as who uses it waits. An answer of one token is the prompt's time; what
// a longer one takes beyond that, its tokens'.

/** Seconds after which nothing is repeated any more. */
const SECONDS_MAX = 10;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/**
 * Makes a runtime's timing callable: by message in a worker, as `measure` on a page.
 *
 * @param load `(settings) => { threads, complete(prompt, tokens) => { promptTokens, tokens } }`; greedy, without anything kept between calls.
 */
export function offer(load) {
  const measure = async (settings) => {
    const begin = performance.now();
    const { threads, complete } = await load(settings);
    const loadSeconds = (performance.now() - begin) / 1000;
    const { prompt, shortPrompt, tokens, repetitions } = settings;
    const timed = async (text, count) => {
      const begin = performance.now();
      const found = await complete(text, count);
      return { seconds: (performance.now() - begin) / 1000, ...found };
    };
    await timed(prompt, 1);
    await timed(shortPrompt, tokens);
    const prompts = [], answers = [];
    let promptTokens;
    const warm = performance.now();
    for (let i = 0; i < repetitions && (i === 0 || performance.now() - warm < SECONDS_MAX * 1000); i++) {
      const first = await timed(prompt, 1);
      promptTokens = first.promptTokens;
      prompts.push(promptTokens / first.seconds);
      const one = await timed(shortPrompt, 1), many = await timed(shortPrompt, tokens);
      answers.push((many.tokens - one.tokens) / (many.seconds - one.seconds));
    }
    return { threads, loadSeconds, promptTokens, prompt: median(prompts), generation: median(answers) };
  };
  if (typeof WorkerGlobalScope === "undefined") globalThis.measure = measure;
  else {
    onmessage = async ({ data }) => {
      try {
        postMessage(await measure(data));
      } catch (error) {
        postMessage({ error: String(error?.stack ?? error) });
      }
    };
  }
}
