/**
 * Schemas in the words of earlier drafts. Which values fit was computed by Python's `jsonschema` 4.26 with Draft4Validator and
 * Draft7Validator.
 */
import { equal } from "node:assert/strict";
import { compileJsonSchema } from "../../src/grammar/json/json_schema.ts";
import { TermStore } from "../../src/grammar/terms.ts";

const CASES = JSON.parse(
  Deno.readTextFileSync(new URL("../cases/earlier_drafts.json", import.meta.url)),
);

Deno.test("lists of items, dependencies and exclusive bounds mean what they did", () => {
  for (const { draft, schema, values } of CASES) {
    const store = new TermStore();
    const term = compileJsonSchema(store, schema);
    for (const [value, isValid] of values) {
      const text = JSON.stringify(value);
      equal(store.matches(term, text), isValid, `draft ${draft}: ${JSON.stringify(schema)} on ${text}`);
    }
  }
});
