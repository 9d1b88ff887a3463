/**
 * Running the statements of a template.
 *
 * @module
 */

import { call } from "./attributes.ts";
import { requireText } from "./call_arguments.ts";
import { Evaluator } from "./evaluator.ts";
import { setAttribute } from "./globals.ts";
import { Loop } from "./loop.ts";
import { makeMacro } from "./macro.ts";
import type { Meter } from "./meter.ts";
import type { FilterExpression, ForStatement, MacroParts, Statement, Target } from "./nodes.ts";
import { isIterable, iterate, listOf } from "./relations.ts";
import { Scope } from "./scope.ts";
import type { HiddenNames } from "./symbols.ts";
import { strText } from "./text.ts";
import { isTrue, Iter, type Macro, typeError, typeName, type Value, valueError } from "./values.ts";

/** How a body ended before its end. */
type Jump = "break" | "continue" | undefined;

/** What was written so far. */
class Output {
  readonly #pieces: string[] = [];
  #length = 0;

  constructor(readonly meter: Meter) {}

  write(text: string): void {
    if (text === "") return;
    this.#pieces.push(text);
    this.#length += text.length;
    this.meter.size(this.#length > 1 << 20 ? this.#length : text.length);
  }

  text(): string {
    return this.#pieces.join("");
  }
}

/**
 * Renders a template.
 *
 * @param variables The caller's, and the functions that every template has.
 * @throws {PythonError} where it fails in Jinja2 too, {@linkcode MissingFeature}, {@linkcode TemplateLimitError} or
 * {@linkcode RaisedByTemplate}.
 */
export function render(
  template: readonly Statement[],
  hidden: HiddenNames,
  variables: Map<string, Value>,
  meter: Meter,
): string {
  const context = new Scope();
  for (const [name, value] of variables) context.set(name, value);
  const root = new Scope(context, hidden.get(template));
  const interpreter = new Interpreter(meter, root, hidden);
  return interpreter.capture(template, root).text;
}

class Interpreter {
  readonly #evaluator: Evaluator;
  readonly #meter: Meter;
  readonly #root: Scope;
  readonly #hidden: HiddenNames;

  constructor(meter: Meter, root: Scope, hidden: HiddenNames) {
    this.#hidden = hidden;
    this.#meter = meter;
    this.#root = root;
    this.#evaluator = new Evaluator(meter);
  }

