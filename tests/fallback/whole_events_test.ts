/**
 * Events are never cut, and no byte is lost or added, wherever the network cut them.
 */
import { deepEqual, ok } from "node:assert/strict";
import { wholeEvents } from "../../src/fallback/whole_events.ts";

const encode = (text: string) => new TextEncoder().encode(text);

async function passed(pieces: Uint8Array<ArrayBuffer>[]): Promise<string[]> {
  const source = async function* () {
    yield* pieces;
  };
  const out: string[] = [];
  for await (const piece of wholeEvents(source())) out.push(new TextDecoder().decode(piece));
  return out;
}

for (const [name, end] of [["LF", "\n"], ["CR LF", "\r\n"], ["CR", "\r"]]) {
  Deno.test(`events whose lines end with ${name}, cut at every two places`, async () => {
    const text = `: hi${end}${end}event: a${end}data: {"x":"ü"}${end}${end}data: 1${end}data: 2${end}${end}`;
    const bytes = encode(text);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second += 3) {
        const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        const out = await passed(pieces.filter(({ length }) => length > 0));
        deepEqual(out.join(""), text);
        // Where lines end with CR LF, a CR is an end already, and its line feed may come alone.
        ok(out.every((piece) => /(\n\n|\r\r|\r\n\r\n|\n\r|^\n)$/.test(piece)), JSON.stringify(out));
      }
    }
  });
}

Deno.test("what is no whole event comes at the end, and one beyond the limit as it comes", async () => {
  deepEqual(await passed([encode("data: 1\n\ndata: 2")]), ["data: 1\n\n", "data: 2"]);
  const long = encode("x".repeat(1024 * 1024));
  const out = await passed(Array.from({ length: 6 }, () => long));
  deepEqual(out.map(({ length }) => length), [5 * 1024 * 1024, 1024 * 1024]);
});
