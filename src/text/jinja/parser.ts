/**
 * The grammar of statements.
 *
 * @module
 */

import { ExpressionParser, type KnownNames } from "./expressions.ts";
import { tokenize } from "./lexer.ts";
import type { CallExpression, MacroParts, Statement, Target } from "./nodes.ts";
import { TokenStream } from "./token_stream.ts";
import { MissingFeature } from "./values.ts";

/** Statements of Jinja2 that chat templates have no use for: there are no other templates, and no HTML. */
const REFUSED = new Set(["extends", "include", "import", "from", "autoescape"]);
/** What a macro's body finds out about its call. */
const SPECIAL_NAMES = ["caller", "kwargs", "varargs"];

/**
 * Parses a template.
 *
 * @throws {TemplateSyntaxError} or {@linkcode MissingFeature}
 */
export function parse(template: string, known: KnownNames): Statement[] {
  return new Parser(template, known).template();
}

class Parser {
  readonly #tokens: TokenStream;
  readonly #expressions: ExpressionParser;
  readonly #blocks = new Set<string>();
  /** Loops around the current statement, within its macro. */
  #loops = 0;

  constructor(template: string, known: KnownNames) {
    this.#tokens = new TokenStream(tokenize(template));
    this.#expressions = new ExpressionParser(this.#tokens, known);
  }

  template(): Statement[] {
    return this.#statements([]);
  }

