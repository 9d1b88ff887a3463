/**
 * Gemma: `<start_function_call>call:name{key:<escape>text<escape>,other:1}<end_function_call>`.
 *
 * @module
 */
import { EVERY_CHARACTER, utf8 } from "../../grammar/characters.ts";
import type { Term } from "../../grammar/terms.ts";
import type { AnswerPart } from "../answer_parts.ts";
import { jsonOrText, MarkedCallReader } from "../marked_calls.ts";
import type { CallWriter, ToolFormat, ToolGrammar } from "../tool_format.ts";

const BEGIN = "<start_function_call>", END = "<end_function_call>", ESCAPE = "<escape>";

export const functionGemma: ToolFormat = {
  name: "functiongemma",
  isFor: (template) => template.includes(BEGIN),
  begin: BEGIN,
  keepsSpecialTokens: true,
  grammar(writer, tools, isParallel) {
    const { json: { store }, mark } = writer;
    const call = store.sequence(
      mark(BEGIN),
      store.either(tools.map((tool) => callTerm(writer, tool))),
      mark(END),
    );
    return store.sequence(call, store.repeat(call, 0, isParallel ? Infinity : 0));
  },
  reader: () => new MarkedCallReader({ begin: BEGIN, end: END }, readCall),
};

function callTerm({ json: { store }, mark }: CallWriter, tool: ToolGrammar): Term {
  const { properties = {}, required = [] } = (tool.parameters ?? {}) as {
    properties?: Record<string, { type?: unknown; enum?: unknown }>;
    required?: unknown[];
  };
  const any = store.repeat(utf8(store, EVERY_CHARACTER));
  const text = store.both(any, store.not(store.sequence(any, store.text(ESCAPE), any)));
  /** What may stand from an entry on, at the beginning and after another entry. */
  let first = store.empty, more = store.empty;
  for (const [name, schema] of Object.entries(properties).toReversed()) {
    const options = Array.isArray(schema?.enum) ? schema.enum.filter((one) => typeof one === "string") : [];
    const content = options.length > 0 ? store.either(options.map((one) => store.text(one))) : text;
    const value = schema?.type === "string"
      ? store.sequence(mark(ESCAPE), content, mark(ESCAPE))
      : tool.valueOf(schema);
    const entry = store.sequence(store.text(`${name}:`), value, more);
    const isRequired = required.includes(name);
    first = isRequired ? entry : store.either([entry, first]);
    const next = store.sequence(store.text(","), entry);
    more = isRequired ? next : store.either([next, more]);
  }
  return store.sequence(store.text(`call:${tool.name}{`), first, store.text("}"));
}

function readCall(text: string): AnswerPart[] | undefined {
  const [, name, inside] = /^\s*call:([^{\s]+)\{([^]*)\}\s*$/.exec(text) ?? [];
  if (name === undefined) return undefined;
  const entries = [
    ...inside.matchAll(/([^:,]+):(?:<escape>([^]*?)<escape>|([^,]*(?:\[[^\]]*\]|\{[^}]*\})?))(?:,|$)/g),
  ];
  const value = Object.fromEntries(
    entries.map(([, key, text, bare]) => [key.trim(), text ?? jsonOrText(bare)]),
  );
  return [{ type: "call", name }, { type: "arguments", text: JSON.stringify(value) }];
}
