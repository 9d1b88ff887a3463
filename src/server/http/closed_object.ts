/**
 * Objects that have no members but the named ones.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";

/**
 * An object whose members are all known. A member that is null is as good as none, known or not: clients write out the fields of
 * their own libraries, with null for what was not set.
 */
export function closedObject<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.StrictObjectSchema<Entries, undefined> {
  const schema = v.strictObject(entries);
  return {
    ...schema,
    "~run"(dataset, config) {
      return schema["~run"]({ value: withoutUnknownNulls(dataset.value, entries) }, config);
    },
  };
}

function withoutUnknownNulls(value: unknown, entries: v.ObjectEntries): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const isUnknownNull = ([name, member]: [string, unknown]) =>
    member === null && !Object.hasOwn(entries, name);
  const members = Object.entries(value);
  if (!members.some(isUnknownNull)) return value;
  return Object.fromEntries(members.filter((member) => !isUnknownNull(member)));
}
