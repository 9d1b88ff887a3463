/**
 * Variables of a part of a template.
 *
 * @module
 */

import { Undefined, type Value } from "./values.ts";

/** The variables of a loop's body, a macro or the template, and those around them. */
export class Scope {
  readonly #variables = new Map<string, Value>();
  readonly #hidden: Set<string>;

  /** @param hidden Names that are undefined until they are set here. */
  constructor(readonly parent?: Scope, hidden: readonly string[] = []) {
    this.#hidden = hidden.length > 0 ? new Set(hidden) : NONE;
    for (const name of hidden) this.#variables.set(name, undefinedName(name));
  }

  /** What was set here so far, in a scope of its own: what a block of the template sees. */
  exported(): Scope {
    const scope = new Scope(this.parent);
    for (const [name, value] of this.#variables) {
      if (!this.#hidden.has(name)) scope.#variables.set(name, value);
    }
    return scope;
  }

  set(name: string, value: Value): void {
    this.#hidden.delete(name);
    this.#variables.set(name, value);
  }

  get(name: string): Value {
    const own = this.#variables.get(name);
    if (own !== undefined) return own;
    for (let scope = this.parent; scope !== undefined; scope = scope.parent) {
      const value = scope.#variables.get(name);
      if (value !== undefined) return value;
    }
    return undefinedName(name);
  }
}

const NONE = new Set<string>();
const undefinedName = (name: string) => new Undefined(`'${name}' is undefined`);
