/**
 * The grammar of expressions, with Jinja2's precedence.
 *
 * @module
 */

import type { Arguments, CallExpression, Expression, FilterExpression } from "./nodes.ts";
import type { TokenStream } from "./token_stream.ts";

/** Names of the filters and tests there are. */
export interface KnownNames {
  filters: ReadonlySet<string>;
  tests: ReadonlySet<string>;
}

const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="]);
const CONSTANTS: Record<string, boolean | null> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};

/** Parses expressions from a stream of tokens. */
export class ExpressionParser {
  constructor(readonly tokens: TokenStream, readonly known: KnownNames) {}

  /** One expression; without `isConditional` an `if` ends it. */
  expression(isConditional = true): Expression {
    return this.tokens.nested(() => isConditional ? this.#condition() : this.#or());
  }

  /** One expression, or several with commas as a tuple. */
  tuple(options: { isConditional?: boolean; end?: string; isParenthesized?: boolean } = {}): Expression {
    const { isConditional = true, end, isParenthesized = false } = options;
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.tokens.expect("operator", ",");
      if (this.#isTupleEnd(end)) break;
      items.push(this.expression(isConditional));
      if (!this.tokens.isOperator(",")) break;
      isTuple = true;
    }
    if (!isTuple) {
      if (items.length > 0) return items[0];
      if (!isParenthesized) throw this.tokens.error(`Expected an expression, got ${this.tokens.describe()}`);
    }
    return { type: "tuple", items };
  }

  #isTupleEnd(end: string | undefined): boolean {
    const { tokens } = this;
    return tokens.is("variable_end") || tokens.is("block_end") || tokens.isOperator(")") ||
      end !== undefined && tokens.isName(end);
  }

