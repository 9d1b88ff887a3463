/**
 * What stands under a keyword, checked.
 *
 * @module
 */
import { badSchema, type SchemaNode } from "./schema_document.ts";

/** @throws {RemoraError} BAD_ARGUMENT for what is no list; so do the others for what they are called after. */
export function list(value: unknown, { place }: SchemaNode, keyword: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw badSchema(place, keyword, "a list", value);
}

/** A list of strings. */
export function strings(value: unknown, node: SchemaNode, keyword: string): string[] {
  return list(value, node, keyword).map((name) => string(name, node, keyword));
}

/** A string. */
export function string(value: unknown, { place }: SchemaNode, keyword: string): string {
  if (typeof value === "string") return value;
  throw badSchema(place, keyword, "a string", value);
}

/** An object. */
export function record(value: unknown, { place }: SchemaNode, keyword: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw badSchema(place, keyword, "an object", value);
}

/** A finite number. */
export function number(value: unknown, { place }: SchemaNode, keyword: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw badSchema(place, keyword, "a number", value);
}

/** A number above 0. */
export function positive(value: unknown, node: SchemaNode, keyword: string): number {
  if (number(value, node, keyword) > 0) return value as number;
  throw badSchema(node.place, keyword, "a number above 0", value);
}

/** A whole number from 0 on. */
export function count(value: unknown, node: SchemaNode, keyword: string): number {
  if (number(value, node, keyword) >= 0 && Number.isInteger(value)) return value as number;
  throw badSchema(node.place, keyword, "a whole number from 0 on", value);
}
