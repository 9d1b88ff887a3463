/**
 * What guessing by prompt lookup is worth: the same answers with and without it, in turn. Answers are compared, too.
 *
 *   deno task bench:prompt-lookup MODEL [--threads 2] [--guesses 10] [--rounds 5]
 *
 * @module
 */
import { markdownTable } from "../cli/figures.ts";
import { processorName } from "../cli/processor.ts";
import { summarise } from "../cli/speed.ts";
import { loadModel, type Model } from "../mod.ts";
import { readCommand, refuseLack } from "./command.ts";

const CODE = `function total(items) {
  let sum = 0;
  for (const item of items) {
    sum += item.price * item.count;
  }
  return sum;
}

function describe(items) {
  const lines = [];
  for (const item of items) {
    lines.push(item.name + ": " + item.count + " at " + item.price);
  }
  return lines.join(", ");
}`;

const TEXT =
  `The remora, also called suckerfish, is a fish that grows to between 30 and 110 centimetres. Its front \
dorsal fin has become a sucker of flat slats that open and close to create suction. With it the remora takes hold of \
larger sea animals: sharks, rays, turtles, whales. By sliding backward it can increase the suction, and it lets go by \
swimming forward. Remoras sometimes attach themselves to small boats, and have been seen to attach themselves to divers \
as well. They swim well on their own, with a sinuous motion. The host gains little; the remora gains transport, \
protection and scraps of food. Some fishermen use remoras to catch turtles: a line is tied to the remora's tail, and \
when a turtle is sighted the fish is let go from the boat; it usually heads straight for the turtle.`;

const PROMPTS = {
  summary: `Summarise this text in three sentences:\n\n${TEXT}`,
  "code edit": `Repeat this code and add a comment above each function:\n\n${CODE}`,
  "no repetition": "Write a story about a lighthouse keeper.",
};

const TOKENS = 200;

/** An answer, its tokens per second and per step of the model, those of the prompt not counted. */
async function time(model: Model, content: string, temperature: number, promptLookup: number) {
  using sequence = model.createSequence();
  const forward = sequence.forward.bind(sequence);
  let steps = 0;
  sequence.forward = (ids, options) => {
    steps++;
    return forward(ids, options);
  };
  const request = {
    messages: [{ role: "user" as const, content }],
    maxTokens: TOKENS,
    seed: 1,
    temperature,
    promptLookup,
    sequence,
  };
  let begin = 0, end = 0, text = "", tokens = 0;
  for await (const chunk of model.generate(request)) {
    end = performance.now();
    begin ||= end;
    text += chunk.text;
    tokens++;
  }
  return { text, speed: (tokens - 1) / (end - begin) * 1000, tokensPerStep: (tokens - 1) / (steps - 1) };
}

if (import.meta.main) {
  const { values, positionals } = readCommand({
    usage: "deno task bench:prompt-lookup MODEL",
    purpose: "The same answers with and without guessing by prompt lookup, in turn.",
    arguments: 1,
    options: {
      threads: { value: "N", help: "threads of remora", default: "2" },
      guesses: { value: "N", help: "tokens guessed at once", default: "10" },
      rounds: { value: "N", help: "rounds, each with every contestant", default: "5" },
    },
  });
  if (positionals.length === 0) refuseLack("MODEL");
  const guesses = Number(values.guesses);
  await using model = await loadModel(positionals[0], { threads: Number(values.threads) });
  const rows = [[
    "prompt",
    "temperature",
    "tokens a step",
    "without",
    `with ${guesses}`,
    "ratios of the rounds",
    "median",
  ]];
  for (const [name, content] of Object.entries(PROMPTS)) {
    for (const temperature of [0, 0.7]) {
      await time(model, content, temperature, 0);
      const without: number[] = [], withGuesses: number[] = [];
      let perStep = 1;
      for (let round = 0; round < Number(values.rounds); round++) {
        const texts = new Set<string>();
        // The order alternates, so that a machine that becomes slower favours neither.
        for (const promptLookup of round % 2 === 0 ? [0, guesses] : [guesses, 0]) {
          const { text, speed, tokensPerStep } = await time(model, content, temperature, promptLookup);
          texts.add(text);
          perStep = Math.max(perStep, tokensPerStep);
          (promptLookup === 0 ? without : withGuesses).push(speed);
        }
        if (texts.size > 1) throw new Error(`${name}: the answers differ`);
      }
      const ratios = withGuesses.map((speed, round) => speed / without[round]);
      rows.push([
        name,
        `${temperature}`,
        perStep.toFixed(2),
        summarise(without).median.toFixed(1),
        summarise(withGuesses).median.toFixed(1),
        ratios.map((ratio) => ratio.toFixed(2)).join(" "),
        summarise(ratios).median.toFixed(2),
      ]);
    }
  }
  const { threads, kernels } = model.engine;
  console.log(
    `${processorName()}; ${threads} threads, ${kernels} kernels; tokens per second of ${TOKENS} tokens\n`,
  );
  console.log(markdownTable(rows, [1, 2, 3, 4, 6]));
}
