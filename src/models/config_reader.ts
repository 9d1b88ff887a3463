/**
 * Reads a model's config.json without trusting it: each value has a type, a range and a name in the error.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { describeJson, isObject } from "../io/read.ts";

/** A JSON object with the file and path it came from. A key whose value is null counts as absent. */
export class ConfigReader {
  readonly file: string;
  readonly #path: string;
  readonly #values: Record<string, unknown>;

  constructor(file: string, values: Record<string, unknown>, path = "") {
    this.file = file;
    this.#path = path;
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** An integer from `min` to `max`, both included. */
  integer(key: string, min: number, max: number, fallback?: number): number {
    const value = this.#get(key) ?? fallback;
    if (Number.isInteger(value) && value as number >= min && value as number <= max) return value as number;
    throw this.wrong(key, `an integer from ${min} to ${max}`, value);
  }

  /** A finite number above `min`. */
  numberAbove(key: string, min: number, fallback?: number): number {
    const value = this.#get(key) ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > min) return value;
    throw this.wrong(key, `a number above ${min}`, value);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.#get(key) ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.wrong(key, "true or false", value);
  }

  string(key: string, fallback?: string): string {
    const value = this.#get(key) ?? fallback;
    if (typeof value === "string") return value;
    throw this.wrong(key, "a string", value);
  }

  /** An array of exactly `length` elements that all pass `check`. */
  list<T>(key: string, length: number, what: string, check: (value: unknown) => value is T): T[] {
    const value = this.#get(key);
    if (Array.isArray(value) && value.length === length && value.every(check)) return value;
    throw this.wrong(key, `${length} ${what}`, Array.isArray(value) ? `${value.length} elements` : value);
  }

  /** The object under a key, or `undefined`. */
  object(key: string): ConfigReader | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.wrong(key, "an object", value);
    return new ConfigReader(this.file, value, this.#name(key));
  }

  /** The object under a key; empty where there is none. */
  section(key: string): ConfigReader {
    return this.object(key) ?? new ConfigReader(this.file, {}, this.#name(key));
  }

  /** The same with values for keys that are absent. */
  withDefaults(defaults: Record<string, unknown>): ConfigReader {
    const given = Object.fromEntries(Object.entries(this.#values).filter(([, value]) => value !== null));
    return new ConfigReader(this.file, { ...defaults, ...given }, this.#path);
  }

  /** An integer or a list of integers, as `eos_token_id` is written. */
  integers(key: string): number[] {
    const value = this.#get(key);
    if (value === undefined) return [];
    const list = Array.isArray(value) ? value : [value];
    if (list.every((item) => Number.isInteger(item) && item >= 0)) return list;
    throw this.wrong(key, "an integer or a list of integers", value);
  }

  wrong(key: string, expected: string, found: unknown): RemoraError {
    const text = typeof found === "string" ? found : describeJson(found);
    return new RemoraError("BAD_CONFIG", `Cannot use ${this.#name(key)} in`, {
      file: this.file,
      expected,
      found: found === undefined ? "nothing" : text,
    });
  }

  /** A well-formed value that names something we cannot run. */
  unsupported(key: string, expected: string, found: string): RemoraError {
    return new RemoraError("UNSUPPORTED", `Cannot run ${this.#name(key)} of`, {
      file: this.file,
      expected,
      found,
    });
  }

  #get(key: string): unknown {
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
    return value === null ? undefined : value;
  }

  #name(key: string): string {
    return this.#path ? `${this.#path}.${key}` : key;
  }
}
