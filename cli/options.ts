/**
 * Command-line options: declared once as data, from which the command line is parsed and the help is printed.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { nearestName } from "../mod.ts";
import { UsageError } from "./usage_error.ts";

/** One option. */
export interface OptionDefinition {
  /** What it does, in a few words. */
  help: string;
  /** One letter for `-x`. */
  short?: string;
  /** What stands for the value in the help; without it the option is a flag. */
  value?: string;
  /** Whether it may be given several times. */
  isRepeatable?: boolean;
}

/** Options by their long names. */
export type OptionDefinitions = Readonly<Record<string, OptionDefinition>>;

/** Numbers that an option accepts. */
export interface NumberRange {
  from?: number;
  /** Like `from`, the number itself excluded. */
  above?: number;
  to?: number;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** What a command line says; values are checked when they are read. */
export class Options {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, string[]>;

  private constructor(positionals: string[], values: Map<string, string[]>) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** @throws {UsageError} For an unknown option, a missing value, or a value given to a flag. */
  static parse(args: string[], definitions: OptionDefinitions): Options {
    const config = Object.fromEntries(
      Object.entries(definitions).map(([name, { short, value }]) => [
        name,
        { type: value ? "string" as const : "boolean" as const, ...(short && { short }) },
      ]),
    );
    const { tokens } = parseArgs({ args, options: config, strict: false, tokens: true });
    const positionals: string[] = [];
    const values = new Map<string, string[]>();
    for (const token of tokens) {
      if (token.kind === "positional") positionals.push(token.value);
      if (token.kind !== "option") continue;
      const { name, rawName, value } = token;
      if (!Object.hasOwn(definitions, name)) {
        throw unknownOption(rawName, Object.keys(definitions));
      }
      const definition = definitions[name];
      if (definition.value) refuseMissingValue(name, definition.value, value, token.inlineValue);
      else if (value !== undefined) {
        throw new UsageError(`Cannot use ${rawName}: expected no value, found ${value}`);
      }
      const before = definition.isRepeatable ? values.get(name) ?? [] : [];
      values.set(name, [...before, value ?? ""]);
    }
    return new Options(positionals, values);
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  list(name: string): string[] {
    return this.#values.get(name) ?? [];
  }

  /** @throws {UsageError} */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const found = this.text(name);
    if (found === undefined || choices.includes(found as T)) return found as T | undefined;
    throw unusable(name, choices.join(" or "), found);
  }

  /** @throws {UsageError} */
  integer(name: string, range: NumberRange = {}): number | undefined {
    return this.#number(name, "an integer", range, Number.isSafeInteger);
  }

  /**
   * Integers separated by commas.
   *
   * @throws {UsageError}
   */
  integers(name: string, range: NumberRange = {}): number[] | undefined {
    const found = this.text(name);
    if (found === undefined) return undefined;
    return found.split(",").map((item) => {
      const value = readNumber(item, range, Number.isSafeInteger);
      if (value !== undefined) return value;
      throw unusable(name, `integers${describeRange(range)}, separated by commas`, found);
    });
  }

  /** @throws {UsageError} */
  number(name: string, range: NumberRange = {}): number | undefined {
    return this.#number(name, "a number", range, Number.isFinite);
  }

  #number(name: string, kind: string, range: NumberRange, isRight: (value: number) => boolean) {
    const found = this.text(name);
    if (found === undefined) return undefined;
    const value = readNumber(found, range, isRight);
    if (value !== undefined) return value;
    throw unusable(name, kind + describeRange(range), found);
  }
}

/** The options as aligned lines of help. */
export function describeOptions(definitions: OptionDefinitions): string {
  const rows = Object.entries(definitions).map(([name, { short, value, help }]) => ({
    left: `  ${short ? `-${short},` : "   "} --${name}${value ? ` ${value}` : ""}`,
    help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, help }) => `${left.padEnd(width)}  ${help}`).join("\n");
}

function unknownOption(rawName: string, known: string[]): UsageError {
  const meant = rawName.startsWith("--") ? nearestName(rawName.slice(2), known) : undefined;
  return new UsageError(`unknown option ${rawName}; ${meant ? `did you mean --${meant}?` : "see --help"}`);
}

function refuseMissingValue(name: string, wanted: string, value?: string, isInline?: boolean): void {
  const isOption = value !== undefined && !isInline && /^-./.test(value) && !DECIMAL.test(value);
  if (value !== undefined && !isOption) return;
  const found = isOption ? `${value} (a value that begins with - is written --${name}=VALUE)` : "nothing";
  throw new UsageError(`Cannot use --${name}: expected ${wanted}, found ${found}`);
}

function readNumber(
  text: string,
  { from = -Infinity, above = -Infinity, to = Infinity }: NumberRange,
  isRight: (value: number) => boolean,
): number | undefined {
  const value = DECIMAL.test(text) ? Number(text) : NaN;
  return isRight(value) && value >= from && value > above && value <= to ? value : undefined;
}

function describeRange({ from, above, to }: NumberRange): string {
  const low = from !== undefined ? ` from ${from}` : above !== undefined ? ` above ${above}` : "";
  const high = to !== undefined ? ` ${above !== undefined ? "up to" : "to"} ${to}` : "";
  return low + (high || (from !== undefined ? " on" : ""));
}

function unusable(name: string, expected: string, found: string): UsageError {
  return new UsageError(`Cannot use --${name}: expected ${expected}, found "${found}"`);
}
