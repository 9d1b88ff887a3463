/**
 * Typed access to one object of a quantisation config.
 *
 * @module
 */
import { type ErrorCode, RemoraError } from "../core/errors.ts";
import { PATTERN_STEPS_MAX } from "../core/limits.ts";
import { describeJson, isObject } from "../io/read.ts";
import { compileModulePattern, type ModulePattern } from "./module_pattern.ts";

/** The keys of one object; `null` counts as absent, as Python's `None` is written so. */
export class Fields {
  readonly #values: Record<string, unknown>;

  /** @param path Where the object sits in the file; "" for the top. */
  constructor(readonly file: string, readonly path: string, values: unknown) {
    if (!isObject(values)) {
      const details = { file, expected: `${path} to be an object`, found: describeJson(values) };
      throw new RemoraError("BAD_CONFIG", "Cannot read", details);
    }
    this.#values = values;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#values, key) && this.#values[key] !== null;
  }

  integer(...aliases: string[]): number | undefined {
    return this.#get(aliases, "a whole number", Number.isSafeInteger) as number | undefined;
  }

  string(...aliases: string[]): string | undefined {
    return this.#get(aliases, "a string", (value) => typeof value === "string") as string | undefined;
  }

  boolean(...aliases: string[]): boolean | undefined {
    return this.#get(aliases, "true or false", (value) => typeof value === "boolean") as boolean | undefined;
  }

  /** A list of strings; none if the key is absent. */
  strings(key: string): string[] {
    const isList = (value: unknown) =>
      Array.isArray(value) && value.every((item) => typeof item === "string");
    return (this.#get([key], "a list of strings", isList) ?? []) as string[];
  }

  /** An object of its own; `undefined` if the key is absent. */
  object(key: string): Fields | undefined {
    const value = this.#get([key], "an object", isObject);
    return value === undefined ? undefined : new Fields(this.file, this.#pathOf(key), value);
  }

  /** The members of an object of objects; none if the key is absent. */
  entries(key: string): [string, Fields][] {
    const members = this.#get([key], "an object", isObject) as Record<string, unknown> | undefined;
    return Object.entries(members ?? {}).map((
      [name, value],
    ) => [name, new Fields(this.file, this.#pathOf(`${key}["${name}"]`), value ?? {})]);
  }

  refusal(code: ErrorCode, key: string, expected: string, found: string): RemoraError {
    const details = { file: this.file, expected: `${this.#pathOf(key)} to be ${expected}`, found };
    return new RemoraError(code, "Cannot use the quantisation config in", details);
  }

  /**
   * Compiles the patterns of one key, whose steps are limited together. One that is outside of the subset and only `excludes` modules
   * matches nothing: the tensors say anyway which modules are dense.
   */
  patternCompiler(
    key: string,
  ): (pattern: string, how: { anywhere: boolean; excludes?: boolean }) => ModulePattern {
    let steps = 0;
    return (pattern, { anywhere, excludes = false }) => {
      try {
        const compiled = compileModulePattern(pattern, { anywhere });
        steps += compiled.steps;
        if (steps > PATTERN_STEPS_MAX) throw new SyntaxError("patterns that are too large together");
        return compiled;
      } catch (cause) {
        if (!(cause instanceof SyntaxError)) throw cause;
        if (excludes) return { steps: 0, matches: () => false };
        throw this.refusal("UNSUPPORTED", key, "simple regular expressions", cause.message);
      }
    };
  }

  #get(aliases: string[], expected: string, isValid: (value: unknown) => boolean): unknown {
    const key = aliases.find((alias) => this.has(alias));
    if (key === undefined) return undefined;
    const value = this.#values[key];
    if (!isValid(value)) throw this.refusal("BAD_CONFIG", key, expected, describeJson(value));
    return value;
  }

  #pathOf(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }
}
