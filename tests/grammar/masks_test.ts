/**
 * Masks against trying every token byte by byte, on vocabularies with and without all bytes.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { compileJsonSchema } from "../../src/grammar/json/json_schema.ts";
import { compileRegex } from "../../src/grammar/regex.ts";
import { Grammar } from "../../src/grammar/grammar.ts";
import { type Term, TermStore } from "../../src/grammar/terms.ts";
import { type TokenBytes, TokenTries } from "../../src/grammar/token_tries.ts";
import { Random } from "../../src/sampling/random.ts";

const encoder = new TextEncoder();

/** Single bytes, and random pieces of JSON and text. */
function vocabulary(random: Random, lacking: readonly number[]): TokenBytes & { texts: Uint8Array[] } {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random.nextFloat() * from.length)];
  const pieces = [
    '"',
    '":',
    ',"',
    '{"',
    "}",
    "]",
    "[",
    " ",
    "  ",
    "\n",
    "a",
    "ab",
    "the ",
    "é",
    "😀",
    "\\",
    "\\u",
    "00",
    "1",
    "12",
    ".5",
    "-",
    "true",
    "null",
    "e",
  ];
  const texts = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)).filter(([byte]) =>
    !lacking.includes(byte)
  );
  for (let i = 0; i < 600; i++) {
    texts.push(
      encoder.encode(
        Array.from({ length: 1 + Math.floor(random.nextFloat() * 4) }, () => pick(pieces)).join(""),
      ),
    );
  }
  // Parts of characters are tokens too.
  texts.push(
    Uint8Array.of(0xc3),
    Uint8Array.of(0xf0, 0x9f),
    Uint8Array.of(0x98, 0x80, 0x22),
    new Uint8Array(),
  );
  return {
    texts,
    vocabSize: texts.length + 1,
    tokenBytes: (id) => texts[id] ?? new Uint8Array(),
    isSpecial: (id) => id === texts.length,
  };
}

const SCHEMAS: unknown[] = [
  { type: "object" },
  true,
  { type: "string", maxLength: 7 },
  { type: "string", minLength: 3, pattern: "^[a-z é]*$" },
  { type: "array", items: { type: "integer", minimum: -3, maximum: 120 }, minItems: 1, maxItems: 4 },
  { enum: ["the ", "theatre", "é😀", 12.5, null] },
  {
    type: "object",
    properties: { a: { type: "string" }, ab: { type: "number" } },
    required: ["ab"],
    additionalProperties: false,
  },
  { $ref: "#/$defs/tree", $defs: { tree: { type: "array", items: { $ref: "#/$defs/tree" } } } },
];

Deno.test("a mask has exactly the tokens whose bytes the grammar takes one by one", () => {
  const random = Random.fromSeed(5);
  for (const lacking of [[], [0x04, 0x06, 0xf1, 0xf2], [0x7a, 0x39]]) {
    const tokens = vocabulary(random, lacking);
    const words = new TokenTries(tokens);
    for (
      const compile of [
        ...SCHEMAS.map((schema) => (store: TermStore) => compileJsonSchema(store, schema)),
        (store: TermStore) => compileRegex(store, "[a-z ]{0,30}(é|😀)+.*"),
      ]
    ) {
      const store = new TermStore(words.alphabet);
      const term = compile(store);
      const state = new Grammar(store, term, words).begin();
      let alone: Term = term;
      for (let step = 0; step < 25 && !state.isOver; step++) {
        const mask = state.mask();
        const allowed = tokens.texts.flatMap((bytes, id) =>
          bytes.length > 0 && store.after(alone, bytes).kind !== "nothing" ? [id] : []
        );
        const found = tokens.texts.flatMap((_, id) => (mask[id >> 5] >>> (id & 31) & 1) === 1 ? [id] : []);
        deepEqual(found, allowed);
        ok(allowed.length > 0 || state.mayEnd, "no answer comes to a dead end");
        equal(mask[tokens.texts.length >> 5] >>> (tokens.texts.length & 31) & 1, 0, "no special token");
        if (allowed.length === 0) break;
        const id = allowed[Math.floor(random.nextFloat() * allowed.length)];
        ok(state.push(id));
        alone = store.after(alone, tokens.texts[id]);
        equal(state.mayEnd, alone.isNullable);
      }
    }
  }
});

Deno.test("a random walk under a schema ends in a value that fits, or can still become one", () => {
  const random = Random.fromSeed(11);
  const tokens = vocabulary(random, []);
  const words = new TokenTries(tokens);
  const schema = {
    type: "object",
    properties: {
      name: { type: "string", maxLength: 5 },
      size: { type: "integer", minimum: 1, maximum: 50 },
    },
    required: ["name", "size"],
    additionalProperties: false,
  };
  const store = new TermStore(words.alphabet);
  const grammar = new Grammar(store, compileJsonSchema(store, schema), words);
  let finished = 0;
  for (let round = 0; round < 60; round++) {
    const state = grammar.begin();
    const bytes: number[] = [];
    while (!state.isOver && bytes.length < 2000) {
      const mask = state.mask();
      const allowed = tokens.texts.flatMap((_, id) => (mask[id >> 5] >>> (id & 31) & 1) === 1 ? [id] : []);
      const id = allowed[Math.floor(random.nextFloat() * allowed.length)];
      state.push(id);
      bytes.push(...tokens.texts[id]);
    }
    if (!state.isOver) continue;
    finished++;
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)));
    deepEqual(Object.keys(value).sort(), ["name", "size"]);
    ok([...value.name].length <= 5 && Number.isInteger(value.size) && value.size >= 1 && value.size <= 50);
  }
  ok(finished > 50);
});
