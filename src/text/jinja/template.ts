/**
 * A template that is parsed once and rendered often.
 *
 * @module
 */

import { filterNames, testNames } from "./evaluator.ts";
import { fromJavaScript } from "./from_javascript.ts";
import { globalFunctions } from "./globals.ts";
import { render } from "./interpreter.ts";
import { Meter } from "./meter.ts";
import type { Statement } from "./nodes.ts";
import { parse } from "./parser.ts";
import { findHiddenNames, type HiddenNames } from "./symbols.ts";
import type { Value } from "./values.ts";

/** A template of Jinja2, rendered as transformers renders chat templates. */
export class Template {
  readonly #statements: Statement[];
  readonly #hidden: HiddenNames;

  /** @throws {TemplateSyntaxError} or {@linkcode MissingFeature} */
  constructor(source: string) {
    this.#statements = parse(source, { filters: filterNames, tests: testNames });
    this.#hidden = findHiddenNames(this.#statements);
  }

  /**
   * Renders with the caller's variables.
   *
   * @param size Characters of the caller's data, which raise the limits.
   * @param writeTime What `strftime_now` writes for a format.
   */
  render(variables: Record<string, unknown>, size: number, writeTime: (format: string) => string): string {
    const meter = new Meter(size);
    const values: Map<string, Value> = globalFunctions(meter, writeTime);
    for (const [name, value] of Object.entries(variables)) values.set(name, fromJavaScript(value));
    return render(this.#statements, this.#hidden, values, meter);
  }
}