  /** Statements up to one of the names that end them, which is then current; none for the whole template. */
  #statements(ends: readonly string[]): Statement[] {
    const tokens = this.#tokens;
    const body: Statement[] = [];
    for (;;) {
      if (tokens.is("end")) {
        if (ends.length > 0) throw tokens.error(`the end of the template, expected ${ends.join(" or ")}`);
        return body;
      }
      if (tokens.is("data")) {
        body.push({ type: "text", text: tokens.advance().text });
      } else if (tokens.is("variable_begin")) {
        tokens.advance();
        body.push({ type: "output", values: [this.#expressions.tuple()] });
        tokens.expect("variable_end");
      } else {
        tokens.expect("block_begin");
        if (tokens.is("name") && ends.includes(tokens.current.text)) return body;
        const statement = tokens.nested(() => this.#statement());
        tokens.expect("block_end");
        body.push(statement);
      }
    }
  }

  /** The body of a statement, from the end of its tag up to the name that ends it, which is gone too. */
  #body(end: string): Statement[] {
    const body = this.#bodyUntil([end]);
    this.#tokens.advance();
    return body;
  }

  #bodyUntil(ends: string[], isSoft = false): Statement[] {
    this.#tokens.skip("operator", ":");
    this.#tokens.expect("block_end");
    return this.#tokens.withSoft(isSoft, () => this.#statements(ends));
  }

  #statement(): Statement {
    const tokens = this.#tokens;
    const { text: name } = tokens.expect("name");
    switch (name) {
      case "for":
        return this.#for();
      case "if":
        return this.#if();
      case "set":
        return this.#set();
      case "with":
        return this.#with();
      case "macro":
        return { type: "macro", macro: this.#macro(tokens.expect("name").text, true, "endmacro") };
      case "call":
        return this.#callBlock();
      case "filter": {
        const filter = this.#filters();
        return { type: "filterBlock", filter, body: this.#body("endfilter") };
      }
      case "print":
        return this.#print();
      case "block":
        return this.#block();
      case "generation":
        return { type: "generation", body: this.#outsideLoops(() => this.#body("endgeneration")) };
      case "break":
      case "continue":
        if (this.#loops === 0) throw tokens.error(`'${name}' outside of a loop`);
        return { type: name };
    }
    if (REFUSED.has(name)) throw new MissingFeature(`the statement ${name}`);
    throw tokens.error(`Encountered unknown tag '${name}'`);
  }

  #outsideLoops<T>(parse: () => T): T {
    const loops = this.#loops;
    this.#loops = 0;
    const value = parse();
    this.#loops = loops;
    return value;
  }

  #for(): Statement {
    const tokens = this.#tokens;
    const target = this.#target("in", false);
    tokens.expect("name", "in");
    const iterable = this.#expressions.tuple({ isConditional: false, end: "recursive" });
    const test = tokens.skip("name", "if") ? this.#expressions.expression() : undefined;
    const isRecursive = tokens.skip("name", "recursive");
    this.#loops++;
    const body = this.#bodyUntil(["endfor", "else"]);
    this.#loops--;
    const hasElse = tokens.advance().text === "else";
    // Python's `break` cannot stand there for this loop, but for one around it.
    const otherwise = hasElse ? this.#body("endfor") : [];
    if (namesOf(target).includes("loop")) {
      throw tokens.error("Can't assign to special loop variable in for-loop target");
    }
    return { type: "for", target, iterable, test, isRecursive, body, otherwise };
  }

  #if(): Statement {
    const tokens = this.#tokens;
    const branches: { test: Expression; body: Statement[] }[] = [];
    type Expression = ReturnType<ExpressionParser["tuple"]>;
    for (;;) {
      const test = tokens.withSoft(true, () => this.#expressions.tuple({ isConditional: false }));
      branches.push({ test, body: this.#bodyUntil(["elif", "else", "endif"], true) });
      const end = tokens.advance().text;
      if (end === "elif") continue;
      let otherwise: Statement[] = [];
      if (end === "else") {
        otherwise = this.#bodyUntil(["endif"], true);
        tokens.advance();
      }
      return { type: "if", branches, otherwise };
    }
  }

  #set(): Statement {
    const target = this.#target(undefined, true);
    if (this.#tokens.skip("operator", "=")) return { type: "set", target, value: this.#expressions.tuple() };
    const filter = this.#tokens.skip("operator", "|") ? this.#filters() : undefined;
    return { type: "setBlock", target, filter, body: this.#body("endset") };
  }

  /** One or several filters for a block. */
  #filters() {
    let filter = this.#expressions.filter(undefined);
    while (this.#tokens.skip("operator", "|")) filter = this.#expressions.filter(filter);
    return filter;
  }

  #with(): Statement {
    const tokens = this.#tokens;
    const targets: Target[] = [];
    const values = [];
    while (!tokens.is("block_end")) {
      if (targets.length > 0) tokens.expect("operator", ",");
      targets.push(this.#target(undefined, false));
      tokens.expect("operator", "=");
      values.push(this.#expressions.expression());
    }
    return { type: "with", targets, values, body: this.#body("endwith") };
  }

  /** @param hasName Whether there must be parameters, as a macro has them. */
  #macro(name: string, hasName: boolean, end: string, readCall?: () => void): MacroParts {
    const tokens = this.#tokens;
    const parameters = hasName || tokens.isOperator("(") ? this.#parameters() : [];
    readCall?.();
    const usesBefore = tokens.uses.length;
    const body = this.#outsideLoops(() => this.#body(end));
    const uses = new Set(tokens.uses.slice(usesBefore));
    const names = new Set(parameters.map((parameter) => parameter.name));
    if (uses.has("caller") && parameters.some(({ name, byDefault }) => name === "caller" && !byDefault)) {
      throw tokens.error('the special "caller" argument must be omitted or be given a default');
    }
    const special = new Set(SPECIAL_NAMES.filter((special) => uses.has(special) && !names.has(special)));
    return { name, parameters, body, special };
  }

  #parameters(): MacroParts["parameters"] {
    const tokens = this.#tokens;
    const parameters: MacroParts["parameters"] = [];
    tokens.expect("operator", "(");
    while (!tokens.isOperator(")")) {
      if (parameters.length > 0) tokens.expect("operator", ",");
      const { text: name } = tokens.expect("name");
      requireAssignable(name, this.#tokens);
      if (parameters.some((other) => other.name === name)) throw tokens.error(`duplicate argument '${name}'`);
      if (tokens.skip("operator", "=")) {
        parameters.push({ name, byDefault: this.#expressions.expression() });
      } else if (parameters.some(({ byDefault }) => byDefault)) {
        throw tokens.error("non-default argument follows default argument");
      } else parameters.push({ name });
    }
    tokens.advance();
    return parameters;
  }

  #callBlock(): Statement {
    let call: CallExpression | undefined;
    const macro = this.#macro("caller", false, "endcall", () => {
      const expression = this.#expressions.expression();
      if (expression.type !== "call") throw this.#tokens.error("expected call");
      call = expression;
    });
    return { type: "callBlock", call: call!, macro };
  }

  #print(): Statement {
    const values = [];
    while (!this.#tokens.is("block_end")) {
      if (values.length > 0) this.#tokens.expect("operator", ",");
      values.push(this.#expressions.expression());
    }
    return { type: "output", values };
  }

  /** A block stands for itself, since no template extends this one. */
  #block(): Statement {
    const tokens = this.#tokens;
    const { text: name } = tokens.expect("name");
    if (tokens.isName("scoped") || tokens.isName("required")) {
      throw new MissingFeature(`blocks that are ${tokens.current.text}`);
    }
    if (this.#blocks.has(name)) throw tokens.error(`block '${name}' defined twice`);
    this.#blocks.add(name);
    const body = this.#outsideLoops(() => this.#body("endblock"));
    tokens.skip("name", name);
    return { type: "block", body };
  }

  /** Names, tuples of names, or with `hasAttributes` an attribute of a namespace. */
  #target(end: string | undefined, hasAttributes: boolean): Target {
    const tokens = this.#tokens;
    const items: Target[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) tokens.expect("operator", ",");
      const isEnd = tokens.is("block_end") || tokens.isOperator(")") || tokens.isOperator("=") ||
        end !== undefined && tokens.isName(end);
      if (isEnd && items.length > 0) break;
      items.push(tokens.nested(() => this.#singleTarget(hasAttributes)));
      if (!tokens.isOperator(",")) break;
      isTuple = true;
    }
    return isTuple ? { type: "tuple", items } : items[0];
  }

  #singleTarget(hasAttributes: boolean): Target {
    const tokens = this.#tokens;
    if (tokens.skip("operator", "(")) {
      const target = this.#target(undefined, false);
      tokens.expect("operator", ")");
      return target;
    }
    const { text: name } = tokens.expect("name");
    if (hasAttributes && tokens.skip("operator", ".")) {
      tokens.uses.push(name);
      return { type: "attribute", object: name, name: tokens.expect("name").text };
    }
    requireAssignable(name, tokens);
    return { type: "name", name };
  }
}

function requireAssignable(name: string, tokens: TokenStream): void {
  if (/^(?:true|false|none|True|False|None)$/.test(name)) throw tokens.error(`can't assign to '${name}'`);
}

function namesOf(target: Target): string[] {
  return target.type === "tuple" ? target.items.flatMap(namesOf) : [target.name];
}
