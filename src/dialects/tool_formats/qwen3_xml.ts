/**
 * Qwen3-Coder: `<tool_call><function=name><parameter=key>value</parameter></function></tool_call>` in lines.
 *
 * A parameter that the schema calls a string stands as it is; every other one is JSON.
 *
 * @module
 */
import type { Term } from "../../grammar/terms.ts";
import { type AnswerPart, type AnswerReader, heldLength, TextRoundCalls } from "../answer_parts.ts";
import { textWithout } from "../free_text.ts";
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
  reader: (tools) => new XmlCallReader(tools),
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

class XmlCallReader implements AnswerReader {
  readonly #tools: readonly ToolParameters[];
  #held = "";
  #isInside = false;
  readonly #text = new TextRoundCalls();

  constructor(tools: readonly ToolParameters[]) {
    this.#tools = tools;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    while (true) {
      const mark = this.#isInside ? END : BEGIN;
      const at = this.#held.indexOf(mark);
      if (at < 0) break;
      const before = this.#held.slice(0, at);
      parts.push(...this.#isInside ? this.#call(before) : this.#text.show(before));
      this.#held = this.#held.slice(at + mark.length);
      if (this.#isInside) this.#text.afterCall();
      this.#isInside = !this.#isInside;
    }
    if (this.#isInside) return parts;
    const shown = this.#held.slice(0, this.#held.length - heldLength(this.#held, BEGIN));
    this.#held = this.#held.slice(shown.length);
    return [...parts, ...this.#text.show(shown)];
  }

  end(): AnswerPart[] {
    const rest = this.#isInside ? this.#call(this.#held) : this.#text.show(this.#held);
    this.#held = "";
    return rest;
  }

  #call(text: string): AnswerPart[] {
    const name = /<function=([^>]+)>/.exec(text)?.[1].trim();
    if (name === undefined) return plain(`${BEGIN}${text}${END}`);
    const { properties } = propertiesOf(this.#tools.find((tool) => tool.name === name)?.parameters);
    const schemas = new Map(properties);
    const values = [...text.matchAll(/<parameter=([^>]+)>\n?([^]*?)\n?<\/parameter>/g)].map((
      [, key, value],
    ) => [key.trim(), isText(schemas.get(key.trim())) ? value : parsed(value)] as const);
    return [{ type: "call", name }, { type: "arguments", text: JSON.stringify(Object.fromEntries(values)) }];
  }
}

function plain(text: string): AnswerPart[] {
  return text === "" ? [] : [{ type: "text", text }];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
