/** Messages are one line that says what it seems to say. */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";

Deno.test("nothing from outside moves the cursor, ends the line or turns the text of a message", () => {
  const outside = [
    "\n",
    "\r",
    "\u0007",
    "\u001b[2K",
    "\u0085",
    "\u2028",
    "\u202e",
    "\u2066",
    "\u200f",
    "\ud800",
  ];
  for (const text of outside) {
    const { message } = new RemoraError("BAD_FILE", "Cannot use", {
      file: `a${text}b`,
      expected: text,
      found: text,
    });
    assert.doesNotMatch(message, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u);
    assert.ok(message.includes(`\\u${text.charCodeAt(0).toString(16).padStart(4, "0")}`), message);
  }
  const { message } = new RemoraError("BAD_FILE", "Cannot use", { file: "é 模型 עברית 😀" });
  assert.equal(message, 'Cannot use "é 模型 עברית 😀"');
});
