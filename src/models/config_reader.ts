/**
 * Reads a model's config.json without trusting it: each value has a type, a range and a name in the error.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { describeJson, isObject } from "../io/read.ts";

/** What is shared by readers of one object. */
interface Written {
  readonly values: Record<string, unknown>;
  readonly asked: Set<string>;
  readonly sections: Map<string, ConfigReader>;
  /** What keys are called where the values come from, by their paths; absent where they are called so. */
  readonly names?: ReadonlyMap<string, string>;
}

/** A JSON object with the file and path it came from. A key whose value is null counts as absent. */
export class ConfigReader {
  readonly file: string;
  readonly #path: string;
  readonly #values: Record<string, unknown>;
  /** What the file itself says, keys that were asked for, and objects in it. */
  readonly #written: Written;

  constructor(
    file: string,
    values: Record<string, unknown>,
    path = "",
    written?: Written,
    names?: ReadonlyMap<string, string>,
  ) {
    this.file = file;
    this.#path = path;
    this.#values = values;
    this.#written = written ?? { values, asked: new Set(), sections: new Map(), names };
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

  /** A finite number that passes `isPossible`. */
  number(key: string, isPossible: (value: number) => boolean): number {
    const value = this.#get(key);
    if (typeof value === "number" && Number.isFinite(value) && isPossible(value)) return value;
    throw this.wrong(key, "a number that it can be", value);
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
    const { sections } = this.#written;
    let section = sections.get(key);
    if (!section) {
      section = new ConfigReader(this.file, value, this.#pathTo(key), undefined, this.#written.names);
      sections.set(key, section);
    }
    return section;
  }

  /** Keys of the file that have a value and that nobody asked for, those of objects in it that were asked for included. */
  *unread(): Generator<{ reader: ConfigReader; key: string }, void, void> {
    const { values, asked, sections } = this.#written;
    for (const [key, value] of Object.entries(values)) {
      if (value !== null && !asked.has(key)) yield { reader: this, key };
    }
    for (const section of sections.values()) yield* section.unread();
  }

  /** Whether a key has one of these values. */
  isOneOf(key: string, values: readonly unknown[]): boolean {
    return values.includes(this.#get(key));
  }

  /** Whether a key has a list without elements. */
  isEmptyList(key: string): boolean {
    const value = this.#get(key);
    return Array.isArray(value) && value.length === 0;
  }

  /** The refusal of a key that changes what would be computed. */
  unsupportedKey(key: string): RemoraError {
    return this.unsupported(key, "a model without it", describeJson(this.#get(key)));
  }

  /** The object under a key; empty where there is none. */
  section(key: string): ConfigReader {
    return this.object(key) ??
      new ConfigReader(this.file, {}, this.#pathTo(key), undefined, this.#written.names);
  }

  /** The same with values for keys that are not there: what a tool leaves out is the reference's default; a null says "none". */
  withDefaults(defaults: Record<string, unknown>): ConfigReader {
    return new ConfigReader(this.file, { ...defaults, ...this.#values }, this.#path, this.#written);
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
    return new RemoraError("BAD_CONFIG", `Cannot use ${this.nameOf(key)} in`, {
      file: this.file,
      expected,
      found: found === undefined ? "nothing" : text,
    });
  }

  /** A well-formed value that names something we cannot run. */
  unsupported(key: string, expected: string, found: string): RemoraError {
    return new RemoraError("UNSUPPORTED", `Cannot run ${this.nameOf(key)} of`, {
      file: this.file,
      expected,
      found,
    });
  }

  #get(key: string): unknown {
    this.#written.asked.add(key);
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
    return value === null ? undefined : value;
  }

  /** What the file calls a key: it with the path to it, or the name of its own that it has there. */
  nameOf(key: string): string {
    const path = this.#pathTo(key), { names } = this.#written;
    return names?.get(path) ?? path;
  }

  #pathTo(key: string): string {
    return this.#path ? `${this.#path}.${key}` : key;
  }
}
