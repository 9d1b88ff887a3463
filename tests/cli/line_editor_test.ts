/**
 * What a terminal sends and what is drawn, against a small terminal of the test's own that knows cells, wraps and the few sequences that
 * the editor writes.
 */
import assert from "node:assert/strict";
import { KeyDecoder, type Press } from "../../cli/keys.ts";
import { after, before, layOut } from "../../cli/text_layout.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Presses with neighbouring texts joined. */
function pressesOf(...pieces: Uint8Array[]): Press[] {
  const decoder = new KeyDecoder();
  const presses: Press[] = [];
  for (const press of pieces.flatMap((piece) => decoder.push(piece))) {
    const last = presses.at(-1);
    if ("text" in press && last && "text" in last) {
      presses[presses.length - 1] = { text: last.text + press.text };
    } else presses.push(press);
  }
  return presses;
}

Deno.test("keys and text are told apart, in whatever pieces they come", () => {
  const input = bytes("hé\x1b[D\x1b[1;5C\x7f😀\x1b[200~a\r\nb\x1b[31mc\x1b[201~\x01");
  const expected: Press[] = [
    { text: "hé" },
    { key: "left" },
    { key: "word right" },
    { key: "backspace" },
    { text: "😀a\nb[31mc" },
    { key: "home" },
  ];
  assert.deepEqual(pressesOf(input), expected);
  for (let cut = 1; cut < input.length; cut++) {
    const cutInPaste = pressesOf(input.subarray(0, cut), input.subarray(cut));
    assert.deepEqual(cutInPaste, expected, `cut at ${cut}`);
  }
});

Deno.test("Enter ends a message; a line break that more follows in one piece was pasted", () => {
  assert.deepEqual(pressesOf(bytes("one\r")), [{ text: "one" }, { key: "enter" }]);
  assert.deepEqual(pressesOf(bytes("one\rtwo\r\nthree")), [{ text: "one\ntwo\nthree" }]);
  assert.deepEqual(pressesOf(bytes("\x1b[200~one\r\x1b[201~"), bytes("\r")), [{ text: "one\n" }, {
    key: "enter",
  }]);
});

Deno.test("a pasted line of 100,000 characters is decoded and drawn at once", () => {
  const text = "x".repeat(100_000);
  const begin = performance.now();
  assert.deepEqual(pressesOf(bytes(text)), [{ text }]);
  layOut("> ", "… ", text, text.length, 80);
  assert.ok(performance.now() - begin < 2000);
});

/** Cells of a terminal after text with line breaks was written to it, and where the cursor is. */
function onScreen(text: string, columns: number): string[] {
  return text.split("\r\n").map((line) => {
    assert.ok(line.length <= columns, `"${line}" is wider than ${columns}`);
    return line;
  });
}

Deno.test("layOut() wraps where the terminal would, and knows where the cursor stands", () => {
  const { text, end, cursor } = layOut("> ", "… ", "abcdefgh\nij", 7, 6);
  assert.deepEqual(onScreen(text, 6), ["> abcd", "efgh", "… ij"]);
  assert.deepEqual([end, cursor], [{ row: 2, column: 4 }, { row: 1, column: 3 }]);
  const wide = layOut("> ", "… ", "日本語", 2, 6);
  assert.deepEqual(wide.text.split("\r\n"), ["> 日本", "語"]);
  assert.deepEqual([wide.end, wide.cursor], [{ row: 1, column: 2 }, { row: 1, column: 0 }]);
});

Deno.test("the cursor moves by whole characters", () => {
  const text = "a👩‍👩‍👧e\u0301b";
  const stops = [0];
  while (stops.at(-1)! < text.length) stops.push(after(text, stops.at(-1)!));
  assert.deepEqual(stops.map((stop, i) => text.slice(stop, stops[i + 1])), ["a", "👩‍👩‍👧", "e\u0301", "b", ""]);
  for (let i = stops.length - 1; i > 0; i--) assert.equal(before(text, stops[i]), stops[i - 1]);
  assert.equal(before(text, 0), 0);
});
