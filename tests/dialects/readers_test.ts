/**
 * Answers as families of models write them, read whole and cut anywhere. The texts are those of the models' own documentation and
 * templates.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { compileAnswer } from "../../src/dialects/answer_grammar.ts";
import type { AnswerPart, AnswerReader } from "../../src/dialects/answer_parts.ts";
import { PlainReader } from "../../src/dialects/free_text.ts";
import { reasoningMarks, ReasoningReader, reasoningState } from "../../src/dialects/reasoning.ts";
import { TOOL_FORMATS, toolFormatNamed, toolFormatOf } from "../../src/dialects/registry.ts";
import { TermStore } from "../../src/grammar/terms.ts";

const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city"],
  additionalProperties: false,
};
const TOOLS = [{ name: "get_weather", parameters: PARAMETERS }];

/** What was read: text, thinking, and calls with their arguments as values. */
function collected(parts: readonly AnswerPart[]) {
  const calls: { name: string; text: string }[] = [];
  let text = "", reasoning = "";
  for (const part of parts) {
    if (part.type === "text") text += part.text;
    else if (part.type === "reasoning") reasoning += part.text;
    else if (part.type === "call") calls.push({ name: part.name, text: "" });
    else calls.at(-1)!.text += part.text;
  }
  return { text, reasoning, calls: calls.map(({ name, text }) => [name, JSON.parse(text)]) };
}

/** Reads a text whole, character by character, and cut in two at every place; all must say the same. */
function read(make: () => AnswerReader, text: string) {
  const inPieces = (pieces: string[]) => {
    const reader = make();
    return collected([...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]);
  };
  const whole = inPieces([text]);
  deepEqual(inPieces([...text]), whole);
  for (let cut = 1; cut < text.length; cut++) {
    deepEqual(inPieces([text.slice(0, cut), text.slice(cut)]), whole);
  }
  return whole;
}

const PARIS = ["get_weather", { city: "Paris" }];
const TOKYO = ["get_weather", { city: '東京 {"}', days: 3 }];
const tokyo = '{"city": "東京 {\\"}", "days": 3}';

const CALLS: [format: string, text: string, before: string, calls: unknown[]][] = [
  ["hermes", '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>', "", [
    PARIS,
  ]],
  [
    "hermes",
    `I look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n<tool_call>\n{"name": "get_weather", "arguments": ${tokyo}}\n</tool_call>`,
    "I look.\n",
    [PARIS, TOKYO],
  ],
  ["hermes", `<tool_call>{"arguments": ${tokyo}, "name": "get_weather"}</tool_call>`, "", [TOKYO]],
  ["llama3_json", '{"name": "get_weather", "parameters": {"city": "Paris"}}', "", [PARIS]],
  [
    "llama3_json",
    `{"name": "get_weather", "parameters": {"city": "Paris"}}; {"name": "get_weather", "parameters": ${tokyo}}`,
    "",
    [PARIS, TOKYO],
  ],
  ["mistral", `[TOOL_CALLS][{"name": "get_weather", "arguments": ${tokyo}}]`, "", [TOKYO]],
  [
    "mistral",
    '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}}, {"name": "get_weather", "arguments": {}}]',
    "",
    [PARIS, ["get_weather", {}]],
  ],
  ["phi4_mini_json", `functools[{"name": "get_weather", "arguments": ${tokyo}}]`, "", [TOKYO]],
  [
    "phi4_mini_json",
    '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}]<|/tool_call|>',
    "",
    [PARIS],
  ],
  [
    "qwen3_xml",
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
    "",
    [["get_weather", { city: "Paris", days: 3 }]],
  ],
  [
    "qwen3_xml",
    "So:\n<tool_call>\n<function=get_weather>\n<parameter=city>\n42\n</parameter>\n</function>\n</tool_call>",
    "So:",
    [["get_weather", { city: "42" }]],
  ],
  [
    "functiongemma",
    "<start_function_call>call:get_weather{city:<escape>Paris, France<escape>,days:3}<end_function_call>",
    "",
    [["get_weather", { city: "Paris, France", days: 3 }]],
  ],
];

