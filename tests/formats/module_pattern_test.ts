import { ok, strictEqual, throws } from "node:assert/strict";
import { compileModulePattern } from "../../src/formats/module_pattern.ts";

/** Pattern, texts that match from their start, texts that do not: by the rules of Python's `re.match`. */
const CASES: [string, string[], string[]][] = [
  ["", ["", "a"], []],
  ["model", ["model", "model.x"], ["a.model", "mode"]],
  [".*\\.0\\.mlp\\.(gate|up)_proj", ["x.0.mlp.gate_proj", "x.0.mlp.up_proj.y"], [
    "x.0.mlp.down_proj",
    "x_0.mlp.up_proj",
  ]],
  [".*\\.1\\.self_attn\\.[qk]_proj$", ["m.1.self_attn.q_proj"], [
    "m.1.self_attn.q_proj2",
    "m.1.self_attn.v_proj",
  ]],
  [".", ["a", "é", "😀x"], ["", "\n"]],
  ["a|bc|", ["a", "bc", ""], []],
  ["(a|b)$", ["a", "b"], ["ab", ""]],
  ["(?:ab)+$", ["ab", "abab"], ["", "aba"]],
  ["(?P<layer>\\d+)\\.x$", ["12.x"], [".x", "a.x"]],
  ["a{2}$", ["aa"], ["a", "aaa"]],
  ["a{2,}$", ["aa", "aaaa"], ["a"]],
  ["a{,2}$", ["", "a", "aa"], ["aaa"]],
  ["a{1,3}b$", ["ab", "aaab"], ["b", "aaaab"]],
  ["a{0}b$", ["b"], ["ab"]],
  ["a{}$", ["a{}"], ["a"]],
  ["a{x}$", ["a{x}"], ["a"]],
  ["a*?b$", ["b", "aab"], ["aa"]],
  ["a??b$", ["b", "ab"], ["aab"]],
  ["[a-c]+$", ["abc"], ["abd"]],
  ["[^a-c]$", ["d", "\n"], ["a"]],
  ["[]a]$", ["]", "a"], ["b"]],
  ["[^]a]$", ["b"], ["]", "a"]],
  ["[a-]$", ["a", "-"], ["b"]],
  ["[\\w.]+$", ["a_1.b"], ["a-b"]],
  ["[\\]\\\\]$", ["]", "\\"], ["a"]],
  ["\\w\\d\\s$", ["a1 ", "_2\t"], ["-1 "]],
  ["\\W\\D\\S$", ["-a-"], ["a1 "]],
  ["\\Aa\\Z", ["a"], ["a\n", "ab"]],
  ["^a$", ["a", "a\n"], ["ab", "ba"]],
  ["a\\b.", ["a.", "a b"], ["ab"]],
  ["a\\Bb", ["ab"], []],
  ["a\\.b", ["a.b"], ["axb"]],
  ["(^|x)a", ["a", "xa"], ["ya"]],
  ["(a*)*b$", ["b", "aab"], ["a"]],
  ["(a|aa)+$", ["a", "aaaaa"], ["", "ab"]],
  ["(\\$)+$", ["$$"], ["a"]],
];

Deno.test("compileModulePattern() matches as Python's re.match does", () => {
  for (const [pattern, matching, others] of CASES) {
    const { matches } = compileModulePattern(pattern);
    for (const text of matching) ok(matches(text), `${pattern} matches ${JSON.stringify(text)}`);
    for (const text of others) ok(!matches(text), `${pattern} does not match ${JSON.stringify(text)}`);
  }
});

Deno.test("compileModulePattern() agrees with the host's engine on 3,000 drawn patterns", () => {
  let state = 7;
  const draw = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
  const part = (depth: number): string => {
    const choices = ["a", "b", ".", "[ab]", "[^a]", "^", "$"];
    if (depth === 0 || draw(3) === 0) return choices[draw(choices.length)];
    const inner = `(?:${part(depth - 1)}${part(depth - 1)})`;
    return [
      inner,
      `${inner}*`,
      `${inner}+`,
      `${inner}?`,
      `${inner}{1,2}`,
      `(${part(depth - 1)}|${part(depth - 1)})`,
    ][draw(6)];
  };
  let matched = 0;
  for (let round = 0; round < 3000; round++) {
    const pattern = part(3);
    const text = Array.from({ length: draw(6) }, () => "abc"[draw(3)]).join("");
    const anywhere = draw(2) === 0;
    const expected = new RegExp(anywhere ? pattern : `^(?:${pattern})`).test(text);
    const actual = compileModulePattern(pattern, { anywhere }).matches(text);
    strictEqual(actual, expected, `round ${round}: ${pattern} on "${text}", anywhere ${anywhere}`);
    if (actual) matched++;
  }
  ok(matched > 500 && matched < 2900, `both outcomes occur: ${matched}`);
});

Deno.test("compileModulePattern() finds a pattern anywhere when told to", () => {
  const { matches } = compileModulePattern("layers\\.[01]\\.", { anywhere: true });
  ok(matches("model.layers.1.mlp"));
  ok(!matches("model.layers.2.mlp"));
});

Deno.test("compileModulePattern() does not backtrack", () => {
  const start = performance.now();
  for (const pattern of ["(([a-z_.0-9]+)+)+\\$never", "(a|a)*b", "(a*)*(a*)*(a*)*b", "(.*.*.*.*.*)*x"]) {
    strictEqual(compileModulePattern(pattern).matches("a".repeat(200)), false);
  }
  ok(performance.now() - start < 1000);
});

Deno.test("compileModulePattern() refuses what it would have to guess", () => {
  const refused = [
    "(?i)a",
    "(?!a)b",
    "(?=a)",
    "(?<=a)b",
    "(a)\\1",
    "(?P<n>a)(?P=n)",
    "a++",
    "a**",
    "*a",
    "+",
    "?",
    "(*)",
    "(a",
    "a)",
    "[a",
    "[b-a]",
    "[\\w-z]",
    "a\\",
    "\\x41",
    "\\u0041",
    "\\07",
    "\\q",
    "^*",
    "a{3,2}",
    "(?#c)",
    "a{2}{3}",
    "x".repeat(1001),
    "a{99999}",
    "((a{999}){999}){999}",
    "((){9999}){9999}",
    "((a{0}){9999}){9999}",
  ];
  const start = performance.now();
  for (const pattern of refused) {
    throws(() => compileModulePattern(pattern), SyntaxError, pattern);
  }
  ok(performance.now() - start < 2000);
});
