import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { readSafetensorsHeader, type TensorEntry } from "../../src/formats/containers/safetensors.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import type { ModelSource } from "../../src/io/source.ts";
import { assertRefused } from "../errors.ts";
import { withHeader, writeSafetensors, zeros } from "./safetensors_writer.ts";

const FILE = "model.safetensors";

function read(bytes: Uint8Array): Promise<TensorEntry[]> {
  return readSafetensorsHeader(memoryModelSource(new Map([[FILE, bytes]])), FILE, bytes.length);
}

/** A header for 16 data bytes with two tensors of 8, after changing its text. */
function changed(from: string, to: string, dataBytes = 16): Uint8Array {
  const header = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
    '"b":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}';
  ok(header.includes(from));
  return withHeader(header.replace(from, to), [new Uint8Array(dataBytes)]);
}

Deno.test("readSafetensorsHeader() returns absolute offsets", async () => {
  const bytes = writeSafetensors(
    [zeros("x", "F16", [3], 2), zeros("y", "I32", [2, 2], 4)],
    { format: "pt" },
    5,
  );
  const dataBegin = bytes.length - 6 - 16;
  deepStrictEqual(await read(bytes), [
    { name: "x", dtype: "F16", shape: [3], file: FILE, begin: dataBegin, end: dataBegin + 6 },
    { name: "y", dtype: "I32", shape: [2, 2], file: FILE, begin: dataBegin + 6, end: dataBegin + 22 },
  ]);
});

Deno.test("readSafetensorsHeader() takes tensors without elements anywhere, and scalars", async () => {
  const entries = await read(writeSafetensors([
    zeros("first", "I32", [0, 0], 4),
    zeros("scalar", "F64", [], 8),
    zeros("middle", "F16", [3, 0], 2),
    zeros("row", "BF16", [4], 2),
    zeros("last", "I32", [0], 4),
  ]));
  deepStrictEqual(entries.map(({ end, begin }) => end - begin), [0, 8, 0, 8, 0]);
  const inside = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
    '"e":{"dtype":"I32","shape":[0],"data_offsets":[3,3]}}';
  strictEqual((await read(withHeader(inside, [new Uint8Array(8)]))).length, 2);
});

Deno.test("readSafetensorsHeader() takes a file without tensors", async () => {
  deepStrictEqual(await read(withHeader("{}")), []);
});

Deno.test("readSafetensorsHeader() knows the size of every dtype", async () => {
  const bytesOf8 = {
    BOOL: 8,
    U8: 8,
    I8: 8,
    F8_E4M3: 8,
    F8_E5M2: 8,
    F8_E8M0: 8,
    I16: 16,
    U16: 16,
    F16: 16,
    BF16: 16,
    I32: 32,
    U32: 32,
    F32: 32,
    F64: 64,
    I64: 64,
    U64: 64,
    F4: 4,
    F6_E2M3: 6,
    F6_E3M2: 6,
    C64: 64,
  };
  for (const [dtype, bytes] of Object.entries(bytesOf8)) {
    const [entry] = await read(
      writeSafetensors([{ name: "t", dtype, shape: [8], data: new Uint8Array(bytes) }]),
    );
    strictEqual(entry.end - entry.begin, bytes, dtype);
  }
});

Deno.test("readSafetensorsHeader() reads offsets above 4 GiB", async () => {
  const big = 5 * 2 ** 30;
  const header = `{"big":{"dtype":"U8","shape":[${big}],"data_offsets":[0,${big}]},` +
    `"after":{"dtype":"I32","shape":[2],"data_offsets":[${big},${big + 8}]}}`;
  const start = withHeader(header);
  const asked: number[] = [];
  const source: ModelSource = {
    list: () => new Map([[FILE, start.length + big + 8]]),
    read: (_, begin, end) => {
      asked.push(end);
      return start.slice(begin, end);
    },
  };
  const entries = await readSafetensorsHeader(source, FILE, start.length + big + 8);
  strictEqual(entries[1].begin, start.length + 5_368_709_120);
  strictEqual(entries[1].end, start.length + 5_368_709_128);
  ok(asked.every((end) => end <= start.length), "reads the header only");
});

Deno.test("readSafetensorsHeader() refuses a wrong header", async () => {
  const cases: [string, Uint8Array][] = [
    ["no file at all", new Uint8Array(0)],
    ["half a length", new Uint8Array(7)],
    ["empty header", new Uint8Array(8)],
    ["leading space", withHeader(" {}")],
    ["array", withHeader("[]")],
    ["not JSON", withHeader("{nope}")],
    ["trailing text", withHeader("{} x")],
    ["metadata of numbers", withHeader('{"__metadata__":{"a":1}}')],
    ["metadata that is a list", withHeader('{"__metadata__":[]}')],
    ["bytes after the data", changed("F32", "F32", 17)],
  ];
  for (const [what, bytes] of cases) {
    const error = await assertRefused(() => read(bytes), "BAD_FILE", FILE);
    strictEqual(error.file, FILE, what);
  }
});

