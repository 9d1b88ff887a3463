/**
 * What earlier drafts of JSON Schema spelled otherwise, in the words of draft 2020-12: many tools still write draft 7 or OpenAPI 3.0,
 * and none of these spellings has another meaning today.
 *
 * @module
 */

type Json = Record<string, unknown>;

/** A schema without the spellings of earlier drafts; the parts below it as they are. */
export function inCurrentDraft(schema: Json): Json {
  let current = schema;
  // Until 2019-09 a list under items went item by item, and additionalItems was the rest.
  if (Array.isArray(schema.items) && !("prefixItems" in schema)) {
    const { items: prefixItems, additionalItems, ...others } = current;
    current = { ...others, prefixItems, ...(additionalItems !== undefined && { items: additionalItems }) };
  }
  // Until draft 7 one keyword held names and schemas.
  if (isRecord(schema.dependencies) && !("dependentRequired" in schema || "dependentSchemas" in schema)) {
    const { dependencies, ...others } = current;
    const entries = Object.entries(dependencies as Json);
    const required = entries.filter(([, needed]) => Array.isArray(needed));
    const schemas = entries.filter(([, needed]) => !Array.isArray(needed));
    current = {
      ...others,
      ...(required.length > 0 && { dependentRequired: Object.fromEntries(required) }),
      ...(schemas.length > 0 && { dependentSchemas: Object.fromEntries(schemas) }),
    };
  }
  // In draft 4 and OpenAPI 3.0 a boolean said of the bound beside it whether it belongs.
  for (const [bound, exclusive] of [["minimum", "exclusiveMinimum"], ["maximum", "exclusiveMaximum"]]) {
    const { [bound]: value, [exclusive]: excludes, ...others } = current;
    if (excludes === false) current = value === undefined ? others : { ...others, [bound]: value };
    else if (excludes === true && value !== undefined) current = { ...others, [exclusive]: value };
  }
  return current;
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