for (const [format, text, before, calls] of CALLS) {
  Deno.test(`${format}: calls are read from ${JSON.stringify(text.slice(0, 40))}…`, () => {
    const found = read(() => toolFormatNamed(format).reader(TOOLS), text);
    deepEqual(found.calls, calls);
    equal(found.text.trimEnd(), before.trimEnd());
  });
}

Deno.test("text without calls stays text, also where it looks like the beginning of one", () => {
  const texts = [
    "Hello, <world>.",
    "a < b",
    "<tool",
    "{",
    '{"a": 1}',
    "[TOOL",
    "functools are fine",
    "<start_of",
    "1 {x}",
  ];
  for (const { name, reader } of TOOL_FORMATS) {
    for (const text of texts) {
      if (name === "llama3_json" && text === "{") continue;
      const found = read(() => reader(TOOLS), text);
      deepEqual([found.text, found.calls], [text, []], `${name}: ${text}`);
    }
  }
});

Deno.test("what a format's grammar writes, its reader reads", () => {
  const samples: Record<string, string> = Object.fromEntries(
    CALLS.map(([format, text]) => [format, text]).reverse(),
  );
  for (const format of TOOL_FORMATS) {
    const tools = TOOLS.map((tool) => ({ type: "function" as const, function: { ...tool, strict: true } }));
    for (const choice of ["required", "auto", { name: "get_weather" }] as const) {
      const store = new TermStore();
      const rules = { constraint: {}, tools: { tools, choice, isParallel: true, format } };
      const term = compileAnswer(store, rules, { idOf: () => undefined } as never);
      // Formats differ from their documentation in white space at most.
      const text = samples[format.name].replace("[TOOL_CALLS] [", "[TOOL_CALLS][");
      equal(store.matches(term, text), true, `${format.name}: ${text}`);
      equal(store.matches(term, "Hello."), choice === "auto", format.name);
      equal(
        store.matches(
          term,
          text.replace("Paris", "\u0007").replace('"city"', '"town"').replace("=city", "=town").replace(
            "{city",
            "{town",
          ),
        ),
        false,
      );
    }
  }
});

Deno.test("a template says which format its family has", () => {
  equal(toolFormatOf('<tool_call>{"name":').name, "hermes");
  equal(toolFormatOf("<tool_call>\n<function=").name, "qwen3_xml");
  equal(toolFormatOf("[TOOL_CALLS]").name, "mistral");
  equal(toolFormatOf('ipython … {"name": function name, "parameters": dictionary}').name, "llama3_json");
  equal(toolFormatOf("<|tool|>").name, "phi4_mini_json");
  equal(toolFormatOf("<start_function_call>").name, "functiongemma");
});

Deno.test("thinking is told from the answer, wherever the template begins it", () => {
  const marks = reasoningMarks("… <think> … </think> …")!;
  ok(marks);
  const cases: [state: "before" | "inside" | "after", text: string, reasoning: string, answer: string][] = [
    ["before", "<think>\nLet me see.\n</think>\n\nYes.", "Let me see.", "Yes."],
    ["before", "Yes.", "", "Yes."],
    ["before", "<thinking is hard>", "", "<thinking is hard>"],
    ["inside", "Hm.\n</think>\n\nNo <think> here.", "Hm.", "No <think> here."],
    ["inside", "never done", "never done", ""],
    ["after", "Just text.", "", "Just text."],
  ];
  for (const [state, text, reasoning, answer] of cases) {
    const found = read(() => new ReasoningReader(marks, state, new PlainReader()), text);
    deepEqual([found.reasoning.trim(), found.text], [reasoning, answer], text);
  }
  equal(reasoningState(marks, "assistant\n<think>\n"), "inside");
  equal(reasoningState(marks, "assistant\n<think>\n\n</think>\n\n"), "after");
  equal(reasoningState(marks, "<think>x</think> y\nassistant\n"), "before");
});

Deno.test("thinking may precede an answer under a constraint", () => {
  const store = new TermStore();
  const marks = reasoningMarks("<think></think>")!;
  const term = compileAnswer(store, {
    constraint: { choice: ["yes", "no"] },
    reasoning: { marks, state: "before" },
  }, undefined!);
  for (const text of ["yes", "<think>\nmaybe yes\n</think>\n\nno"]) ok(store.matches(term, text), text);
  for (const text of ["maybe", "<think>yes", "<think></think>maybe"]) {
    equal(store.matches(term, text), false, text);
  }
});
