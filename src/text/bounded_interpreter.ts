/**
 * Running an untrusted template within limits of time and memory.
 *
 * @module
 */

import { type Environment, Interpreter } from "@huggingface/jinja";

/**
 * Characters of the longest string, or of a list and all it holds. Chat templates have kilobytes of their own;
 * the caller's messages raise the limit.
 */
export const TEMPLATE_CHARACTERS_MAX = 1 << 20;
/**
 * Work a template may do before it is refused, in units of about a tenth of a microsecond. Real templates need
 * some hundred evaluations per message; long conversations earn more by their length.
 */
const WORK_MAX = 1 << 22;
const WORK_PER_INPUT_CHARACTER = 32;
/** Work of evaluating one expression or statement, and of making or visiting one item of a list. */
const WORK_PER_STEP = 8;
/** Items of a list that make one unit of work where the list is only mentioned, as in `x in list`. */
const ITEMS_PER_WORK = 32;
/** Characters of a string that make one unit of work. Also bounds how many large strings can be alive. */
const CHARACTERS_PER_WORK = 32;
/** Nested evaluations, e.g. calls of macros: far from the end of the stack, and above any chain of elif. */
const DEPTH_MAX = 400;
/** Levels of lists within lists; real conversations with tools have below ten. */
const NESTING_MAX = 64;
/** By how much one filter may exceed the limit of characters before its result is measured. */
const GROWTH_SLACK = 8;

/** Numbers that `range` gives at once; templates count messages with it. */
const RANGE_MAX = 1 << 16;

/** Thrown when a limit is reached; `message` says which one, as what was expected. */
export class TemplateLimitError extends Error {}

type Node = NonNullable<Parameters<Interpreter["evaluate"]>[0]>;
type Value = ReturnType<Interpreter["evaluate"]>;
/** The members of syntax nodes that are looked at here. */
type Call = Node & { callee: Node; args: Node[] };
type Loop = Node & { iterable: Node & { lhs?: Node } };
type Name = Node & { value: string };
type Member = Node & { object: Node; property: Node & { value?: unknown }; computed: boolean };

/** The interpreter with the inner methods that are overridden; hence the exact version in deno.json. */
const OpenInterpreter = Interpreter as unknown as new (environment: Environment) => {
  run(program: Parameters<Interpreter["run"]>[0]): Value;
  evaluate(node: Node | undefined, environment: Environment): Value;
  applyFilter(operand: Value, filter: Node, environment: Environment): Value;
  evaluateIdentifier(node: Name, environment: Environment): Value;
};

/** Size of a value: characters and items, and levels of nesting. */
interface Size {
  weight: number;
  nesting: number;
}

/**
 * The jinja interpreter, counting its work and measuring every value it makes.
 *
 * Strings double for free (V8 concatenates lazily) and lists share their parts, so neither time nor memory
 * shows in advance what printing them would take: the measured weight is that of the printed form.
 */
export class BoundedInterpreter extends OpenInterpreter {
  readonly #charactersMax: number;
  readonly #workMax: number;
  #work = 0;
  #depth = 0;
  /** Sizes of lists and objects, which never change once made. */
  readonly #sizes = new WeakMap<Value, Size>();
  /** Expressions that loops run over. */
  readonly #iterated = new WeakSet<Node>();

