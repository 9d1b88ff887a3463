/** The evaluation on drawn scenes; nothing here depends on what the model answers. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../mod.ts";
import { CACHE, DrawingError, findDrawingPython } from "../../tools/drawing_python.ts";
import { drawScenes, type Scene } from "../../tools/scene_drawing.ts";
import { askAboutScenes } from "../../tools/scene_questions.ts";
import { describeTallies } from "../../tools/scene_table.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODEL = `${ROOT}models/scenes-mllama-int4`;
const PICTURE = Deno.readFileSync(`${MODEL}/reference/two-by-two.png`);
const TURNS = ["Is there a star?", "What colour is it?"];

const drawingPython = await findDrawingPython();

async function evalScenes(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "eval:scenes", ...args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Temporary directories of drawings that were not removed. */
function leftovers(): string[] {
  try {
    return [...Deno.readDirSync(CACHE)].map(({ name }) => name).filter((name) => name.startsWith("drawn-"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function sceneOf(task: string, turns: string[], expected: string[]): Scene {
  return { picture: PICTURE, questions: [{ task, turns, expected }] };
}

Deno.test("askAboutScenes() talks as one would by hand, and counts what is right", async () => {
  await using model = await loadModel(MODEL, { threads: 1 });
  const first = {
    role: "user",
    content: [{ type: "image" as const, image: PICTURE }, { type: "text" as const, text: TURNS[0] }],
  };
  const { text: firstAnswer } = await model.complete({ messages: [first], temperature: 0 });
  const { text: secondAnswer } = await model.complete({
    messages: [first, { role: "assistant", content: firstAnswer }, { role: "user", content: TURNS[1] }],
    temperature: 0,
  });
  const answers = [firstAnswer, secondAnswer];
  const { tasks } = await askAboutScenes(model, [
    sceneOf("multi-turn", TURNS, answers),
    sceneOf("multi-turn", TURNS, [firstAnswer, `not ${secondAnswer}`]),
    sceneOf("presence", [TURNS[0]], [firstAnswer]),
  ]);
  assert.deepEqual(tasks, { "presence": { asked: 1, right: 1 }, "multi-turn": { asked: 2, right: 1 } });
});

Deno.test("askAboutScenes() gives the same answers for 1, 2 and 3 threads", async () => {
  const digests = new Set<string>();
  for (const threads of [1, 2, 3]) {
    await using model = await loadModel(MODEL, { threads });
    const { digest } = await askAboutScenes(model, [
      {
        picture: PICTURE,
        questions: ["What do you see?", ...TURNS].map((turn) => ({
          task: "text",
          turns: [turn],
          expected: [""],
        })),
      },
      sceneOf("multi-turn", TURNS, ["", ""]),
    ]);
    digests.add(digest);
  }
  assert.equal(digests.size, 1);
});

Deno.test("describeTallies() shows tasks in their order, and colours by target and floor", () => {
  const tallies = {
    position: { asked: 1000, right: 849 },
    text: { asked: 8, right: 8 },
    colour: { asked: 50, right: 46 },
    describe: { asked: 4, right: 1 },
  };
  assert.equal(
    describeTallies(tallies, false),
    [
      "task      asked  right           target  floor",
      "colour       50     46   92.0 %    97 %   92 %",
      "position   1000    849   84.9 %    92 %   85 %",
      "text          8      8  100.0 %    95 %   88 %",
      "describe      4      1   25.0 %",
    ].join("\n"),
  );
  const coloured = describeTallies(tallies, true).split("\n");
  // deno-lint-ignore no-control-regex -- Escape sequences are what is looked for.
  assert.deepEqual(coloured.map((line) => /^\x1b\[(\d+)m.*\x1b\[0m$/.exec(line)?.[1]), [
    undefined,
    "33",
    "31",
    "32",
    undefined,
  ]);
});

Deno.test("eval:scenes refuses in one line", async () => {
  const refusals: [string[], number, string][] = [
    [["--sed", "4"], 2, "did you mean --seed?"],
    [["--count", "0"], 2, "--count"],
    [["--count", "1", "--threads", "1000"], 2, "threads"],
    [["--precision", "int4"], 2, "int8 or f32"],
    [["surplus"], 2, "surplus"],
    [["--model", "no/such/model"], 1, "no/such/model"],
  ];
  for (const [args, code, part] of refusals) {
    const outcome = await evalScenes(...args);
    assert.equal(outcome.code, code, outcome.stderr);
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, /^eval:scenes: [^\n]+\n$/);
    assert.ok(outcome.stderr.includes(part), outcome.stderr);
  }
});

Deno.test("drawScenes() says why a drawing failed and removes what was drawn", async () => {
  const before = leftovers();
  const { signal } = new AbortController();
  await assert.rejects(async () => {
    // Whatever this interpreter is, it does not run Python.
    for await (const _ of drawScenes({ python: Deno.execPath(), seed: 1, count: 1, signal })) assert.fail();
  }, DrawingError);
  assert.deepEqual(leftovers(), before);
});

Deno.test({
  name: "drawScenes() stops when it is told, or when nobody listens (needs Python with Pillow and numpy)",
  ignore: !drawingPython,
  async fn() {
    const before = leftovers();
    const controller = new AbortController();
    const options = { python: drawingPython!.command, seed: 1, count: 500, signal: controller.signal };
    for await (const { questions } of drawScenes(options)) {
      assert.ok(questions.length > 0);
      break;
    }
    await assert.rejects(async () => {
      for await (const _ of drawScenes(options)) controller.abort(new Error("enough"));
    }, /enough/);
    assert.deepEqual(leftovers(), before);
  },
});

Deno.test({
  name:
    "eval:scenes prints one object, the same for every number of threads (needs Python with Pillow and numpy)",
  ignore: !drawingPython,
  async fn() {
    const results = [];
    for (const threads of ["1", "2"]) {
      const { code, stdout, stderr } = await evalScenes(
        "--seed",
        "3",
        "--count",
        "4",
        "--threads",
        threads,
        "--json",
      );
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trimEnd().split("\n").length, 1);
      results.push(JSON.parse(stdout));
    }
    const [{ threads: one, ...first }, { threads: two, ...second }] = results;
    assert.deepEqual([one, two], [1, 2]);
    assert.deepEqual(first, second);
    assert.equal(first.tasks.counting.asked, 4);
    assert.match(first.digest, /^[0-9a-f]{64}$/);
  },
});
