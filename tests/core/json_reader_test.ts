/**
 * Truth: `JSON.parse` of the same text, and UTF-8 as `TextDecoder` reads it.
 */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { JsonReader, LIST, OBJECT, readMembers } from "../../src/core/json_reader.ts";
import { Utf8Buffer } from "../../src/core/utf8.ts";
import { assertRefused, refusalOf } from "../errors.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

function readString(bytes: Uint8Array): string {
  const reader = new JsonReader(bytes, "some.json"), text = new Utf8Buffer(1);
  reader.string(text);
  reader.end();
  return text.toString();
}

/** Everything by the reader alone, as far as it goes. */
function read(reader: JsonReader): unknown {
  if (reader.isAtList) {
    const list: unknown[] = [];
    for (let more = reader.opens(LIST); more; more = reader.goesOn(LIST)) list.push(read(reader));
    return list;
  }
  if (!reader.isAtString) return reader.value();
  const text = new Utf8Buffer(1);
  reader.string(text);
  return text.toString();
}

function readAll(text: string): unknown {
  const reader = new JsonReader(bytesOf(text), "some.json");
  const value = read(reader);
  reader.end();
  return value;
}

Deno.test("JsonReader reads what JSON.parse reads", () => {
  for (
    const text of [
      ' [ "a" , [ ] , [ [ "b\\u0041\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t" ] ] , 0 , 12 , -1 , 1.5e3 , 123456789012 ] ',
      '["é", "中", "\\u4e2d", "🐍", "\u007f\\u0000"]',
      '[true, false, null, {"a": [1, {"b": "]"}]}]',
      '"{[\\""',
    ]
  ) deepStrictEqual(readAll(text), JSON.parse(text));
});

Deno.test("JsonReader refuses whatever JSON.parse refuses", async () => {
  const wrong = [
    "",
    " ",
    "[",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[]]",
    "[1}",
    '["a',
    '"a\\"',
    '["\\x"]',
    '["\\u12g4"]',
  ];
  wrong.push(
    '["\\u12"]',
    '["\n"]',
    "[01]",
    "[1.]",
    "[+1]",
    "[.5]",
    "[nul]",
    "[-]",
    "[1]x",
    '[{"a":1]',
    '[{"a" 1}]',
  );
  for (const text of wrong) {
    throws(() => JSON.parse(text), SyntaxError, text);
    await assertRefused(() => readAll(text), "BAD_FILE", "some.json");
  }
  for (const text of ["[NaN]", "[-Infinity]", '[{"a":1,"a":2}]']) {
    await assertRefused(() => readAll(text), "BAD_FILE", "some.json");
  }
});

Deno.test("JsonReader refuses half a character, which JSON.parse takes", async () => {
  for (const text of ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\n", "\\ud800\\ud800", "\\udc00\\ud800"]) {
    await assertRefused(() => readAll(`["${text}"]`), "BAD_FILE", "surrogate");
  }
});

Deno.test("JsonReader takes and refuses the sequences of bytes that TextDecoder takes and refuses", async () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const edges = [
    0x41,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc0,
    0xc1,
    0xc2,
    0xdf,
    0xe0,
    0xe1,
    0xec,
    0xed,
  ];
  edges.push(0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff);
  let taken = 0, refused = 0;
  for (const a of edges) {
    for (const b of edges) {
      for (const c of edges) {
        for (const d of [0x41, 0x80, 0xbf, 0xc2]) {
          const bytes = Uint8Array.of(0x22, a, b, c, d, 0x22);
          let text: string | undefined;
          try {
            text = decoder.decode(bytes.subarray(1, 5));
          } catch {
            refused++;
            await refusalOf(() => readString(bytes));
            continue;
          }
          taken++;
          strictEqual(readString(bytes), text);
        }
      }
    }
  }
  strictEqual(taken > 100 && refused > 10_000, true);
});

Deno.test("readMembers() gives every value as it lies in the file, and refuses keys given twice", async () => {
  const members = readMembers(
    bytesOf(' {"a" : [1, "}"] ,"\\u0062":"x\\"", "__proto__":{}, "":-1 } '),
    "an object",
    "some.json",
  );
  deepStrictEqual(
    [...members].map(([key, value]) => [key, new TextDecoder().decode(value)]),
    [["a", '[1, "}"]'], ["b", '"x\\""'], ["__proto__", "{}"], ["", "-1"]],
  );
  const refuse = (text: string, ...words: string[]) =>
    assertRefused(
      () => readMembers(bytesOf(text), "an object here", "some.json", "BAD_CONFIG"),
      "BAD_CONFIG",
      ...words,
    );
  await refuse('{"a":1,"\\u0061":2}', '"a" twice');
  await refuse("[]", "an object here", "[]");
  await refuse("\ufeff{}", "an object here");
  for (const text of ["", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', "{} {}", "{a:1}", '{"a":[}']) {
    await refuse(text);
  }
});

Deno.test("JsonReader goes over 3,000,000 nested lists quickly and without recursion", async () => {
  const start = performance.now();
  await assertRefused(
    () => new JsonReader(bytesOf("[".repeat(3_000_000)), "some.json").stretch(),
    "BAD_FILE",
  );
  const nested = bytesOf("[".repeat(3_000_000) + "]".repeat(3_000_000));
  await assertRefused(() => new JsonReader(nested, "some.json").value(), "BAD_FILE", "128 levels");
  strictEqual(performance.now() - start < 2000, true);
});

Deno.test("countElements() counts by commas and stays where it is", () => {
  const reader = new JsonReader(bytesOf(' {"a,b": [1, 2], "c": {"d": 1, "e": 2}, "f": ","}'), "some.json");
  strictEqual(reader.countElements(), 3);
  strictEqual(reader.opens(OBJECT), true);
});
