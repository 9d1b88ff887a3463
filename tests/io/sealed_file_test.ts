/** Sealed files come back as they were written, or not at all. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openSealed, sealFile } from "../../src/io/sealed_file.ts";
import { DESCRIPTION_BYTES_MAX } from "../../src/core/limits.ts";
import { assertRefused } from "../errors.ts";
import { sha256 } from "../hash.ts";

const KIND = { magic: "REMORA??", version: 3, title: "a test" };
const description = { text: "é", list: [1, 2] };
const contents = [new Uint8Array([1, 2, 3]), new Uint8Array(), new Uint8Array([4])];
const sealed = () => sealFile(KIND, description, contents, 4, sha256);

Deno.test("a sealed file has the documented layout", () => {
  const bytes = sealed();
  const text = new TextEncoder().encode(JSON.stringify(description));
  const view = new DataView(bytes.buffer);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 8)), "REMORA??");
  assert.deepEqual([view.getUint32(8, true), view.getUint32(12, true)], [3, text.length]);
  assert.deepEqual(bytes.subarray(16, 16 + text.length), text);
  assert.deepEqual([...bytes.subarray(16 + text.length, -32)], [1, 2, 3, 4]);
  const digest = createHash("sha256").update(bytes.subarray(0, -32)).digest();
  assert.deepEqual([...bytes.subarray(-32)], [...digest]);
});

Deno.test("a sealed file comes back, wherever in a buffer it lies", () => {
  const bytes = new Uint8Array(7 + sealed().length);
  bytes.set(sealed(), 7);
  const opened = openSealed(bytes.subarray(7), KIND, "here", sha256);
  assert.deepEqual(opened.description, description);
  assert.deepEqual([...opened.contents], [1, 2, 3, 4]);
});

Deno.test("every flipped bit and every length but the right one is refused, naming the file", async () => {
  const bytes = sealed();
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] ^= 1 << (bit & 7);
    await assertRefused(() => openSealed(damaged, KIND, "here", sha256), "BAD_FILE", '"here"');
  }
  for (let length = 0; length < bytes.length; length++) {
    await assertRefused(
      () => openSealed(bytes.subarray(0, length), KIND, "here", sha256),
      "BAD_FILE",
      '"here"',
    );
  }
  await assertRefused(() => openSealed(new Uint8Array([...bytes, 0]), KIND, "here", sha256), "BAD_FILE");
});

Deno.test("another kind and another version are refused by name", async () => {
  await assertRefused(
    () => openSealed(sealed(), { ...KIND, magic: "REMORA!!" }, "here", sha256),
    "BAD_FILE",
    "expected a test, found other bytes",
  );
  await assertRefused(
    () => openSealed(sealed(), { ...KIND, version: 4 }, "here", sha256),
    "BAD_FILE",
    "expected version 4, found version 3",
  );
});

Deno.test("a description longer than the file, or no JSON, is refused though the checksum holds", async () => {
  const seal = (length: number, text: string) => {
    const bytes = sealFile(KIND, 0, [new TextEncoder().encode(text)], text.length, sha256);
    new DataView(bytes.buffer).setUint32(12, length, true);
    bytes.set(createHash("sha256").update(bytes.subarray(0, -32)).digest(), bytes.length - 32);
    return bytes;
  };
  await assertRefused(
    () => openSealed(seal(2 ** 32 - 1, ""), KIND, "here", sha256),
    "BAD_FILE",
    "4294967295",
  );
  await assertRefused(() => openSealed(seal(4, "{{{"), KIND, "here", sha256), "BAD_FILE", "here");
});

Deno.test("a description above its limit is neither written nor parsed", async () => {
  const long = "x".repeat(DESCRIPTION_BYTES_MAX);
  await assertRefused(() => sealFile(KIND, long, [], 0, sha256), "BAD_ARGUMENT", `${DESCRIPTION_BYTES_MAX}`);
  const bytes = new Uint8Array(16 + DESCRIPTION_BYTES_MAX + 1 + 32).fill(0x20);
  bytes.set(sealed().subarray(0, 12));
  new DataView(bytes.buffer).setUint32(12, DESCRIPTION_BYTES_MAX + 1, true);
  bytes.set(sha256().update(bytes.subarray(0, -32)).digest(), bytes.length - 32);
  await assertRefused(
    () => openSealed(bytes, KIND, "here", sha256),
    "BAD_FILE",
    '"here"',
    `${DESCRIPTION_BYTES_MAX}`,
  );
});
