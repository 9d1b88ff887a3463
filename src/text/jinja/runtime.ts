/**
 * What filters and tests may use of the interpreter.
 *
 * @module
 */

import type { Meter } from "./meter.ts";
import type { Keywords, Value } from "./values.ts";

/** One rendering. */
export interface Runtime {
  readonly meter: Meter;
  /** Names of the filters and tests there are. */
  readonly filters: ReadonlySet<string>;
  readonly tests: ReadonlySet<string>;
  filter(name: string, value: Value, args: Value[], keywords: Keywords): Value;
  test(name: string, value: Value, args: Value[], keywords: Keywords): boolean;
}

/** A filter: its value first, then its arguments. */
export type Filter = (value: Value, args: Value[], keywords: Keywords, runtime: Runtime) => Value;
