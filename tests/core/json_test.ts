import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { parseJson, type ParseJsonOptions } from "../../src/core/json.ts";
import { assertRefused } from "../errors.ts";

function parse(text: string, options?: ParseJsonOptions): unknown {
  return parseJson(new TextEncoder().encode(text), "some.json", options);
}

Deno.test("parseJson() returns what the text says", () => {
  deepStrictEqual(parse(' {"a": [1, -2.5e3, true, null, "x\\"y\\\\"], "b\\u0041": {}} '), {
    a: [1, -2500, true, null, 'x"y\\'],
    bA: {},
  });
  strictEqual(parse('"only a string: {[NaN"'), "only a string: {[NaN");
});

Deno.test("parseJson() refuses a key given twice, however it is spelt", async () => {
  await assertRefused(() => parse('{"a":1,"b":{"a":2},"a":3}'), "BAD_FILE", "some.json", '"a" twice');
  await assertRefused(() => parse('{"a":1,"\\u0061":3}'), "BAD_FILE", '"a" twice');
  await assertRefused(() => parse('{"a":"\\\\","b":1,"b":2}'), "BAD_FILE", '"b" twice');
  await assertRefused(() => parse('[{"x":{"k":1,"k" \n : 2}}]'), "BAD_FILE", '"k" twice');
});

Deno.test("parseJson() takes equal keys of different objects and equal values", () => {
  deepStrictEqual(parse('[{"a":"a"},{"a":"a"},["a","a"],{"b":{"b":"b"},"c":"b"}]'), [
    { a: "a" },
    { a: "a" },
    ["a", "a"],
    { b: { b: "b" }, c: "b" },
  ]);
  deepStrictEqual(parse('{"a":1,"a":2}', { asPython: true }), { a: 2 });
});

Deno.test("parseJson() takes what Python's json takes, when asked to", async () => {
  const asPython = { asPython: true };
  deepStrictEqual(parse('{"a":NaN,"b":-Infinity,"c":[Infinity, 1],"d":"NaN"}', asPython), {
    a: "NaN",
    b: "-Infinity",
    c: ["Infinity", 1],
    d: "NaN",
  });
  for (const wrong of ["[-NaN]", "[NaNN]", "[1NaN]", "[--Infinity]", "Nope", "[Infinity2]", "{NaN: 1}"]) {
    await assertRefused(() => parse(wrong, asPython), "BAD_FILE", "some.json");
  }
});

Deno.test("parseJson() refuses what Python writes for numbers that are not finite", async () => {
  for (const word of ["NaN", "Infinity", "-Infinity"]) {
    await assertRefused(
      () => parse(`{"a": ${word}}`),
      "BAD_FILE",
      "some.json",
      "NaN and Infinity are not JSON",
    );
  }
});

Deno.test("parseJson() refuses 3,000,000 nested arrays quickly", async () => {
  const start = performance.now();
  await assertRefused(() => parse("[".repeat(3_000_000)), "BAD_FILE", "128 levels");
  ok(performance.now() - start < 2000);
});

Deno.test("parseJson() counts levels exactly", async () => {
  deepStrictEqual(parse("[[[]],[[]]]", { maxDepth: 3 }), [[[]], [[]]]);
  await assertRefused(() => parse("[[[{}]]]", { maxDepth: 3 }), "BAD_FILE", "3 levels");
});

Deno.test("parseJson() refuses bytes that are not UTF-8, and a byte order mark", async () => {
  const invalid = new Uint8Array([0x22, 0xff, 0x22]);
  await assertRefused(() => parseJson(invalid, "some.json", { code: "BAD_CONFIG" }), "BAD_CONFIG", "UTF-8");
  await assertRefused(() => parse("\ufeff{}"), "BAD_FILE", "some.json");
});

Deno.test("parseJson() refuses text that is not JSON", async () => {
  for (
    const text of ["", "{", "{]", '"', '"\\', "{'a':1}", "[1,]", "nul", "{} {}", '{"a":1,"b\\x":2}', "]]]]"]
  ) {
    await assertRefused(() => parse(text), "BAD_FILE", "some.json");
  }
});

Deno.test("parseJson() keeps __proto__ an ordinary key", () => {
  const value = parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>;
  ok(Object.hasOwn(value, "__proto__"));
  strictEqual(Object.getPrototypeOf(value), Object.prototype);
  strictEqual(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test("parseJson() reads a header of 100,000 tensors within two seconds", () => {
  const members = Array.from(
    { length: 100_000 },
    (_, i) =>
      `"model.layers.${i}.mlp.experts.7.down_proj.qweight":{"dtype":"I32","shape":[4,8],"data_offsets":[0,9]}`,
  );
  const start = performance.now();
  strictEqual(Object.keys(parse(`{${members.join(",")}}`) as object).length, 100_000);
  ok(performance.now() - start < 2000);
});
