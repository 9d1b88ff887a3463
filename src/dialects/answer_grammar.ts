/**
 * The grammar of a whole answer: thinking, then what a request constrains it to, or calls of tools.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_CHARACTERS_MAX, GRAMMAR_CONSTANTS_MAX } from "../core/limits.ts";
import { compileEbnf } from "../grammar/ebnf.ts";
import { compileJsonSchema } from "../grammar/json/json_schema.ts";
import { JsonText } from "../grammar/json/text.ts";
import { compileRegex } from "../grammar/regex.ts";
import type { Term, TermStore } from "../grammar/terms.ts";
import { specialBytes } from "../grammar/token_tries.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { textWithout } from "./free_text.ts";
import { afterReasoning, type ReasoningMarks, type ReasoningState } from "./reasoning.ts";
import type { ToolFormat, ToolGrammar } from "./tool_format.ts";

/** What an answer must be; one of these may be there. */
export interface Constraint {
  /** The answer is JSON that fits this schema (draft 2020-12). */
  jsonSchema?: unknown;
  /** The whole answer matches this regular expression (ECMA-262 with the flag `u`). */
  regex?: string;
  /** The answer is one of these texts. */
  choice?: readonly string[];
  /** The answer is a text of the rule `root` of this EBNF. */
  grammar?: string;
}

/** A description of a tool, as OpenAI's API has it. */
export interface Tool {
  /** There is no other kind. */
  type: "function";
  /** What is called. */
  function: {
    /** Of letters, digits, `_`, `-` and `.`. */
    name: string;
    /** For the model. */
    description?: string;
    /** JSON Schema of the arguments. */
    parameters?: unknown;
    /** Refuse parameters that cannot be held to; otherwise such arguments are any JSON object. */
    strict?: boolean | null;
  };
}

/** Whether tools may or must be called, or the one that must be. */
export type ToolChoice = "auto" | "none" | "required" | { name: string };

/** How tools are called. */
export interface ToolUse {
  readonly tools: readonly Tool[];
  readonly choice: Exclude<ToolChoice, "none">;
  /** Whether several calls may stand in one answer. */
  readonly isParallel: boolean;
  readonly format: ToolFormat;
}

/** All that the grammar of an answer depends on. */
export interface AnswerRules {
  readonly constraint: Constraint;
  readonly tools?: ToolUse;
  /** Of models that think, where the answer begins. */
  readonly reasoning?: { marks: ReasoningMarks; state: ReasoningState };
}

/** The keys of a constraint. */
const CONSTRAINTS = ["jsonSchema", "regex", "choice", "grammar"] as const;

/**
 * What is asked of an answer by name, for a cache; `undefined` when nothing is.
 *
 * @throws {RemoraError} BAD_ARGUMENT for more than one constraint.
 */
export function nameOfRules({ constraint, tools, reasoning }: AnswerRules): string | undefined {
  const given = CONSTRAINTS.filter((name) => constraint[name] !== undefined);
  if (given.length > 1) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot constrain the answer", {
      expected: `one of ${CONSTRAINTS.join(", ")}`,
      found: given.join(" and "),
    });
  }
  if (given.length === 0 && !tools) return undefined;
  return JSON.stringify([given, given.map((name) => constraint[name]), tools, tools?.format.name, reasoning]);
}

/**
 * The language of an answer.
 *
 * @throws {RemoraError} BAD_ARGUMENT for what does not parse, UNSUPPORTED naming what is not supported.
 */
export function compileAnswer(store: TermStore, rules: AnswerRules, tokenizer: Tokenizer): Term {
  const { constraint, tools, reasoning } = rules;
  const given = CONSTRAINTS.find((name) => constraint[name] !== undefined);
  const plain = given && compileConstraint(store, given, constraint);
  const answer = tools ? compileToolUse(store, tools, plain, tokenizer) : plain!;
  return reasoning ? afterReasoning(store, reasoning.marks, reasoning.state, answer) : answer;
}

function compileToolUse(
  store: TermStore,
  { tools, choice, isParallel, format }: ToolUse,
  plain: Term | undefined,
  tokenizer: Tokenizer,
): Term {
  const json = new JsonText(store);
  const mark = (text: string) => {
    const id = tokenizer.idOf(text);
    return id !== undefined && tokenizer.isSpecial(id) ? store.special(specialBytes(id)) : store.text(text);
  };
  const chosen = typeof choice === "object"
    ? tools.filter((tool) => tool.function.name === choice.name)
    : tools;
  const calls = format.grammar({ json, mark }, chosen.map((tool) => toolGrammar(store, tool)), isParallel);
  if (choice !== "auto") return calls;
  // An answer in place of calls, or text and then calls.
  if (plain) return store.either([plain, calls]);
  if (format.begin !== undefined) {
    return store.sequence(textWithout(store, format.begin), store.optional(calls));
  }
  const any = textWithout(store, "\0");
  const object = store.sequence(json.space, store.text("{"), any);
  return store.either([calls, store.both(any, store.not(object))]);
}

function toolGrammar(store: TermStore, { function: { name, parameters, strict } }: Tool): ToolGrammar {
  const valueOf = (schema: unknown, otherwise: unknown): Term => {
    if (strict) return compileJsonSchema(store, schema);
    try {
      return compileJsonSchema(store, schema);
    } catch (error) {
      if (error instanceof RemoraError && error.code === "UNSUPPORTED") {
        return compileJsonSchema(store, otherwise);
      }
      throw error;
    }
  };
  const anyObject = { type: "object" };
  return {
    name,
    parameters,
    arguments: valueOf(schemaOfArguments(name, parameters), anyObject),
    valueOf: (schema) => valueOf(schema, true),
  };
}

/** Arguments are an object, also where the schema of the parameters leaves that out. */
function schemaOfArguments(name: string, parameters: unknown = {}): unknown {
  const schema = parameters === true || parameters === null ? {} : parameters;
  const { type = "object" } = schema as { type?: unknown };
  if (typeof schema === "object" && (type === "object" || (Array.isArray(type) && type.includes("object")))) {
    return { ...schema, type: "object" };
  }
  throw new RemoraError("BAD_ARGUMENT", `Cannot call ${name}`, {
    expected: "parameters that are a schema of an object",
    found: typeof schema === "object" ? `type ${JSON.stringify(type)}` : `${schema}`,
  });
}

function compileConstraint(store: TermStore, name: typeof CONSTRAINTS[number], constraint: Constraint): Term {
  switch (name) {
    case "jsonSchema":
      return compileJsonSchema(store, constraint.jsonSchema);
    case "regex":
      return compileRegex(store, text(constraint.regex, name));
    case "grammar":
      return compileEbnf(store, text(constraint.grammar, name));
    case "choice": {
      const { choice } = constraint;
      if (!Array.isArray(choice) || choice.length === 0 || !choice.every((one) => typeof one === "string")) {
        throw badConstraint(name, "a list of texts");
      }
      const characters = choice.reduce((sum, one) => sum + one.length, 0);
      if (choice.length > GRAMMAR_CONSTANTS_MAX || characters > GRAMMAR_CHARACTERS_MAX) {
        throw badConstraint(
          name,
          `at most ${GRAMMAR_CONSTANTS_MAX} texts of ${GRAMMAR_CHARACTERS_MAX} characters together`,
          `${choice.length} of ${characters}`,
        );
      }
      return store.choice([...new Set(choice)].map((one) => new TextEncoder().encode(one)));
    }
  }
}

function text(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw badConstraint(name, "a text");
}

function badConstraint(name: string, expected: string, found = "something else"): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot constrain the answer by ${name}`, { expected, found });
}
