/** `remora bench` as a user meets it. Nothing here depends on how fast the machine is. */
import assert from "node:assert/strict";
import { markdownTable } from "../../cli/figures.ts";
import { contextFor, measureSpeed, type SpeedResult, summarise } from "../../cli/speed.ts";
import { drawSpeed } from "../../cli/speed_plot.ts";
import { loadModel } from "../../mod.ts";
import { syntheticModelSource } from "../../src/formats/synthetic.ts";
import { hasPermissions, remora, spawnRemora } from "./remora.ts";

const SHORT = ["bench", "--shape", "135m", "-p", "8", "-n", "2", "-r", "2"];

Deno.test("bench --json: one object with each test at each depth and thread count, no permission needed", async () => {
  const { code, stdout, stderr } = await remora([...SHORT, "-t", "1,2", "--depth", "0,16", "--json"]);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout);
  assert.deepEqual(Object.keys(result), ["model", "processor", "kernels", "vectorBits", "results"]);
  assert.equal(result.model, "shape 135m");
  assert.match(result.processor, hasPermissions ? /--allow-sys=cpus/ : /./);
  assert.ok(["relaxed", "strict"].includes(result.kernels));
  const results: SpeedResult[] = result.results;
  assert.deepEqual(
    results.map(({ test, threads, depth }) => `${test} ${threads} ${depth}`),
    ["pp8 1 0", "tg2 1 0", "pp8 1 16", "tg2 1 16", "pp8 2 0", "tg2 2 0", "pp8 2 16", "tg2 2 16"],
  );
  for (const { median, mean, stddev, min, max } of results) {
    assert.ok(0 < min && min <= median && median <= max && min <= mean && mean <= max && stddev >= 0);
  }
});

Deno.test("bench: a head line and llama-bench's table; 0 skips a test; the processor by permission", async () => {
  const { code, stdout, stderr } = await remora([...SHORT, "-t", "1", "-n", "0", "-d", "4"], {
    allowSys: "cpus",
  });
  assert.equal(code, 0, stderr);
  const [head, empty, ...table] = stdout.trimEnd().split("\n");
  assert.match(head, /^.+; (relaxed|strict) kernels, (128|256) bits; (Deno|Node|Bun) \d/);
  assert.doesNotMatch(head, /--allow/);
  assert.equal(empty, "");
  const cells = table.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  assert.deepEqual(cells[0], ["model", "size", "params", "threads", "test", "t/s", "min"]);
  assert.equal(cells.length, 3);
  assert.deepEqual(cells[2].slice(2, 5), ["134.5 M", "1", "pp8 @ d4"]);
  assert.match(cells[2][5], /^\d+\.\d\d ± \d+\.\d\d$/);
});

Deno.test("bench: wrong command lines are refused in one line, before anything is loaded", async () => {
  const cases: [string[], string][] = [
    [["bench"], "expected MODEL"],
    [["bench", "--shape", "2b"], "expected 135m or 1b or 3b or 8b"],
    [["bench", "somewhere", "--shape", "1b"], "expected no MODEL beside it"],
    [["bench", "-m", "somewhere", "--shape", "1b"], "expected no MODEL beside it"],
    [["bench", "--shape", "1b", "-p", "0", "-n", "0"], "found neither"],
    [["bench", "--shape", "1b", "-t", "1,x"], "expected integers from 1 on, separated by commas"],
    [["bench", "--shape", "1b", "-d", "-1"], "--depth"],
    [["bench", "--shape", "1b", "-r", "0"], "expected an integer from 1 on"],
    [["bench", "--shape", "1b", "-c", "100"], "expected at least the 512 tokens of the tests"],
    [["bench", "--shape", "1b", "-d", "131000"], "contextSize"],
    [["bench", "--shape", "1b", "--kernels", "fast"], "expected auto or relaxed or strict"],
    [["bench", "--shape", "1b", "--sharp"], "did you mean --shape?"],
    [["bench", "a", "b"], 'unexpected argument "b"'],
  ];
  const outcomes = await Promise.all(cases.map(([args]) => remora(args, { allowRead: "." })));
  outcomes.forEach(({ code, stdout, stderr }, i) => {
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^remora: [^\n]+\n$/);
    assert.ok(stderr.includes(cases[i][1]), `${cases[i][1]} in: ${stderr}`);
  });
  const missing = await remora(["bench", "nowhere"], { allowRead: "nowhere" });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^remora: [^\n]+nowhere[^\n]+\n$/);
  if (!hasPermissions) return;
  const unwritable = await remora([...SHORT, "--plot", "plot.svg"]);
  assert.match(unwritable.stderr, /^remora: [^\n]+--allow-write=plot\.svg[^\n]+\n$/);
});

Deno.test({
  name: "bench: Ctrl-C ends it without a word",
  ignore: Deno.build.os === "windows",
  async fn() {
    const child = spawnRemora(["bench", "--shape", "135m", "-t", "1", "-r", "100000"]);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.output();
    assert.equal(code, 130);
    assert.equal(stdout.length + stderr.length, 0);
  },
});

Deno.test("bench --plot writes a well-formed picture with a point for each result in both panels", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/plot.svg`;
    const { code, stderr } = await remora([...SHORT, "-t", "1", "--plot", path], { allowWrite: directory });
    assert.equal(code, 0, stderr);
    const picture = Deno.readTextFileSync(path);
    assert.equal(picture.match(/<circle /g)!.length, 2 * 2);
    assert.match(picture, /tokens per second/);
    const open = picture.match(/<(?![/?!])[^>]*[^/]>/g)!.length;
    assert.equal(open, picture.match(/<\//g)!.length, "every element is closed");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a plot's labels cannot become markup, and its points stay inside", () => {
  const results = [0, 512, 4096, 32768].map((depth) => ({
    test: "pp512",
    threads: 2,
    depth,
    ...summarise([1000 / (depth + 7), 1100 / (depth + 7)]),
  }));
  const picture = drawSpeed("<script>&", results);
  assert.ok(!picture.includes("<script"));
  assert.ok(!/NaN|Infinity|="-/.test(picture));
});

Deno.test("each repetition starts at the same depth", async () => {
  await using model = await loadModel(syntheticModelSource("135m"), { threads: 1, contextSize: 24 });
  const plan = { prompt: 8, generated: 4, depths: [16, 0], repetitions: 2 };
  assert.equal(contextFor(plan), 24);
  const labels = new Set<string>();
  // A test that did not return to its depth would overflow the context.
  const results = await measureSpeed(model, plan, { onProgress: (label) => labels.add(label) });
  assert.deepEqual(results.map(({ test, depth }) => [test, depth]), [["pp8", 0], ["tg4", 0], ["pp8", 16], [
    "tg4",
    16,
  ]]);
  assert.ok(labels.has("pp8 @ d16, 1 thread"), [...labels].join());
});

Deno.test("statistics are those of the sample", () => {
  const { stddev, ...others } = summarise([9, 2, 4, 5]);
  assert.deepEqual(others, { median: 4.5, mean: 5, min: 2, max: 9 });
  assert.ok(Math.abs(stddev - Math.sqrt((16 + 9 + 1 + 0) / 3)) < 1e-12);
  assert.deepEqual(summarise([3]), { median: 3, mean: 3, stddev: 0, min: 3, max: 3 });
});

Deno.test("a table's cells stand under each other", () => {
  assert.equal(
    markdownTable([["name", "t/s"], ["a", "1.00"], ["longer", "12.00"]], [1]),
    "| name   |   t/s |\n| ------ | ----: |\n| a      |  1.00 |\n| longer | 12.00 |",
  );
});
