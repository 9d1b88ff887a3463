/**
 * Variables of a part of a template.
 *
 * @module
 */

import { Undefined, type Value } from "./values.ts";

/** The variables of a loop's body, a macro or the template, and those around them. */
export class Scope {
  readonly #variables = new Map<string, Value>();

  constructor(readonly parent?: Scope) {}

  set(name: string, value: Value): void {
    this.#variables.set(name, value);
  }

  get(name: string): Value {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const value = scope.#variables.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(`'${name}' is undefined`);
  }
}
