/**
 * What a shape asks of the items of an array and of the properties of an object, one by one.
 *
 * @module
 */
import type { ArrayPart, Conditions, ObjectPart, Shape, Unevaluated } from "./shape.ts";
import { unsupported } from "./schema_document.ts";

/** Patterns of names that are told apart in one object: every combination of them is a kind of property. */
const PATTERNS_MAX = 5;

/** A property that is known by its name. */
export interface Member {
  readonly name: string;
  readonly conditions: Conditions;
  readonly isRequired: boolean;
}

/** Properties of other names, by the patterns that their names match and do not match. */
export interface Extras {
  readonly matched: readonly string[];
  readonly unmatched: readonly string[];
  readonly conditions: Conditions;
}

/** Conditions on the item at an index. */
export function itemConditions({ parts, unevaluated }: Shape["array"], index: number): Conditions {
  const asked = parts.flatMap(({ prefix, rest }) => prefix[index] ?? rest ?? []);
  const speaks = (part: ArrayPart) => index < part.prefix.length || part.rest !== undefined;
  return [...asked, ...unevaluatedConditions(unevaluated, parts.filter(speaks))];
}

/** Items from this index on are all alike. */
export function prefixLength({ parts }: Shape["array"]): number {
  return parts.reduce((most, { prefix }) => Math.max(most, prefix.length), 0);
}

/** Conditions on the property of a name. */
export function propertyConditions({ parts, unevaluated }: Shape["object"], name: string): Conditions {
  return conditionsOf(parts, unevaluated, (part) => ({
    named: part.properties.get(name),
    matches: (source) => new RegExp(source, "u").test(name),
  }));
}

/** The properties that are known by name, in the order of the schema. */
export function membersOf(object: Shape["object"]): Member[] {
  const names = new Set([
    ...object.parts.flatMap(({ properties }) => [...properties.keys()]),
    ...object.required,
  ]);
  return [...names].map((name) => ({
    name,
    conditions: propertyConditions(object, name),
    isRequired: object.required.includes(name),
  }));
}

/** @throws {RemoraError} UNSUPPORTED for too many patterns. */
export function extrasOf({ parts, unevaluated, place }: Shape["object"]): Extras[] {
  const sources = [...new Set(parts.flatMap(({ patterns }) => patterns.map(({ source }) => source)))];
  if (sources.length > PATTERNS_MAX) {
    throw unsupported(place, "patternProperties", `at most ${PATTERNS_MAX} patterns`, `${sources.length}`);
  }
  return Array.from({ length: 1 << sources.length }, (_, bits) => {
    const matched = sources.filter((_, i) => bits >> i & 1);
    const conditions = conditionsOf(parts, unevaluated, () => ({
      named: undefined,
      matches: (source) => matched.includes(source),
    }));
    return { matched, unmatched: sources.filter((source) => !matched.includes(source)), conditions };
  });
}

function conditionsOf(
  parts: readonly ObjectPart[],
  unevaluated: readonly Unevaluated[],
  look: (part: ObjectPart) => { named?: Conditions; matches(source: string): boolean },
): Conditions {
  const asked: Conditions[] = [];
  const speaking: ObjectPart[] = [];
  for (const part of parts) {
    const { named, matches } = look(part);
    const found = part.patterns.filter(({ source }) => matches(source)).map(({ conditions }) => conditions);
    if (named) found.push(named);
    if (found.length === 0 && part.additional) found.push(part.additional);
    if (found.length > 0) speaking.push(part);
    asked.push(...found);
  }
  return [...asked.flat(), ...unevaluatedConditions(unevaluated, speaking)];
}

function unevaluatedConditions(
  unevaluated: readonly Unevaluated[],
  speaking: readonly { owners: ReadonlySet<number> }[],
): Conditions {
  return unevaluated.filter(({ owner }) =>
    !speaking.some(({ owners }) => owners.has(owner)) && !unevaluated.some(({ owners }) => owners.has(owner))
  ).flatMap(({ conditions }) => conditions);
}
