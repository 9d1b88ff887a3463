/** `remora quantize` and `remora convert`, with no more permissions than they need. */
import assert from "node:assert/strict";
import { goldenPath, goldenTest } from "../shared.ts";
import { denseFiles, denseText } from "../quantization/dense_golden.ts";
import { hasPermissions, type Outcome, remora, type RunOptions, spawnRemora } from "./remora.ts";

const GPTQ = goldenPath("gptq-v1-sym-g32");
/** Longer than a tiny model takes to start, on a busy machine too. */
const PATIENCE_MS = 30_000;

/** A folder with a dense model and a text, and an empty one for what is made. */
async function withModel(
  work: (model: string, text: string, made: string, access: RunOptions) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const model = `${folder}/model`, text = `${folder}/text.txt`, made = `${folder}/made`;
    for (const each of [model, made]) Deno.mkdirSync(each);
    for (const [name, bytes] of denseFiles()) Deno.writeFileSync(`${model}/${name}`, bytes);
    Deno.writeTextFileSync(text, denseText(60_000));
    await work(model, text, made, { allowRead: `${folder},${GPTQ}`, allowWrite: made });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function assertFails({ code, stdout, stderr }: Outcome, expected: number, pattern: RegExp): void {
  assert.deepEqual([code, stdout], [expected, ""], stderr);
  assert.match(stderr, /^remora: [^\n]*\n$/);
  assert.match(stderr, pattern);
}

for (const command of ["quantize", "convert"]) {
  Deno.test(`${command} --help names its arguments and needs no permission`, async () => {
    const { code, stdout, stderr } = await remora([command, "--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^remora ${command} MODEL OUT `));
  });
}

goldenTest(
  "bf16-dense",
  "quantize makes a folder that runs, and tells about it",
  () =>
    withModel(async (model, text, made, access) => {
      const out = `${made}/out`, settings = ["--group-size", "32", "--sequences", "4", "-t", "1"];
      const gptq = await remora(
        ["quantize", model, out, "--calibration", text, "--sequence-length", "64", ...settings],
        access,
      );
      assert.equal(gptq.code, 0, gptq.stderr);
      assert.match(gptq.stdout, /^[^\n]*out: 4 bit by gptq, in [^\n]*\n$/);
      assert.match(gptq.stderr, /^Layer 2 of 2[^\n]*\n$/);
      assert.deepEqual(namesIn(made), ["out"]);
      const config = JSON.parse(Deno.readTextFileSync(`${out}/config.json`)).quantization_config;
      assert.deepEqual([config.bits, config.group_size, config.sym, config.desc_act], [4, 32, true, false]);
      const run = await remora(["run", out, "--raw", "abc", "-n", "4", "-t", "1"], access);
      assert.deepEqual([run.code, run.stderr], [0, ""]);
      const awq = await remora(["convert", out, `${made}/awq`, "--to", "awq", "--json"], access);
      assert.deepEqual([awq.code, awq.stderr], [0, ""]);
      assert.deepEqual(JSON.parse(awq.stdout), { model: out, folder: `${made}/awq`, to: "awq" });
      const same = await remora(["run", `${made}/awq`, "--raw", "abc", "-n", "4", "-t", "1"], access);
      assert.deepEqual([same.code, same.stderr, same.stdout], [0, "", run.stdout]);
    }),
);

goldenTest(
  "bf16-dense",
  "quantize --json prints one object, and takes the other settings",
  () =>
    withModel(async (model, text, made, access) => {
      const out = `${made}/out`;
      const settings = ["--bits", "8", "--asym", "--act-order", "--damp", "0.1", "--sequence-length", "64"];
      const { code, stdout } = await remora(
        [
          ...["quantize", model, out, "--calibration", text, "--group-size", "32", "--sequences", "2"],
          ...[...settings, "--json"],
        ],
        access,
      );
      assert.equal(code, 0);
      const { seconds, ...told } = JSON.parse(stdout);
      assert.deepEqual(told, { model, folder: out, method: "gptq", bits: 8 });
      assert.ok(seconds > 0);
      const config = JSON.parse(Deno.readTextFileSync(`${out}/quantize_config.json`));
      assert.deepEqual([config.bits, config.sym, config.desc_act], [8, false, true]);
      assert.equal(config.meta.damp_percent, 0.1);
      assert.ok(!Deno.readTextFileSync(`${out}/config.json`).includes(made));
    }),
);

goldenTest(
  "bf16-dense",
  "quantize refuses by name, and leaves nothing",
  () =>
    withModel(async (model, text, made, access) => {
      const out = `${made}/out`, rtn = ["--method", "rtn"];
      const refuse = async (args: string[], code: number, pattern: RegExp) =>
        assertFails(await remora(["quantize", ...args], access), code, pattern);
      await refuse([], 2, /expected MODEL/);
      await refuse([model], 2, /expected OUT/);
      await refuse([model, out, "more", ...rtn], 2, /"more"/);
      await refuse([model, out], 2, /--calibration/);
      await refuse([model, out, ...rtn, "--sym", "--asym"], 2, /--sym and --asym/);
      await refuse([model, out, "--method", "awq"], 2, /--method.*awq/);
      await refuse([model, out, ...rtn, "--bits", "3"], 2, /--bits.*3/);
      await refuse([model, out, ...rtn, "--group-size", "x"], 2, /--group-size.*x/);
      await refuse([model, out, ...rtn, "--group-size", "128"], 1, /128.*192/);
      await refuse([model, out, "--calibration", `${text}.not`], 1, /text\.txt\.not/);
      await refuse([`${model}.not`, out, ...rtn], 1, /model\.not/);
      await refuse([GPTQ, out, ...rtn, "--group-size", "32"], 1, /unquantised/);
      assert.deepEqual(namesIn(made), []);
    }),
);

goldenTest(
  "bf16-dense",
  "what is there stays there, and what may not be written is refused by name",
  () =>
    withModel(async (model, text, made, access) => {
      const out = `${made}/out`;
      Deno.mkdirSync(out);
      Deno.writeTextFileSync(`${out}/mine`, "");
      for (
        const args of [
          ["quantize", model, out, "--method", "rtn", "--group-size", "32"],
          ["convert", GPTQ, out, "--to", "awq"],
        ]
      ) {
        assertFails(await remora(args, access), 2, /made\/out".*a name that is free/);
        assert.deepEqual(namesIn(out), ["mine"]);
        assert.deepEqual(namesIn(made), ["out"]);
        if (!hasPermissions) continue;
        args[2] = `${made}/other`;
        assertFails(
          await remora(args, { allowRead: access.allowRead }),
          1,
          /permission to read and write[^\n]*other\.partial/,
        );
      }
      assert.ok(Deno.statSync(text).isFile);
    }),
);

goldenTest(
  "bf16-dense",
  "a run that is stopped leaves nothing",
  () =>
    withModel(async (model, text, made, access) => {
      for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
        const child = spawnRemora(
          [
            ...["quantize", model, `${made}/out`, "--calibration", text, "--group-size", "32", "-t", "1"],
            ...["--sequence-length", "448"],
          ],
          access,
        );
        const output = child.output(), begin = performance.now();
        while (namesIn(made).length === 0 && performance.now() - begin < PATIENCE_MS) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        assert.deepEqual(namesIn(made), ["out.partial"]);
        child.kill(signal);
        const ended = await output;
        assert.equal(ended.code, code);
        assert.doesNotMatch(new TextDecoder().decode(ended.stderr), /^remora|rror/m);
        assert.deepEqual(namesIn(made), []);
      }
    }),
);

goldenTest(
  "gptq-v1-sym-g32",
  "convert refuses by name, and leaves nothing",
  () =>
    withModel(async (model, _text, made, access) => {
      const out = `${made}/out`;
      const refuse = async (args: string[], code: number, pattern: RegExp) =>
        assertFails(await remora(["convert", ...args], access), code, pattern);
      await refuse([GPTQ], 2, /expected OUT/);
      await refuse([GPTQ, out], 2, /--to/);
      await refuse([GPTQ, out, "more", "--to", "awq"], 2, /"more"/);
      await refuse([GPTQ, out, "--to", "gguf"], 2, /--to.*gguf/);
      await refuse([`${GPTQ}.not`, out, "--to", "awq"], 1, /sym-g32\.not/);
      await refuse([model, out, "--to", "awq"], 1, /Cannot convert/);
      assert.deepEqual(namesIn(made), []);
    }),
);
