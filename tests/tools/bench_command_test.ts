/** Every program that measures tells its options, and refuses others in one line. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const PROGRAMS = ["bench", "bench/kernels"].flatMap((folder) =>
  [...Deno.readDirSync(ROOT + folder)].filter(({ isFile }) => isFile).map(({ name }) => `${folder}/${name}`)
).filter((path) => /\breadCommand(With)?\(\n?\s*\{/.test(Deno.readTextFileSync(ROOT + path))).sort();

async function run(program: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", "--lock=tests/deno.lock", program, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("every task that measures is one of these programs, but that of the command line", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  const named = Object.values<{ command: string }>(tasks)
    .flatMap(({ command }) => command.match(/\bbench\/[\w/]+\.ts/g) ?? []);
  assert.ok(named.length > 10);
  assert.deepEqual(named.filter((path) => !PROGRAMS.includes(path)), []);
});

for (const program of PROGRAMS) {
  Deno.test(`${program}: --help tells purpose and options; what is unknown or too much is refused in one line`, async () => {
    const help = await run(program, "--help");
    assert.deepEqual([help.code, help.stderr], [0, ""]);
    const [usage, , purpose, , ...options] = help.stdout.trimEnd().split("\n");
    assert.match(usage, /^deno (task|run) .*\[options\]/);
    assert.match(purpose, /^\S.*\.$/);
    for (const line of options) assert.match(line, /^ {2}(-\w,| {3}) --[\w-]+.* {2}\S/);
    for (const args of [["--hepl"], ["a", "b", "c", "d"]]) {
      const { code, stdout, stderr } = await run(program, ...args);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(
        stderr,
        /^bench: un(known option --hepl; did you mean --help\?|expected argument "[a-d]".*)\n$/,
      );
    }
  });
}

Deno.test("what a program cannot do without is asked for in one line", async () => {
  for (
    const program of [
      "compare",
      "peers",
      "prompt_lookup",
      "replicas",
      "sequences",
      "server_start",
      "whole_model",
    ]
  ) {
    const { code, stdout, stderr } = await run(`bench/${program}.ts`);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^bench: expected [^\n]+, found none; see --help\n$/);
  }
});
