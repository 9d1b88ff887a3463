/**
 * Masks against those of `llguidance` (PyPI) on SmolLM2's tokenizer: fifty schemas, every position of five answers each. `PEERS_PYTHON`
 * names a Python that has it; without it, or without the tokenizer in ../shared, the test is skipped.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { compileJsonSchema } from "../../src/grammar/json/json_schema.ts";
import { Grammar } from "../../src/grammar/grammar.ts";
import { TermStore } from "../../src/grammar/terms.ts";
import { TokenTries } from "../../src/grammar/token_tries.ts";
import { Random } from "../../src/sampling/random.ts";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { hasShared, sharedPath } from "../shared.ts";
import { MASK_SCHEMAS, valueOf } from "./mask_schemas.ts";

const PYTHON = Deno.env.get("PEERS_PYTHON");
const TOKENIZER = "models/SmolLM2-135M-Instruct-GPTQ-Int4/tokenizer.json";
const ANSWERS = 5;

/** One token that one engine allows and the other does not. */
interface Difference {
  isOurs: boolean;
  text: string;
  /** The answer so far. */
  before: string;
  /** What the other engine allows is one token alone: it writes text that is forced as its tokenizer does. */
  isForced: boolean;
}

/** Why the two may differ in a token; the whole list. */
const POLICIES: Readonly<Record<string, (difference: Difference) => boolean>> = {
  "text that can only be one is one token there": ({ isOurs, isForced }) => isOurs && isForced,
  "at most 40 white-space characters in a row here": ({ isOurs, text }) => !isOurs && /\s{38}/.test(text),
  "any character may be written as \\u and four digits, and / as \\/, here": ({ isOurs, text, before }) =>
    isOurs && /\\(u|\/)/.test(before.slice(-5) + text),
  "U+007F is a character of strings here, as in RFC 8259": ({ isOurs, text }) =>
    isOurs && text.includes("\x7f"),
};

Deno.test({
  name: `masks are llguidance's${PYTHON && hasShared ? "" : " (needs PEERS_PYTHON and ../shared)"}`,
  ignore: PYTHON === undefined || !hasShared,
  async fn() {
    const path = sharedPath(TOKENIZER);
    const tokenizer = Tokenizer.parse(Deno.readFileSync(path));
    const random = Random.fromSeed(20);
    const cases = MASK_SCHEMAS.map((schema) => ({
      schema,
      answers: Array.from(
        { length: ANSWERS },
        () => tokenizer.encode(JSON.stringify(valueOf(schema, random))),
      ),
    }));
    equal(cases.length, 50);
    const child = new Deno.Command(PYTHON!, {
      args: [new URL("llguidance_masks.py", import.meta.url).pathname],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify({ tokenizer: path, cases })));
    await writer.close();
    const { stdout } = await child.output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
    equal(lines.length, cases.length * ANSWERS);
    const words = new TokenTries(tokenizer);
    const differences: string[] = [];
    const counts = new Map<string, number>();
    const times: number[] = [], theirs: number[] = [];
    for (const line of lines) {
      equal(line.error, undefined);
      const { schema, answers } = cases[line.case];
      const store = new TermStore(words.alphabet);
      const state = new Grammar(store, compileJsonSchema(store, schema), words).begin();
      const ids = answers[line.answer];
      equal(line.masks.length, ids.length + 1, JSON.stringify([schema, tokenizer.decode(ids)]));
      theirs.push(...line.milliseconds);
      for (const [at, packed] of line.masks.entries()) {
        const begin = performance.now();
        const ours = state.mask();
        times.push(performance.now() - begin);
        const other = new Uint32Array(Uint8Array.fromBase64(packed).buffer, 0, ours.length);
        const isForced = other.reduce((sum, word) => sum + bitsOf(word), 0) === 1;
        for (let id = 0; id < tokenizer.vocabSize; id++) {
          const isOurs = (ours[id >> 5] >>> (id & 31) & 1) === 1,
            isTheirs = (other[id >> 5] >>> (id & 31) & 1) === 1;
          if (isOurs === isTheirs || tokenizer.isSpecial(id)) continue;
          const before = tokenizer.decode(ids.slice(0, at));
          const difference = { isOurs, text: tokenizer.tokenText(id), before, isForced };
          const policy = Object.keys(POLICIES).find((name) => POLICIES[name](difference));
          if (policy) counts.set(policy, (counts.get(policy) ?? 0) + 1);
          else {
            differences.push(
              `${isOurs ? "only ours" : "only theirs"}: ${
                JSON.stringify(difference.text)
              } after ${before} in ${line.case}`,
            );
          }
        }
        if (at < ids.length) {
          ok(state.push(ids[at]), `${JSON.stringify(schema)} ${tokenizer.decode(ids)} at ${at}`);
        }
      }
      ok(state.mayEnd);
    }
    const mean = (values: number[]) =>
      (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3);
    console.log(
      `${times.length} masks: mean ${mean(times)} ms, worst ${Math.max(...times).toFixed(2)} ms; llguidance ${
        mean(theirs)
      } and ${Math.max(...theirs).toFixed(2)} ms`,
    );
    for (const [policy, count] of counts) console.log(`${count} tokens differ: ${policy}`);
    deepEqual(differences.slice(0, 40), []);
  },
});

function bitsOf(word: number): number {
  let bits = 0;
  for (let rest = word >>> 0; rest > 0; rest = (rest & (rest - 1)) >>> 0) bits++;
  return bits;
}