  /** @param inputCharacters Size of the caller's own data, which raises the limits. */
  constructor(environment: Environment, inputCharacters: number) {
    super(environment);
    this.#charactersMax = TEMPLATE_CHARACTERS_MAX + 4 * inputCharacters;
    this.#workMax = WORK_MAX + WORK_PER_INPUT_CHARACTER * inputCharacters;
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    this.#spend(WORK_PER_STEP);
    if (++this.#depth > DEPTH_MAX) throw new TemplateLimitError(`at most ${DEPTH_MAX} nested evaluations`);
    if (node?.type === "For") {
      const { iterable } = node as Loop;
      this.#iterated.add(iterable.type === "SelectExpression" ? iterable.lhs! : iterable);
    }
    try {
      const value = super.evaluate(replaceCallAsFilter(node) ?? node, environment);
      if (value.type === "FunctionValue" && couldBeReplace(node)) {
        throw new TemplateLimitError("methods to be called by name");
      }
      this.#measure(value);
      if (node !== undefined && this.#iterated.has(node)) {
        this.#spend(WORK_PER_STEP * childrenOf(value).length);
      }
      return value;
    } finally {
      this.#depth--; // break and continue of loops leave this way
    }
  }

  override applyFilter(operand: Value, filter: Node, environment: Environment): Value {
    const name = filterName(filter);
    if (filter.type === "CallExpression" && GROWING_FILTERS.has(name)) {
      // Evaluated here and again by the filter: template expressions have no side effects that matter.
      const factors = (filter as Call).args.map((argument) => {
        const expression = argument.type === "KeywordArgumentExpression"
          ? (argument as Node & { value: Node }).value
          : argument;
        return this.evaluate(expression, environment);
      });
      this.#refuseGrowth(name, operand, factors);
    }
    return super.applyFilter(operand, filter, environment);
  }

  /** As the library's, without an exception (and its stack trace) for every name that is not defined. */
  override evaluateIdentifier({ value: name }: Name, environment: Environment): Value {
    for (let scope: Environment | undefined = environment; scope !== undefined; scope = scope.parent) {
      const value = scope.variables.get(name);
      if (value !== undefined) return value;
    }
    return super.evaluate(undefined, environment);
  }

  /** Refuses a filter whose result could exceed memory before it can be measured. */
  #refuseGrowth(name: string, operand: Value, factors: Value[]): void {
    const { weight, nesting } = this.#sizeOf(operand);
    const largest = Math.max(
      0,
      ...factors.map((value) =>
        typeof value.value === "number" ? Math.abs(value.value) : this.#sizeOf(value).weight
      ),
    );
    const searched = name === "replace" && typeof factors[0]?.value === "string"
      ? factors[0].value.length
      : 1;
    const places = name === "tojson" ? weight * (nesting + 1) : weight / Math.max(1, searched) + 1;
    if (places * largest > GROWTH_SLACK * this.#charactersMax) throw this.#tooLong();
  }

  #measure(value: Value): void {
    const { weight, nesting } = this.#sizeOf(value);
    if (weight > this.#charactersMax) throw this.#tooLong();
    if (nesting > NESTING_MAX) throw new TemplateLimitError(`at most ${NESTING_MAX} levels of lists`);
    if (typeof value.value === "string") this.#spend(weight / CHARACTERS_PER_WORK);
    else this.#spend(childrenOf(value).length / ITEMS_PER_WORK);
  }

  #sizeOf(value: Value): Size {
    if (typeof value.value === "string") return { weight: value.value.length, nesting: 0 };
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const children = childrenOf(value);
    if (children.length === 0) return { weight: 1, nesting: 0 };
    this.#spend(WORK_PER_STEP * children.length);
    const size = { weight: children.length, nesting: 1 };
    for (const child of children) {
      if (child.type === "NamespaceValue") throw new TemplateLimitError("namespaces outside of lists");
      const inner = this.#sizeOf(child);
      size.weight += inner.weight;
      size.nesting = Math.max(size.nesting, inner.nesting + 1);
    }
    if (value.type !== "NamespaceValue") this.#sizes.set(value, size);
    return size;
  }

  #spend(work: number): void {
    this.#work += work;
    if (this.#work > this.#workMax) throw new TemplateLimitError(`at most ${this.#workMax} units of work`);
  }

  #tooLong(): TemplateLimitError {
    return new TemplateLimitError(`at most ${this.#charactersMax} characters`);
  }
}

/** Python's `range`, which a template may not use to fill memory. */
export function boundedRange(first: number, second?: number | null, step = 1): number[] {
  const [begin, end] = typeof second === "number" ? [first, second] : [0, first];
  const count = Math.ceil((end - begin) / step);
  if (!(Math.abs(count) <= RANGE_MAX)) throw new TemplateLimitError(`ranges of at most ${RANGE_MAX} numbers`);
  return Array.from({ length: Math.max(0, count) }, (_, i) => begin + i * step);
}

/** Filters whose arguments multiply the size of what they filter. */
const GROWING_FILTERS = new Set(["indent", "join", "replace", "tojson"]);

function filterName(filter: Node): string {
  const name = filter.type === "CallExpression" ? (filter as Call).callee : filter;
  return String((name as Node & { value?: unknown }).value);
}

/** `text.replace(a, b)` as `text | replace(a, b)`, so that there is one place to check. */
function replaceCallAsFilter(node: Node | undefined): Node | undefined {
  if (node?.type !== "CallExpression") return undefined;
  const { callee, args } = node as Call;
  if (callee.type !== "MemberExpression" || memberName(callee as Member) !== "replace") return undefined;
  const filter = { type: "CallExpression", callee: { type: "Identifier", value: "replace" }, args };
  return { type: "FilterExpression", operand: (callee as Member).object, filter } as Node;
}

/** Whether a node gives `replace` itself, to be called where its operand is not seen. */
function couldBeReplace(node: Node | undefined): boolean {
  if (node?.type !== "MemberExpression") return false;
  const name = memberName(node as Member);
  return name === undefined || name === "replace";
}

/** The name in `object.name` and `object["name"]`; undefined when it is computed. */
function memberName({ property, computed }: Member): string | undefined {
  return !computed || property.type === "StringLiteral" ? String(property.value) : undefined;
}

function childrenOf(value: Value): Value[] {
  if (Array.isArray(value.value)) return value.value;
  return value.value instanceof Map ? [...value.value.values()] : [];
}
