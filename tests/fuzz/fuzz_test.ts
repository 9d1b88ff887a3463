/**
 * A short run of the fuzzer, the same in every gate; `deno task fuzz` is the long one. And the fuzzer itself: a parser that does what
 * must not be done is found, in every way in which it can be.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import process from "node:process";
import { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../../src/core/errors.ts";
import { Random } from "../kernels/random.ts";
import { editJson, type JsonTree, textOf, treeOf } from "./json_tree.ts";
import { runJob } from "./processes.ts";
import { TARGETS } from "./registry.ts";
import type { FuzzTarget, PreparedTarget } from "./target.ts";
import { judge, makeCase } from "./verdict.ts";
import { watchedSource, watchProcess } from "./watch.ts";

const SEED = 18, CASES = 50;
/** Below what a run of thousands has, so that chance alone does not fail a short one. */
const SHARE_MIN = 0.25;

for (const { name } of TARGETS) {
  Deno.test(`${CASES} spoiled inputs for ${name} are read or refused, and do no harm`, async () => {
    const violations: string[] = [];
    let behind = 0;
    await runJob({ target: name, seed: SEED, from: 0, to: CASES }, (number, { stage, violation }, edits) => {
      if (stage !== "header") behind++;
      if (violation !== undefined) violations.push(`case ${number}: ${violation} (${edits.join("; ")})`);
    });
    deepEqual(violations, []);
    ok(behind >= SHARE_MIN * CASES, `${behind} of ${CASES} came past the header`);
  });
}

/** A parser that does this with every input. */
async function verdictOf(run: PreparedTarget["run"]) {
  const target: FuzzTarget = { name: "test", prepare: () => Promise.reject() };
  const prepared: PreparedTarget = {
    fresh: () => 0,
    edit: () => "",
    write: () => new Map([["file", new Uint8Array(8)]]),
    run,
  };
  return await judge(target, prepared, prepared.write(0));
}

watchProcess();

/** Writes bytes of kernel memory, counted from the begin of a piece of 64. */
async function writeAt(offset: number): Promise<void> {
  const [{ memory }] = await Kernels.start({ threads: 1, variant: "auto" });
  memory.bytesAt(memory.allocate(64) + offset, 1)[0] = 7;
}

const REFUSAL = { file: "file", expected: "a", found: "b" };

for (
  const [name, words, run] of [
    ["an error that is no refusal", "RangeError", () => new Uint8Array(-1)],
    ["a refusal without a place", "no place", () => {
      throw new RemoraError("BAD_FILE", "Cannot read");
    }],
    ["a crash that a refusal hides", "RangeError", () => {
      throw new RemoraError("BAD_FILE", "Cannot read", { ...REFUSAL, cause: new RangeError("x") });
    }],
    ["a thread that died", "thread", () => {
      throw new RemoraError("WORKER_FAILED", "Cannot compute: a thread has failed");
    }],
    ["memory that is touched", "MiB", () => new Uint8Array(300 << 20).fill(1)],
    ["memory that is asked for and not touched", "MiB", () => void new Uint8Array(300 << 20)],
    ["a write before a piece of kernel memory", "out of bounds", () => writeAt(-1)],
    ["a write behind a piece of kernel memory", "out of bounds", () => writeAt(64)],
    ["time", " s", () => {
      for (const began = process.cpuUsage(); process.cpuUsage(began).user < 2_100_000;);
    }],
    ["a file of another folder", "a read of", (files) => void watchedSource(files).read("../file", 0, 1)],
  ] as [string, string, PreparedTarget["run"]][]
) {
  Deno.test(`the fuzzer finds ${name}`, async () => {
    const { violation } = await verdictOf(run);
    ok(violation?.includes(words), `${violation}`);
  });
}

Deno.test("the fuzzer takes a refusal as it should be, and says how far it came", async () => {
  const refuse = () => {
    throw new RemoraError("BAD_FILE", "Cannot read", REFUSAL);
  };
  const early = await verdictOf(refuse);
  deepEqual([early.stage, early.code, early.violation], ["header", "BAD_FILE", undefined]);
  const late = await verdictOf((_, reached) => {
    reached();
    refuse();
  });
  deepEqual([late.stage, late.violation], ["body", undefined]);
  equal((await verdictOf(() => {})).stage, "accepted");
  equal((await verdictOf(() => writeAt(0))).violation, undefined);
});

Deno.test("a case is the same whenever it is made, and keeps the edits that it is told to", async () => {
  const target = TARGETS.find(({ name }) => name === "tokenizer-bpe")!;
  const prepared = await target.prepare();
  for (let number = 0; number < 20; number++) {
    const once = makeCase(target, prepared, 7, number), again = makeCase(target, prepared, 7, number);
    deepEqual(again, once);
    const [first] = makeCase(target, prepared, 7, number, [0]).edits;
    equal(first, once.edits[0]);
  }
});

Deno.test("trees of JSON can hold what is no JSON", () => {
  const value = { a: [1, "x", null], b: { c: true } };
  equal(textOf(treeOf(value)), JSON.stringify(value));
  const texts = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const root: { tree: JsonTree } = { tree: treeOf(value) };
    editJson(root, new Random(seed));
    texts.add(textOf(root.tree));
  }
  ok(texts.size > 100);
  ok([...texts].some((text) => (text.match(/"a":/g) ?? []).length > 1), "a key twice");
});
