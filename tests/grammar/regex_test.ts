/**
 * Regular expressions against the host's: the same texts match, searched and whole, in UTF-8 and between quotes.
 */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { RemoraError } from "../../mod.ts";
import { JsonText } from "../../src/grammar/json/text.ts";
import { compileRegex } from "../../src/grammar/regex.ts";
import { TermStore } from "../../src/grammar/terms.ts";
import { Random } from "../../src/sampling/random.ts";

const EXPRESSIONS = [
  "abc",
  "a|b|",
  "^a|b$",
  "^(a|bc)*$",
  "(^a|b)c",
  "[a-c]+[^a-c]?",
  "a{2,3}b{0}c{1,}",
  "\\d+\\.\\d*",
  "\\w\\W\\s\\S",
  "^.$",
  ".",
  "[\\]\\-\\\\]",
  "\\u00e9|\\x41|\\u{1f600}",
  "[^\\d\\s]",
  "\\p{Lu}\\p{Ll}+",
  "(?:ab?)+?c*",
  "(?<year>\\d{4})-\\d\\d",
  "[é-ü€😀]",
  "^$",
  "",
  "[\\b\\n\\t\\0]",
  "\\/\\.\\*\\$",
];
const ALPHABET = [
  "a",
  "b",
  "c",
  "A",
  "1",
  "0",
  " ",
  "\n",
  "\t",
  "\b",
  "\0",
  "é",
  "ü",
  "€",
  "😀",
  "-",
  "]",
  "\\",
  '"',
  ".",
  "/",
  "*",
  "$",
  "\u2028",
  "\u007f",
];

function* textsFrom(random: Random, count: number): Generator<string> {
  const pick = (from: readonly string[]) => from[Math.floor(random.nextFloat() * from.length)];
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: Math.floor(random.nextFloat() * 6) }, () => pick(ALPHABET)).join("");
  }
  yield* ["abc", "aab", "aaabc", "2024-10", "1.5", "Éa", "Aé", "bc", "ac", "abcabc"];
}

Deno.test("expressions match what the host's match", () => {
  const random = Random.fromSeed(1);
  for (const source of EXPRESSIONS) {
    const store = new TermStore();
    const json = new JsonText(store);
    const searched = compileRegex(store, source, { search: true });
    const whole = compileRegex(store, source);
    const quoted = compileRegex(store, source, { search: true, write: (set) => json.character(set) });
    const host = new RegExp(source, "u"), hostWhole = new RegExp(`^(?:${source})$`, "u");
    for (const text of textsFrom(random, 400)) {
      const about = `/${source}/ on ${JSON.stringify(text)}`;
      equal(store.matches(searched, text), host.test(text), about);
      equal(store.matches(whole, text), hostWhole.test(text), `${about}, whole`);
      equal(store.matches(quoted, JSON.stringify(text).slice(1, -1)), host.test(text), `${about}, quoted`);
    }
  }
});

Deno.test("what JavaScript takes without the flag u, and others take too, is taken in the same sense", () => {
  const random = Random.fromSeed(2);
  const sources = [
    "\\d{3}\\-\\d{2}",
    "[\\w-\\.]+@([\\w-]+\\.)+[\\w-]{2,4}",
    "^\\#\\_\\@\\:\\ \\\"\\'\\<\\=\\,\\;\\!\\%\\&\\~\\`$",
    "[a\\_\\#\\-c]+",
    "[-\\d]|[\\d-]|[a-\\d]|[\\s-a]",
    "^{[a-c]+}$",
    "a{|b}|c{x}|]",
    "(\\[[^\\]]+]|a)",
    "a{1}{|\\{}",
    "[{}()*+?.|^$]",
  ];
  for (const source of sources) {
    const store = new TermStore();
    const searched = compileRegex(store, source, { search: true }), host = new RegExp(source);
    const matching = [
      "123-45",
      "a-b.c@d-e.fr",
      "#_@: \"'<=,;!%&~`",
      "a_#-c",
      "{abc}",
      "a{",
      "b}",
      "c{x}",
      "]",
      "[a]",
      "a{",
    ];
    for (const text of [...textsFrom(random, 300), ...matching]) {
      // Without the flag a character beyond the first plane is two.
      if (/[^\0-\uffff]/u.test(text)) continue;
      equal(store.matches(searched, text), host.test(text), `/${source}/ on ${JSON.stringify(text)}`);
    }
  }
  const store = new TermStore();
  equal(store.matches(compileRegex(store, "(?P<year>\\d{4})-\\d\\d"), "2024-10"), true);
});

Deno.test("what means one thing here and another elsewhere is refused, not guessed", () => {
  for (const source of ["[]a]", "[[:alpha:]]+", "a{,3}", "\\Aa\\z", "a++", "(?i)a", "(?>a)", "\\h", "\\e"]) {
    throws(() => compileRegex(new TermStore(), source), RemoraError, source);
  }
});

Deno.test("what is no regular language is refused by name, and what is no expression", () => {
  const refusal = (source: string) => {
    try {
      compileRegex(new TermStore(), source);
      return undefined;
    } catch (error) {
      return error instanceof RemoraError ? error.code : `${error}`;
    }
  };
  deepEqual(
    ["(?=a)b", "(?!a)b", "(?<=a)b", "(a)\\1", "\\ba", "a^b", "(a$)*"].map(refusal),
    Array(7).fill("UNSUPPORTED"),
  );
  deepEqual(["(", "a{2,1}", "[b-a]", "*"].map(refusal), Array(4).fill("BAD_ARGUMENT"));
  throws(() => compileRegex(new TermStore(), "a".repeat(5_001)), /at most 5000 characters/);
});

Deno.test("long expressions compile soon or are refused, never overflow", () => {
  const cases: [source: string, isTaken: boolean][] = [
    ["\\p{L}".repeat(1_000), true],
    ["[^a]".repeat(1_250), true],
    ["a?".repeat(2_500), true],
    ["a".repeat(5_001), false],
    ["(".repeat(1_000) + ")".repeat(1_000), false],
  ];
  for (const [source, isTaken] of cases) {
    const begin = performance.now();
    const store = new TermStore();
    const compile = () => store.matches(compileRegex(store, source), "a");
    if (isTaken) compile();
    else throws(compile, { code: "UNSUPPORTED" });
    const time = performance.now() - begin;
    // Far more than it takes on a busy machine.
    ok(time < 3_000, `${source.slice(0, 10)}: ${time} ms`);
  }
});