Deno.test("readSafetensorsHeader() names the tensor that is wrong", async () => {
  const changes: [string, string, string][] = [
    ['"F32"', '"F77"', "a"],
    ['"F32"', "32", "a"],
    ['"F32"', '"toString"', "a"],
    ["[2]", "[-2]", "a"],
    ["[2]", "[1.5]", "a"],
    ["[2]", "[9007199254740993]", "a"],
    ["[2]", "[4294967296,4294967296,4294967296,4294967296]", "a"],
    ["[2]", '["2"]', "a"],
    ["[2]", "2", "a"],
    ["[2]", `[${"1,".repeat(64)}2]`, "a"],
    ["[2]", "[3]", "a"],
    ["[0,8]", "[8,0]", "a"],
    ["[0,8]", "[-8,0]", "a"],
    ["[0,8]", "[0,8,8]", "a"],
    ["[0,8]", "[0,null]", "a"],
    ["[8,16]", "[8,17]", "b"],
    ["[8,16]", "[16,24]", "b"],
    ["[8,16]", "[4,12]", "b"],
    ["[8,16]", "[0,8]", "b"],
    ["[0,8]", "[4,12]", "a"],
    ['{"dtype":"F32","shape":[2],"data_offsets":[0,8]}', "7", "a"],
    ["data_offsets", "offsets", "a"],
  ];
  for (const [from, to, tensor] of changes) {
    const error = await assertRefused(() => read(changed(from, to)), "BAD_FILE", FILE, `tensor "${tensor}"`);
    strictEqual(error.tensor, tensor, `${from} → ${to}`);
  }
  await assertRefused(() => read(changed('"b"', '"a"')), "BAD_FILE", FILE, '"a" twice');
  const hole = '{"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}';
  await assertRefused(() => read(withHeader(hole, [new Uint8Array(2)])), "BAD_FILE", '"c"', "hole");
});

Deno.test("readSafetensorsHeader() believes no length before it has checked it", async () => {
  const source: ModelSource = {
    list: () => new Map(),
    read: (_, begin, end) => {
      strictEqual(begin, 0);
      strictEqual(end, 8);
      return new Uint8Array([0xff, 0xe0, 0xf5, 5, 0, 0, 0, 0]); // 99,999,999
    },
  };
  await assertRefused(() => readSafetensorsHeader(source, FILE, 1000), "BAD_FILE", FILE, "99999999");
  const beyond = { ...source, read: () => new Uint8Array([1, 0xe1, 0xf5, 5, 0, 0, 0, 0]) }; // 100,000,001
  await assertRefused(() => readSafetensorsHeader(beyond, FILE, 2 ** 40), "BAD_FILE", FILE, "100000001");
});

Deno.test("readSafetensorsHeader() refuses a source that returns too little, or fails", async () => {
  const short: ModelSource = { list: () => new Map(), read: () => new Uint8Array(3) };
  await assertRefused(() => readSafetensorsHeader(short, FILE, 1000), "BAD_FILE", FILE, "truncated");
  const failing: ModelSource = {
    list: () => new Map(),
    read: () => {
      throw new TypeError("disk on fire");
    },
  };
  await assertRefused(() => readSafetensorsHeader(failing, FILE, 1000), "BAD_FILE", FILE, "disk on fire");
});

Deno.test("readSafetensorsHeader() survives 2,000 mutated headers", async () => {
  const original = writeSafetensors(
    [zeros("a", "F32", [2, 3], 4), zeros("b", "I32", [0], 4), zeros("c.d", "F16", [4], 2)],
    { k: "v" },
  );
  const headerEnd = original.length - 32;
  let state = 20260101;
  const random = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
  let refused = 0;
  for (let round = 0; round < 2000; round++) {
    const bytes = original.slice();
    for (let count = 1 + random(3); count > 0; count--) {
      const position = random(8) === 0 ? random(8) : 8 + random(headerEnd - 8);
      bytes[position] = random(2) === 0 ? random(256) : original[8 + random(headerEnd - 8)];
    }
    try {
      const entries = await read(bytes);
      ok(entries.every(({ begin, end }) => begin <= end && end <= bytes.length));
    } catch (error) {
      if (!(error instanceof RemoraError)) throw new Error(`round ${round}`, { cause: error });
      refused++;
    }
  }
  ok(refused > 1000, `the mutations bite: ${refused}`);
});