  /** Runs statements and gives what they write. */
  capture(body: readonly Statement[], scope: Scope): { text: string; jump: Jump } {
    const output = new Output(this.#meter);
    const jump = this.#run(body, scope, output);
    return { text: jump === undefined ? output.text() : "", jump };
  }

  #run(body: readonly Statement[], scope: Scope, output: Output): Jump {
    for (const statement of body) {
      if (statement.type === "text") {
        output.write(statement.text);
        continue;
      }
      this.#meter.enter();
      const jump = this.#statement(statement, scope, output);
      this.#meter.leave();
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  #statement(node: Statement, scope: Scope, output: Output): Jump {
    const evaluator = this.#evaluator;
    switch (node.type) {
      case "text":
        output.write(node.text);
        return;
      case "output":
        for (const value of node.values) {
          output.write(strText(evaluator.evaluate(value, scope), this.#meter));
        }
        return;
      case "if": {
        const branch = node.branches.find(({ test }) => isTrue(evaluator.evaluate(test, scope)));
        return this.#run(branch?.body ?? node.otherwise, scope, output);
      }
      case "for":
        return this.#for(node, scope, output);
      case "set":
        this.#assign(node.target, evaluator.evaluate(node.value, scope), scope);
        return;
      case "setBlock": {
        const { text, jump } = this.capture(node.body, this.#scope(node.body, scope));
        if (jump !== undefined) return jump;
        const value = node.filter === undefined ? text : this.#filterText(node.filter, text, scope);
        this.#assign(node.target, value, scope);
        return;
      }
      case "with": {
        const inner = this.#scope(node.body, scope);
        node.targets.forEach((target, i) => {
          this.#assign(target, evaluator.evaluate(node.values[i], scope), inner);
        });
        return this.#run(node.body, inner, output);
      }
      case "macro":
        scope.set(node.macro.name, this.#macro(node.macro, false, scope));
        return;
      case "callBlock": {
        const callee = evaluator.evaluate(node.call.callee, scope);
        const { args, keywords } = evaluator.arguments(node.call.arguments, scope);
        const caller = this.#macro(node.macro, true, scope);
        const value = call(callee, args, new Map([...keywords, ["caller", caller]]));
        output.write(strText(value, this.#meter));
        return;
      }
      case "filterBlock": {
        const { text, jump } = this.capture(node.body, this.#scope(node.body, scope));
        if (jump !== undefined) return jump;
        output.write(requireText(this.#filterText(node.filter, text, scope)));
        return;
      }
      case "generation":
        return this.#run(node.body, this.#scope(node.body, scope), output);
      case "block":
        // A block knows the template's own variables, not those of a loop around it.
        return this.#run(node.body, this.#scope(node.body, this.#root.exported()), output);
      case "break":
      case "continue":
        return node.type;
    }
  }

  /** The scope of a body. */
  #scope(body: readonly Statement[], parent: Scope): Scope {
    return new Scope(parent, this.#hidden.get(body));
  }

  /** Filters of a block, the innermost first. */
  #filterText(filter: FilterExpression, text: string, scope: Scope): Value {
    const value = filter.operand === undefined
      ? text
      : this.#filterText(filter.operand as FilterExpression, text, scope);
    return this.#evaluator.applyFilter(filter.name, value, filter.arguments, scope);
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.type === "name") scope.set(target.name, value);
    else if (target.type === "attribute") setAttribute(scope.get(target.object), target.name, value);
    else {
      if (!isIterable(value)) throw typeError(`cannot unpack non-iterable ${typeName(value)} object`);
      const items = listOf(value, this.#meter);
      if (items.length !== target.items.length) {
        throw valueError(`${items.length} values to unpack, expected ${target.items.length}`);
      }
      target.items.forEach((inner, i) => this.#assign(inner, items[i], scope));
    }
  }

  #macro(parts: MacroParts, isAnonymous: boolean, scope: Scope): Macro {
    return makeMacro(parts, isAnonymous, {
      scope: () => this.#scope(parts.body, scope),
      evaluate: (node, inner) => this.#evaluator.evaluate(node, inner),
      run: (body, inner) => this.capture(body, inner).text,
    });
  }

  #for(node: ForStatement, scope: Scope, output: Output): Jump {
    const items = this.#evaluator.evaluate(node.iterable, scope);
    if (!node.isRecursive) return this.#loop(node, items, scope, output, 0);
    output.write(this.#recursiveLoop(node, items, scope, 0));
  }

  /** A recursive loop is a function; what it writes is its value. */
  #recursiveLoop(node: ForStatement, items: Value, scope: Scope, depth: number): string {
    const output = new Output(this.#meter);
    this.#meter.enter();
    this.#loop(node, items, scope, output, depth);
    this.#meter.leave();
    return output.text();
  }

  #loop(node: ForStatement, items: Value, scope: Scope, output: Output, depth: number): Jump {
    if (!isIterable(items)) throw typeError(`'${typeName(items)}' object is not iterable`);
    const iterator = node.test === undefined
      ? iterate(items, this.#meter)
      : this.#selected(node, iterate(items, this.#meter), scope);
    const recurse = node.isRecursive
      ? (inner: Value, level: number) => this.#recursiveLoop(node, inner, scope, level)
      : undefined;
    // What is selected has no length before it was looked at.
    const loop = new Loop(
      node.test === undefined ? items : new Iter([]),
      iterator,
      this.#meter,
      depth,
      recurse,
    );
    let isComplete = false;
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      this.#meter.item();
      const inner = this.#scope(node.body, scope);
      inner.set("loop", loop);
      this.#assign(node.target, item, inner);
      const jump = this.#run(node.body, inner, output);
      if (jump === "break") break;
      // Jinja2 notes only at the end of the body that there was an item.
      if (jump === undefined) isComplete = true;
    }
    if (!isComplete && node.otherwise.length > 0) {
      return this.#run(node.otherwise, this.#scope(node.otherwise, scope), output);
    }
  }

  *#selected(node: ForStatement, items: Iterable<Value>, scope: Scope): Generator<Value> {
    for (const item of items) {
      this.#meter.item();
      const inner = new Scope(scope);
      this.#assign(node.target, item, inner);
      if (isTrue(this.#evaluator.evaluate(node.test!, inner))) yield item;
    }
  }
}
