/**
 * Which names a part of a template takes for its own.
 *
 * Jinja2 decides before it runs a template where a name belongs: one that a body sets, and that nothing read there before, is
 * undefined at first, although a variable of the caller has the same name.
 *
 * @module
 */

import type { Arguments, Expression, MacroParts, Statement, Target } from "./nodes.ts";

/** Where the first value of a name comes from. */
type Origin = "nothing" | "outside";

/** Bodies with the names that are undefined at their beginning. */
export type HiddenNames = ReadonlyMap<readonly Statement[], readonly string[]>;

/** Finds the hidden names of a template's bodies. */
export function findHiddenNames(template: readonly Statement[]): HiddenNames {
  const found = new Map<readonly Statement[], readonly string[]>();
  analyze(template, [], undefined, found);
  return found;
}

/** The names of one body. */
class Names {
  constructor(
    readonly parent: Names | undefined,
    readonly origins = new Map<string, Origin>(),
    readonly stores = new Set<string>(),
  ) {}

  knows(name: string): boolean {
    return this.origins.has(name) || (this.parent?.knows(name) ?? false);
  }

  load(name: string): void {
    if (!this.knows(name)) this.origins.set(name, "outside");
  }

  store(name: string): void {
    this.stores.add(name);
    if (!this.origins.has(name)) this.origins.set(name, this.parent?.knows(name) ? "outside" : "nothing");
  }

  parameter(name: string): void {
    this.stores.add(name);
    this.origins.set(name, "outside");
  }

  copy(): Names {
    return new Names(this.parent, new Map(this.origins), new Set(this.stores));
  }

  /** Takes over the branches of an `if`: what only they set may come from outside. */
  merge(branches: readonly Names[]): void {
    const fresh = branches.flatMap(({ stores }) => [...stores]).filter((name) => !this.stores.has(name));
    for (const branch of branches) {
      for (const [name, origin] of branch.origins) this.origins.set(name, origin);
      for (const name of branch.stores) this.stores.add(name);
    }
    for (const name of fresh) this.origins.set(name, "outside");
  }
}

type Found = Map<readonly Statement[], readonly string[]>;

/** Analyses a body and those within it. */
function analyze(
  body: readonly Statement[],
  parameters: readonly string[],
  parent: Names | undefined,
  found: Found,
  before: readonly Expression[] = [],
): void {
  const names = new Names(parent);
  for (const name of parameters) names.parameter(name);
  for (const node of before) loadAll(node, names);
  visitAll(body, names);
  const hidden = [...names.origins].filter(([, origin]) => origin === "nothing").map(([name]) => name);
  if (hidden.length > 0) found.set(body, hidden);
  analyzeWithin(body, names, found);
}

/** The bodies that have names of their own. */
function analyzeWithin(body: readonly Statement[], names: Names, found: Found): void {
  const macro = ({ parameters, body, special }: MacroParts) =>
    analyze(
      body,
      [...parameters.map(({ name }) => name), ...special],
      names,
      found,
      parameters.flatMap(({ byDefault }) => byDefault ?? []),
    );
  for (const node of body) {
    switch (node.type) {
      case "if":
        for (const branch of node.branches) analyzeWithin(branch.body, names, found);
        analyzeWithin(node.otherwise, names, found);
        break;
      case "for":
        analyze(node.body, ["loop", ...targetNames(node.target)], names, found);
        analyze(node.otherwise, [], names, found);
        break;
      case "with":
        // The targets are stored like any other name, but at once.
        analyze(node.body, node.targets.flatMap(targetNames), names, found);
        break;
      case "macro":
        macro(node.macro);
        break;
      case "callBlock":
        macro(node.macro);
        break;
      case "setBlock":
      case "filterBlock":
      case "generation":
        analyze(node.body, [], names, found);
        break;
      case "block":
        analyze(node.body, [], undefined, found);
        break;
    }
  }
}

function visitAll(body: readonly Statement[], names: Names): void {
  for (const node of body) visit(node, names);
}

/** Reads and writes of a statement in the body that it stands in. */
function visit(node: Statement, names: Names): void {
  switch (node.type) {
    case "output":
      for (const value of node.values) loadAll(value, names);
      break;
    case "if":
      visitIf(node.branches, node.otherwise, names);
      break;
    case "for":
      loadAll(node.iterable, names);
      break;
    case "set":
      loadAll(node.value, names);
      storeAll(node.target, names);
      break;
    case "setBlock":
      storeAll(node.target, names);
      break;
    case "with":
      for (const value of node.values) loadAll(value, names);
      break;
    case "macro":
      names.store(node.macro.name);
      break;
    case "callBlock":
      loadAll(node.call, names);
      break;
    case "filterBlock":
      loadAll(node.filter, names);
      break;
  }
}

function visitIf(
  [first, ...others]: { test: Expression; body: Statement[] }[],
  otherwise: readonly Statement[],
  names: Names,
): void {
  loadAll(first.test, names);
  const branch = (run: (inner: Names) => void) => {
    const inner = names.copy();
    run(inner);
    return inner;
  };
  names.merge([
    branch((inner) => visitAll(first.body, inner)),
    // Each elif is an `if` without further branches.
    branch((inner) => {
      for (const other of others) visitIf([other], [], inner);
    }),
    branch((inner) => visitAll(otherwise, inner)),
  ]);
}

function targetNames(target: Target): string[] {
  return target.type === "tuple" ? target.items.flatMap(targetNames) : [target.name];
}

function storeAll(target: Target, names: Names): void {
  if (target.type === "name") names.store(target.name);
  else if (target.type === "attribute") names.load(target.object);
  else for (const item of target.items) storeAll(item, names);
}

/** All names that an expression reads, without recursion over long chains. */
function loadAll(expression: Expression, names: Names): void {
  const waiting: Expression[] = [expression];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.type === "name") names.load(node.name);
    else waiting.push(...partsOf(node));
  }
}

function partsOf(node: Expression): Expression[] {
  const given = (...parts: (Expression | undefined)[]) => parts.filter((part) => part !== undefined);
  const all = ({ positional, keywords, morePositional, moreKeywords }: Arguments) =>
    given(...positional, ...keywords.map(([, value]) => value), morePositional, moreKeywords);
  switch (node.type) {
    case "constant":
    case "name":
      return [];
    case "list":
    case "tuple":
    case "concat":
      return node.items;
    case "dict":
      return node.entries.flat();
    case "condition":
      return given(node.test, node.then, node.otherwise);
    case "or":
    case "and":
    case "binary":
      return [node.left, node.right];
    case "not":
    case "unary":
      return [node.operand];
    case "compare":
      return [node.first, ...node.rest.map(([, value]) => value)];
    case "attribute":
      return [node.object];
    case "item":
      return [node.object, node.index];
    case "slice":
      return given(node.begin, node.end, node.step);
    case "call":
      return [node.callee, ...all(node.arguments)];
    case "filter":
    case "test":
      return [...given(node.operand), ...all(node.arguments)];
  }
}
