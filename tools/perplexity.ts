/**
 * SmolLM2 against its reference: perplexity of one context of 2,048 tokens, and how often the likeliest token agrees.
 *
 *   deno run --allow-read=MODEL tools/perplexity.ts MODEL [--precision int8|f32] [--threads N] [--tokens 2048]
 *
 * MODEL holds `reference/reference.json` with the protocol: every position after the first is scored, −ln softmax in f64.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { scoreTokens } from "../cli/perplexity.ts";
import { loadModel, type Precision } from "../mod.ts";

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      precision: { type: "string", default: "int8" },
      threads: { type: "string", default: "2" },
      tokens: { type: "string", default: "2048" },
    },
  });
  const [directory] = positionals;
  const reference = JSON.parse(Deno.readTextFileSync(`${directory}/reference/reference.json`));
  const ids: number[] = reference.perplexity.ids.slice(0, Number(values.tokens));
  await using model = await loadModel(directory, {
    threads: Number(values.threads),
    precision: values.precision as Precision,
  });

  const { perplexity } = await scoreTokens(model, ids, ids.length);

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
    precision: values.precision,
    perplexity,
    reference: wanted,
    differencePercent: ids.length === reference.perplexity.context_tokens
      ? (perplexity / wanted - 1) * 100
      : undefined,
    greedyAgreement: `${agreeing} of ${tokens} tokens, ${whole} of ${reference.prompts.length} answers whole`,
  }));
}
