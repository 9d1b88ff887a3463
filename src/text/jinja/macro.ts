/**
 * Macros and the bodies of call blocks.
 *
 * @module
 */

import type { Expression, MacroParts, Statement } from "./nodes.ts";
import type { Scope } from "./scope.ts";
import { Dict, type Keywords, Macro, Tuple, typeError, Undefined, type Value } from "./values.ts";

/** What a macro needs of the interpreter. */
export interface MacroRunner {
  /** Makes the scope of the body. */
  scope(): Scope;
  evaluate(node: Expression, scope: Scope): Value;
  run(body: readonly Statement[], scope: Scope): string;
}

/** Makes the function that a macro is. */
export function makeMacro(parts: MacroParts, isAnonymous: boolean, runner: MacroRunner): Macro {
  const { name, parameters, special } = parts;
  const attributes = new Map<string, Value>([
    ["name", isAnonymous ? null : name],
    ["arguments", new Tuple(parameters.map((parameter) => parameter.name))],
    ["catch_kwargs", special.has("kwargs")],
    ["catch_varargs", special.has("varargs")],
    ["caller", special.has("caller")],
  ]);
  const call = (args: Value[], keywords: Keywords) => {
    const inner = bindMacro(parts, args, keywords, runner);
    return runner.run(parts.body, inner);
  };
  return new Macro(name, isAnonymous, attributes, call);
}

/** The scope of a macro's body, with its parameters. */
function bindMacro(
  { name, parameters, special }: MacroParts,
  args: Value[],
  keywords: Keywords,
  runner: MacroRunner,
): Scope {
  const inner = runner.scope();
  const rest = new Map(keywords);
  const given = parameters.map((parameter, i) => {
    if (i < args.length) return args[i];
    const value = rest.get(parameter.name);
    rest.delete(parameter.name);
    return value;
  });
  if (special.has("caller")) {
    const caller = rest.get("caller");
    inner.set(
      "caller",
      caller === undefined || caller === null ? new Undefined("No caller defined") : caller,
    );
    rest.delete("caller");
  }
  if (special.has("kwargs")) inner.set("kwargs", new Dict(rest));
  else if (rest.size > 0) {
    throw typeError(`macro '${name}' takes no keyword argument '${[...rest.keys()][0]}'`);
  }
  if (special.has("varargs")) inner.set("varargs", new Tuple(args.slice(parameters.length)));
  else if (args.length > parameters.length) {
    throw typeError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
  }
  // A default may name the parameters before it; those after it are not there yet.
  parameters.forEach((parameter, i) => {
    const value = given[i];
    const isGiven = value !== undefined;
    inner.set(
      parameter.name,
      isGiven ? value : new Undefined(`parameter '${parameter.name}' was not provided`),
    );
  });
  parameters.forEach((parameter, i) => {
    if (given[i] === undefined && parameter.byDefault !== undefined) {
      inner.set(parameter.name, runner.evaluate(parameter.byDefault, inner));
    }
  });
  return inner;
}
