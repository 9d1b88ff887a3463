/**
 * What a template consists of after parsing.
 *
 * @module
 */

import type { Value } from "./values.ts";

/** Arguments of a call, a filter or a test. */
export interface Arguments {
  positional: Expression[];
  keywords: [string, Expression][];
  /** `*more`. */
  morePositional?: Expression;
  /** `**more`. */
  moreKeywords?: Expression;
}

/** An expression. */
export type Expression =
  | { type: "constant"; value: Value }
  | { type: "name"; name: string }
  | { type: "list" | "tuple"; items: Expression[] }
  | { type: "dict"; entries: [Expression, Expression][] }
  | { type: "condition"; test: Expression; then: Expression; otherwise?: Expression }
  | { type: "or" | "and"; left: Expression; right: Expression }
  | { type: "not"; operand: Expression }
  | { type: "unary"; operator: "+" | "-"; operand: Expression }
  | { type: "binary"; operator: string; left: Expression; right: Expression }
  | { type: "concat"; items: Expression[] }
  | { type: "compare"; first: Expression; rest: [string, Expression][] }
  | { type: "attribute"; object: Expression; name: string }
  | { type: "item"; object: Expression; index: Expression }
  | { type: "slice"; begin?: Expression; end?: Expression; step?: Expression }
  | CallExpression
  | FilterExpression
  | { type: "test"; operand: Expression; name: string; arguments: Arguments };

export type CallExpression = { type: "call"; callee: Expression; arguments: Arguments };

/** Without operand it filters the text of a block. */
export type FilterExpression = {
  type: "filter";
  operand?: Expression;
  name: string;
  arguments: Arguments;
};

/** Where a value goes. */
export type Target =
  | { type: "name"; name: string }
  | { type: "attribute"; object: string; name: string }
  | { type: "tuple"; items: Target[] };

/** Parameters and body of a macro or call block. */
export interface MacroParts {
  name: string;
  parameters: { name: string; byDefault?: Expression }[];
  body: Statement[];
  /** The special names that the body uses. */
  special: ReadonlySet<string>;
}

/** A statement, or text between them. */
export type Statement =
  | { type: "text"; text: string }
  | { type: "output"; values: Expression[] }
  | { type: "if"; branches: { test: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | ForStatement
  | { type: "set"; target: Target; value: Expression }
  | { type: "setBlock"; target: Target; filter?: FilterExpression; body: Statement[] }
  | { type: "with"; targets: Target[]; values: Expression[]; body: Statement[] }
  | { type: "macro"; macro: MacroParts }
  | { type: "callBlock"; call: CallExpression; macro: MacroParts }
  | { type: "filterBlock"; filter: FilterExpression; body: Statement[] }
  | { type: "block" | "generation"; body: Statement[] }
  | { type: "break" | "continue" };

export interface ForStatement {
  type: "for";
  target: Target;
  iterable: Expression;
  test?: Expression;
  isRecursive: boolean;
  body: Statement[];
  otherwise: Statement[];
}
