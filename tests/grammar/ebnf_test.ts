/**
 * The small EBNF: what belongs to a grammar, and what is refused.
 */
import { equal, throws } from "node:assert/strict";
import { RemoraError } from "../../mod.ts";
import { compileEbnf } from "../../src/grammar/ebnf.ts";
import { TermStore } from "../../src/grammar/terms.ts";

const CASES: [grammar: string, good: string[], bad: string[]][] = [
  ['root ::= "yes" | "no"', ["yes", "no"], ["", "maybe", "yesno"]],
  ['root ::= ("a" | "b"){2,3} [0-9]+ "."?', ["ab1", "aab12."], ["a1", "aaaa1", "ab"]],
  [
    `# sums
     root ::= term (" + " term)*   # a comment
     term ::= [0-9]+ | "(" root ")"`,
    ["1", "1 + 2", "(1 + 23) + 4", "((5))"],
    ["1 +", "(1", "1 + 2)", "+"],
  ],
  ['root ::= "\\n\\"\\u00e9" . empty\nempty ::= ""', ['\n"éx', '\n"é😀'], ['\n"é', "x"]],
  ["root ::= [^a-c\\n]{3}", ["xyz", "é€1"], ["abc", "xy", "x\ny"]],
  // As llama.cpp's own grammars are written.
  [
    String.raw`root ::= "\"" char{1,3} "\"" ws
char ::= [^\"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})
ws ::= | " " | "\n" [ \t]{0,20}`,
    ['"a"', '"\\n\\u00e9é" ', '"abc"\n\t'],
    ['""', '"abcd"', '"\n"', '"\\x"', '"a"  '],
  ],
  [String.raw`root ::= [\U0001F600-\U0001F64F\u3041-\u309f]+`, ["😀ひ"], ["a", ""]],
  [String.raw`root ::= "\[" [\[\]\-] "\]"`, ["[[]", "[-]", "[]]"], ["[a]"]],
  ['root ::= 1st{,2} -x\n1st ::= "a"\n-x ::= "b"', ["b", "ab", "aab"], ["aaab", "a"]],
];

Deno.test("texts belong to a grammar or do not", () => {
  for (const [grammar, good, bad] of CASES) {
    const store = new TermStore();
    const term = compileEbnf(store, grammar);
    for (const text of good) equal(store.matches(term, text), true, `${grammar}: ${text}`);
    for (const text of bad) equal(store.matches(term, text), false, `${grammar}: ${text}`);
  }
});

Deno.test("left recursion, missing rules and what does not parse are refused", () => {
  const refused = (grammar: string, code: string) =>
    throws(
      () => compileEbnf(new TermStore(), grammar),
      (error) => error instanceof RemoraError && error.code === code,
      grammar,
    );
  refused('root ::= root "a" | "b"', "UNSUPPORTED");
  refused('root ::= a\na ::= b? c\nb ::= "x"\nc ::= a "y"', "UNSUPPORTED");
  for (
    const bad of [
      'root ::= "a',
      "root ::= other",
      "root := a",
      "",
      'a ::= "b"',
      'root ::= ("a"',
      'root ::= "a"{3,2}',
      'root ::= "\\q"',
    ]
  ) {
    refused(bad, "BAD_ARGUMENT");
  }
});

Deno.test("a rule that never ends is no way to go on", () => {
  const store = new TermStore();
  const term = compileEbnf(store, 'root ::= "a" endless | "b"\nendless ::= "x" endless');
  equal(store.after(term, new TextEncoder().encode("a")).kind, "nothing");
  equal(store.matches(term, "b"), true);
});