  #condition(): Expression {
    const { tokens } = this;
    const begin = tokens.isSoft;
    // What comes before an `if` is inside of the condition too; that is known only afterwards, so unknown names wait.
    let then = tokens.withSoft(true, () => this.#or());
    tokens.isSoft = begin;
    if (!tokens.isName("if")) {
      if (!begin) this.#requireKnown(then);
      return then;
    }
    while (tokens.skip("name", "if")) {
      const test = tokens.withSoft(true, () => this.#or());
      const otherwise = tokens.skip("name", "else")
        ? tokens.withSoft(true, () => tokens.nested(() => this.#condition()))
        : undefined;
      then = { type: "condition", test, then, otherwise };
    }
    return then;
  }

  /** Refuses names that would be refused where they are not used; calls and items have done so for what is inside of them. */
  #requireKnown(expression: Expression): void {
    let inner: Expression | undefined = expression;
    while (inner?.type === "filter" || inner?.type === "test") {
      const names = inner.type === "filter" ? this.known.filters : this.known.tests;
      if (!names.has(inner.name)) throw this.tokens.error(`No ${inner.type} named '${inner.name}'`);
      inner = inner.operand;
    }
  }

  #or(): Expression {
    let left = this.#and();
    while (this.tokens.skip("name", "or")) left = { type: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.tokens.skip("name", "and")) left = { type: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (this.tokens.skip("name", "not")) {
      return { type: "not", operand: this.tokens.nested(() => this.#not()) };
    }
    return this.#compare();
  }

  #compare(): Expression {
    const { tokens } = this;
    const first = this.#sum();
    const rest: [string, Expression][] = [];
    for (;;) {
      if (tokens.is("operator") && COMPARISONS.has(tokens.current.text)) {
        rest.push([tokens.advance().text, this.#sum()]);
      } else if (tokens.skip("name", "in")) {
        rest.push(["in", this.#sum()]);
      } else if (tokens.isName("not") && tokens.next.type === "name" && tokens.next.text === "in") {
        tokens.advance();
        tokens.advance();
        rest.push(["not in", this.#sum()]);
      } else break;
    }
    return rest.length === 0 ? first : { type: "compare", first, rest };
  }

  #sum(): Expression {
    return this.#chain(["+", "-"], () => this.#concat());
  }

  #concat(): Expression {
    const items = [this.#product()];
    while (this.tokens.skip("operator", "~")) items.push(this.#product());
    return items.length === 1 ? items[0] : { type: "concat", items };
  }

  #product(): Expression {
    return this.#chain(["*", "/", "//", "%"], () => this.#chain(["**"], () => this.#unary(true)));
  }

  #chain(operators: string[], operand: () => Expression): Expression {
    let left = operand();
    while (this.tokens.is("operator") && operators.includes(this.tokens.current.text)) {
      const operator = this.tokens.advance().text;
      left = { type: "binary", operator, left, right: operand() };
    }
    return left;
  }

  #unary(withFilters: boolean): Expression {
    const { tokens } = this;
    let node: Expression;
    if (tokens.isOperator("-") || tokens.isOperator("+")) {
      const operator = tokens.advance().text as "+" | "-";
      node = { type: "unary", operator, operand: tokens.nested(() => this.#unary(false)) };
    } else {
      node = this.primary();
    }
    node = this.postfix(node);
    return withFilters ? this.#filtersAndTests(node) : node;
  }

  /** A name, a literal or something in parentheses. */
  primary(): Expression {
    const { tokens } = this;
    const { type, text } = tokens.current;
    if (type === "name") {
      tokens.advance();
      if (Object.hasOwn(CONSTANTS, text)) return { type: "constant", value: CONSTANTS[text] };
      tokens.uses.push(text);
      return { type: "name", name: text };
    }
    if (type === "string") {
      let value = "";
      while (tokens.is("string")) value += tokens.advance().text;
      return { type: "constant", value };
    }
    if (type === "integer") return { type: "constant", value: BigInt(tokens.advance().text) };
    if (type === "float") return { type: "constant", value: Number(tokens.advance().text) };
    if (tokens.skip("operator", "(")) {
      const node = this.tuple({ isParenthesized: true });
      tokens.expect("operator", ")");
      return node;
    }
    if (tokens.skip("operator", "[")) {
      return { type: "list", items: this.#items("]", () => this.expression()) };
    }
    if (tokens.skip("operator", "{")) {
      const entries = this.#items("}", (): [Expression, Expression] => {
        const key = this.expression();
        tokens.expect("operator", ":");
        return [key, this.expression()];
      });
      return { type: "dict", entries };
    }
    throw tokens.error(`${tokens.describe()} out of place`);
  }

  /** Items with commas between them, up to the bracket that ends them. */
  #items<T>(end: string, parse: () => T): T[] {
    const items: T[] = [];
    while (!this.tokens.isOperator(end)) {
      if (items.length > 0) this.tokens.expect("operator", ",");
      if (this.tokens.isOperator(end)) break;
      items.push(parse());
    }
    this.tokens.advance();
    return items;
  }

  /** Attributes, subscripts and calls after an expression. */
  postfix(begin: Expression): Expression {
    const { tokens } = this;
    let node = begin;
    for (;;) {
      if (tokens.skip("operator", ".")) {
        const { type, text } = tokens.advance();
        if (type === "name") node = { type: "attribute", object: node, name: text };
        else if (type === "integer") {
          node = { type: "item", object: node, index: { type: "constant", value: BigInt(text) } };
        } else throw tokens.error("expected name or number");
      } else if (tokens.skip("operator", "[")) {
        node = { type: "item", object: node, index: this.#subscript() };
      } else if (tokens.isOperator("(")) {
        node = this.#call(node);
      } else return node;
    }
  }

  #subscript(): Expression {
    const { tokens } = this;
    const items: Expression[] = [];
    while (!tokens.isOperator("]")) {
      if (items.length > 0) tokens.expect("operator", ",");
      items.push(this.#subscribed());
    }
    tokens.advance();
    return items.length === 1 ? items[0] : { type: "tuple", items };
  }

  #subscribed(): Expression {
    const { tokens } = this;
    let begin: Expression | undefined;
    if (!tokens.isOperator(":")) {
      begin = this.expression();
      if (!tokens.isOperator(":")) return begin;
    }
    tokens.advance();
    const isEnd = () => tokens.isOperator("]") || tokens.isOperator(",");
    const end = tokens.isOperator(":") || isEnd() ? undefined : this.expression();
    const step = tokens.skip("operator", ":") && !isEnd() ? this.expression() : undefined;
    return { type: "slice", begin, end, step };
  }

  #filtersAndTests(begin: Expression): Expression {
    const { tokens } = this;
    let node = begin;
    for (;;) {
      if (tokens.isOperator("|")) {
        tokens.advance();
        node = this.filter(node);
      } else if (tokens.isName("is")) node = this.#test(node);
      else if (tokens.isOperator("(")) node = this.#call(node);
      else return node;
    }
  }

  #call(callee: Expression): CallExpression {
    return { type: "call", callee, arguments: this.#arguments() };
  }

  /** A filter, from its name on. */
  filter(operand: Expression | undefined): FilterExpression {
    const name = this.#dottedName();
    if (!this.tokens.isSoft && !this.known.filters.has(name)) {
      throw this.tokens.error(`No filter named '${name}'`);
    }
    return { type: "filter", operand, name, arguments: this.#optionalArguments() };
  }

  #optionalArguments(): Arguments {
    return this.tokens.isOperator("(") ? this.#arguments() : { positional: [], keywords: [] };
  }

  #dottedName(): string {
    let name = this.tokens.expect("name").text;
    while (this.tokens.skip("operator", ".")) name += `.${this.tokens.expect("name").text}`;
    return name;
  }

  #test(operand: Expression): Expression {
    const { tokens } = this;
    tokens.advance();
    const isNegated = tokens.skip("name", "not");
    const name = this.#dottedName();
    if (!tokens.isSoft && !this.known.tests.has(name)) throw tokens.error(`No test named '${name}'`);
    const node: Expression = { type: "test", operand, name, arguments: this.#testArguments() };
    return isNegated ? { type: "not", operand: node } : node;
  }

  /** A test's arguments; one can do without parentheses. */
  #testArguments(): Arguments {
    const { tokens } = this;
    const { type, text } = tokens.current;
    const begins = type === "name"
      ? text !== "else" && text !== "or" && text !== "and"
      : type === "string" || type === "integer" || type === "float" || tokens.isOperator("[") ||
        tokens.isOperator("{");
    if (tokens.isOperator("(") || !begins) return this.#optionalArguments();
    if (text === "is" && type === "name") throw tokens.error("You cannot chain multiple tests with is");
    return { positional: [this.postfix(this.primary())], keywords: [] };
  }

  #arguments(): Arguments {
    const { tokens } = this;
    const result: Arguments = { positional: [], keywords: [] };
    const demand = (condition: boolean) => {
      if (!condition) throw tokens.error("invalid syntax for function call expression");
    };
    tokens.expect("operator", "(");
    for (let isFirst = true; !tokens.isOperator(")"); isFirst = false) {
      if (!isFirst) {
        tokens.expect("operator", ",");
        if (tokens.isOperator(")")) break;
      }
      if (tokens.skip("operator", "*")) {
        demand(result.morePositional === undefined && result.moreKeywords === undefined);
        result.morePositional = this.expression();
      } else if (tokens.skip("operator", "**")) {
        demand(result.moreKeywords === undefined);
        result.moreKeywords = this.expression();
      } else if (tokens.is("name") && tokens.next.type === "operator" && tokens.next.text === "=") {
        demand(result.moreKeywords === undefined);
        const name = tokens.advance().text;
        tokens.advance();
        demand(result.keywords.every(([other]) => other !== name));
        result.keywords.push([name, this.expression()]);
      } else {
        demand(
          result.morePositional === undefined && result.moreKeywords === undefined &&
            result.keywords.length === 0,
        );
        result.positional.push(this.expression());
      }
    }
    tokens.advance();
    return result;
  }
}
