/**
 * Typed access to the metadata of a GGUF file.
 *
 * @module
 */
import { type ErrorCode, RemoraError } from "../../core/errors.ts";
import type { MetadataValue } from "../containers/gguf/cursor.ts";

/** The items of a file. */
export class Metadata {
  readonly #items: ReadonlyMap<string, MetadataValue>;

  constructor(readonly file: string, items: ReadonlyMap<string, MetadataValue>) {
    this.#items = items;
  }

  keys(): Iterable<string> {
    return this.#items.keys();
  }

  get(key: string): MetadataValue | undefined {
    return this.#items.get(key);
  }

  number(key: string): number | undefined {
    return this.#typed(key, "a number", (value) => typeof value === "number") as number | undefined;
  }

  string(key: string): string | undefined {
    return this.#typed(key, "a string", (value) => typeof value === "string") as string | undefined;
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, "true or false", (value) => typeof value === "boolean") as boolean | undefined;
  }

  /** Elements are checked by their first: a file's arrays have one type. */
  strings(key: string): readonly string[] | undefined {
    return this.#list(key, "string") as readonly string[] | undefined;
  }

  /** As `strings`. */
  numbers(key: string): readonly number[] | undefined {
    return this.#list(key, "number") as readonly number[] | undefined;
  }

  refusal(code: ErrorCode, key: string, expected: string, found: string): RemoraError {
    return new RemoraError(code, "Cannot use the metadata of", {
      file: this.file,
      expected: `${key} to be ${expected}`,
      found,
    });
  }

  #list(key: string, type: "string" | "number"): unknown {
    const isList = (value: MetadataValue) =>
      Array.isArray(value) && (value.length === 0 || typeof value[0] === type);
    return this.#typed(key, `a list of ${type}s`, isList);
  }

  #typed(key: string, expected: string, isValid: (value: MetadataValue) => boolean): unknown {
    const value = this.#items.get(key);
    if (value === undefined || isValid(value)) return value;
    const found = Array.isArray(value) ? `an array of ${value.length}` : JSON.stringify(value);
    throw this.refusal("BAD_CONFIG", key, expected, found);
  }
}
