/** Truth: the definition, evaluated by looking at every prefix of the whole text. */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { StopStrings } from "../../src/text/stop_strings.ts";

/** Text before the first stop string, the slow way. */
function reference(text: string, stops: string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) =>
      b.length - a.length
    );
    if (ending.length > 0) return text.slice(0, end - ending[0].length);
  }
  return text;
}

function stream(pieces: string[], stops: string[]): string {
  const filter = new StopStrings(stops);
  let text = "";
  for (const piece of pieces) {
    const result = filter.push(piece);
    text += result.text;
    if (result.stopped) return text;
  }
  return text + filter.flush();
}

Deno.test("StopStrings gives the same text for every way of cutting it", () => {
  // All texts of up to 6 letters over a two-letter alphabet, whole, in letters and in pairs.
  const sets = [["ab"], ["aab", "ba"], ["abab", "bb"], ["a"], ["aaa", "aab"], ["abba", "bb", "ba"], []];
  for (let length = 0; length <= 6; length++) {
    for (let bits = 0; bits < 2 ** length; bits++) {
      const text = Array.from({ length }, (_, i) => (bits >> i) & 1 ? "b" : "a").join("");
      for (const stops of sets) {
        const expected = reference(text, stops);
        for (const pieces of [[text], [...text], text.match(/.{1,2}/g) ?? [], ["", ...text, ""]]) {
          assert.equal(stream(pieces, stops), expected, text);
        }
      }
    }
  }
});

Deno.test("StopStrings releases text as soon as it cannot begin a stop string", () => {
  const filter = new StopStrings(["\nUser:"]);
  assert.deepEqual(filter.push("Hello"), { text: "Hello", stopped: false });
  assert.deepEqual(filter.push("\nUs"), { text: "", stopped: false });
  assert.deepEqual(filter.push("ually"), { text: "\nUsually", stopped: false });
  assert.deepEqual(filter.push("\nUser: x"), { text: "", stopped: true });
  assert.deepEqual(filter.push("more"), { text: "", stopped: true });
  assert.equal(filter.flush(), "");
});

Deno.test("StopStrings.flush() gives what was held back, once", () => {
  const filter = new StopStrings(["END"]);
  assert.equal(filter.push("the EN").text, "the ");
  assert.equal(filter.flush(), "EN");
  assert.equal(filter.flush(), "");
});

Deno.test("StopStrings refuses an empty stop string", () => {
  for (const stop of ["", 5 as unknown as string, undefined as unknown as string]) {
    assert.throws(
      () => new StopStrings(["a", stop]),
      (error) =>
        error instanceof RemoraError && error.code === "BAD_ARGUMENT" && error.message.includes("stop"),
    );
  }
});
