/**
 * SmolLM2 against its reference: perplexity of one context of 2,048 tokens, and how often the likeliest token agrees.
 *
 *   deno run --allow-read=MODEL tools/perplexity.ts MODEL [--tokens 2048] [options of `remora run` that say how to load]
 *
 * MODEL holds `reference/reference.json` with the protocol: every position after the first is scored, −ln softmax in f64.
 *
 * @module
 */
import { LOAD_OPTIONS, readLoadOptions } from "../cli/load_options.ts";
import { Options } from "../cli/options.ts";
import { score, scoredRows } from "../cli/scoring.ts";
import { loadModel } from "../mod.ts";

if (import.meta.main) {
  const options = Options.parse(Deno.args, {
    ...LOAD_OPTIONS,
    tokens: { value: "N", help: "tokens of the text to score" },
  });
  const [directory] = options.positionals;
  const load = readLoadOptions(options);
  const reference = JSON.parse(Deno.readTextFileSync(`${directory}/reference/reference.json`));
  const ids: number[] = reference.perplexity.ids.slice(0, options.integer("tokens", { from: 2 }) ?? 2048);
  await using model = await loadModel(directory, load);

  const { perplexity } = await score(scoredRows(model, [{ ids, from: 1 }]));

  let agreeing = 0, tokens = 0, whole = 0;
  for (const { ids: prompt, greedy_ids: expected } of reference.prompts) {
    using answer = model.createSequence();
    // Teacher-forced on the reference's answer: one early difference does not spoil the rest of the count.
    const { data, vocabSize } = await answer.forward([...prompt, ...expected.slice(0, -1)], {
      logits: "all",
    });
    const hits = (expected as number[]).filter((id, i) => {
      const begin = (prompt.length - 1 + i) * vocabSize;
      const row = data.subarray(begin, begin + vocabSize);
      return row.every((value) => value <= row[id]);
    }).length;
    agreeing += hits;
    tokens += expected.length;
    if (hits === expected.length) whole++;
  }

  const wanted = reference.perplexity.int4.perplexity;
  console.log(JSON.stringify({
    ...load,
    perplexity,
    reference: wanted,
    differencePercent: ids.length === reference.perplexity.context_tokens
      ? (perplexity / wanted - 1) * 100
      : undefined,
    greedyAgreement: `${agreeing} of ${tokens} tokens, ${whole} of ${reference.prompts.length} answers whole`,
  }));
}
