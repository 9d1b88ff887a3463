/**
 * Qwen3-Coder: `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>` in lines.
 *
 * A parameter that the schema calls a string stands as it is; every other one is JSON.
 *
 * @module
 */
import type { Term } from "../../grammar/terms.ts";
import type { AnswerPart } from "../answer_parts.ts";
import { textWithout } from "../free_text.ts";
import { jsonOrText, MarkedCallReader } from "../marked_calls.ts";
import type { CallWriter, ToolFormat, ToolGrammar, ToolParameters } from "../tool_format.ts";

const BEGIN = "<tool_call>", END = "</tool_call>";
const PARAMETER_END = "</parameter>";

export const qwen3Xml: ToolFormat = {
  name: "qwen3_xml",
  isFor: (template) => template.includes(BEGIN) && template.includes("<function="),
  begin: BEGIN,
  grammar(writer, tools, isParallel) {
    const { json: { store }, mark } = writer;
    const call = store.sequence(
      mark(BEGIN),
      store.text("\n"),
      store.either(tools.map((tool) => functionTerm(writer, tool))),
      store.text("\n"),
      mark(END),
    );
    return store.sequence(
      call,
      store.repeat(store.sequence(store.text("\n"), call), 0, isParallel ? Infinity : 0),
    );
  },
  reader: (tools) => new MarkedCallReader({ begin: BEGIN, end: END }, (text) => readCall(text, tools)),
};

/** Properties of a schema of parameters, and which must be there. */
function propertiesOf(parameters: unknown): { properties: [string, unknown][]; required: unknown[] } {
  const schema = typeof parameters === "object" && parameters !== null
    ? parameters as Record<string, unknown>
    : {};
  const { properties, required } = schema;
  return {
    properties: typeof properties === "object" && properties !== null ? Object.entries(properties) : [],
    required: Array.isArray(required) ? required : [],
  };
}

function isText(schema: unknown): boolean {
  return typeof schema === "object" && schema !== null && (schema as { type?: unknown }).type === "string" &&
    !("enum" in schema) && !("const" in schema);
}

function functionTerm({ json: { store } }: CallWriter, tool: ToolGrammar): Term {
  const { properties, required } = propertiesOf(tool.parameters);
  const parameters = properties.map(([name, schema]) => {
    const value = isText(schema) ? textWithout(store, PARAMETER_END) : tool.valueOf(schema);
    const line = store.sequence(
      store.text(`<parameter=${name}>\n`),
      value,
      store.text(`\n${PARAMETER_END}\n`),
    );
    return required.includes(name) ? line : store.optional(line);
  });
  return store.sequence(store.text(`<function=${tool.name}>\n`), ...parameters, store.text("</function>"));
}

function readCall(text: string, tools: readonly ToolParameters[]): AnswerPart[] | undefined {
  const name = /<function=([^>]+)>/.exec(text)?.[1].trim();
  if (name === undefined) return undefined;
  const { properties } = propertiesOf(tools.find((tool) => tool.name === name)?.parameters);
  const schemas = new Map(properties);
  const values = [...text.matchAll(/<parameter=([^>]+)>\n?([^]*?)\n?<\/parameter>/g)].map((
    [, key, value],
  ) => [key.trim(), isText(schemas.get(key.trim())) ? value : jsonOrText(value)] as const);
  return [{ type: "call", name }, { type: "arguments", text: JSON.stringify(Object.fromEntries(values)) }];
}
