/** Chats as they are used every day, on a terminal (skipped where there is no Python, which provides it). */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { goldenPath } from "../shared.ts";
import { hasPython, onTerminal, remoraCommand, type SessionOptions, type Step } from "./pseudo_terminal.ts";
import { hasPermissions } from "./remora.ts";

const MODEL = goldenPath("gptq-v1-sym-g32");
/** The model in the repository and what it answers, according to transformers. */
const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const REFERENCE = JSON.parse(Deno.readTextFileSync(`${SCENES}/reference/reference.json`)).inputs;

/** What is typed before a question is there is no answer: the runtime drops it for a moment. */
const ASKED = { pause: 0.5 };

interface Chat extends SessionOptions {
  model?: string;
  args?: string[];
}

/** A chat that must end well; answers of one token say their statistics. */
async function chat(steps: Step[], { model = MODEL, args = [], permissions = [], ...more }: Chat = {}) {
  const command = remoraCommand(["run", model, "-n", "1", "-t", "1", "--verbose", ...args], [
    `--allow-read=${model}`,
    ...permissions,
  ]);
  const { code, text } = await onTerminal(command, { steps, ...more });
  assert.equal(code, 0, text);
  return text;
}

function terminalTest(title: string, run: (folder: string) => Promise<void>, isPossible = true): void {
  Deno.test({
    name: `chat: ${title}`,
    ignore: !hasPython || !isPossible,
    async fn() {
      const folder = Deno.makeTempDirSync();
      try {
        await run(folder);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

const answers = (text: string) => text.match(/answer 1 tokens/g)?.length ?? 0;

terminalTest("a pasted line of 8,000 characters is one message, at once", async () => {
  const line = "x".repeat(7999) + "y";
  const begin = performance.now();
  const text = await chat([["> ", line], ["xy", "\r"], ["/reset forgets", "/exit\r"]], { seconds: 60 });
  assert.ok(performance.now() - begin < 15_000, "it took 47 s with node:readline");
  assert.equal(text.match(/remora: [^\n]*at most 256 tokens of context/g)?.length, 1, text);
});

terminalTest("lines between the marks of a paste are one message, whatever they are", async () => {
  const text = await chat([
    ["> ", "\x1b[200~first\r/exit\r\x1b[Athird\x1b[201~"],
    ["third", "\r"],
    ["tok", ""],
    ["> ", "/exit\r"],
  ]);
  assert.equal(answers(text), 1, text);
});

terminalTest("what is typed into an answer is not echoed there, and waits for the next prompt", async () => {
  const text = await chat([["> ", "hello\r"], ["hello", "/help\r"], ["Ctrl-C stops an answer", "/exit\r"]], {
    args: ["-n", "100"],
  });
  const prompts = [...text.matchAll(/> /g)].map(({ index }) => index);
  const second = prompts.find((at) => at > text.indexOf("answer 1"))!;
  assert.ok(text.indexOf("/help", text.indexOf("hello")) > second, text);
});

terminalTest("Ctrl-Z stops it and fg goes on with the line that was being typed", async () => {
  const command = remoraCommand(["run", MODEL, "-n", "1", "-t", "1"], [`--allow-read=${MODEL}`]);
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const { text } = await onTerminal(["bash", "--norc", "--noprofile", "-i"], {
    steps: [
      ["bash-", `${quoted}\r`],
      ["lists the commands", ""],
      ["> ", "/he"],
      ["/he", "\x1a"],
      ["Stopped", ""],
      ["bash-", "stty -a\r"],
      ["bash-", "fg\r"],
      ["/he", "lp\r"],
      ["Ctrl-C stops an answer", ""],
      ["> ", "/exit\r"],
      ["bash-", "exit\r"],
    ],
  });
  assert.ok(!text.includes("TIMEOUT"), text);
  const modes = text.slice(text.indexOf("stty -a"));
  assert.match(modes, /(?<!-)icanon/, "the shell's terminal was left as lines");
  assert.match(modes, /(?<!-)echo\b/);
});

terminalTest("a picture that may not be read is asked for, and a refusal ends nothing", async (folder) => {
  const { questions: [question], answers: [answer] } = REFERENCE["one-tile"];
  Deno.copyFileSync(`${SCENES}/reference/one-tile.png`, `${folder}/a picture.png`);
  const text = await chat([
    ["> ", "/image /etc/hosts\r"],
    ["Allow?", "n\r", ASKED],
    ["--allow-read=/etc/hosts", ""],
    ["> ", "/image /etc/hosts\r"],
    ["--allow-read=/etc/hosts", ""],
    ["> ", `/image "${folder}/a picture.png"\r`],
    ["Allow?", "y\r", ASKED],
    ["shown with the next message", ""],
    ["> ", `${question}!\x7f\r`],
    [answer, ""],
    ["> ", "/image ~/a\\ picture.png\r"],
    ["HOME", "y\r", ASKED],
    ["shown with the next message", ""],
    ["> ", "/exit\r"],
  ], { model: SCENES, args: ["-n", "50"], mayAsk: true, env: { HOME: folder } });
  assert.equal(text.match(/remora: [^\n]*\n/g)?.length, 2, text);
}, hasPermissions);

terminalTest("what was typed is there in the next chat, by message", async (folder) => {
  const file = `${folder}/history`;
  const how = { args: ["--history", file], permissions: [`--allow-read=${file}`, `--allow-write=${file}`] };
  await chat([["> ", "one"], ["one", "\r"], ["tok", ""], ["> ", "two\rlines"], ["lines", "\r"], ["tok", ""], [
    "> ",
    "\x04",
  ]], how);
  assert.deepEqual(Deno.readTextFileSync(file), '"one"\n"two\\nlines"\n');
  if (Deno.build.os !== "windows") assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  const text = await chat([
    ["> ", "half"],
    ["half", "\x1b[A"],
    ["… lines", "\x1b[A"],
    ["> one", "\x1b[B\x1b[B"],
    ["> half", "\x15\x1b[A\x1b[A\r"],
    ["tok", ""],
    ["> ", "/exit\r"],
  ], how);
  assert.equal(answers(text), 1);
  assert.deepEqual(Deno.readTextFileSync(file), '"one"\n"two\\nlines"\n"one"\n"/exit"\n');
});

terminalTest("without permission the history is not kept, and nothing is asked", async (folder) => {
  const env = { XDG_STATE_HOME: folder };
  const steps: Step[] = [["> ", "/exit\r"]];
  assert.ok(!(await chat(steps, { env })).includes("history"));
  const named = await chat(steps, { env, args: ["--history", `${folder}/h`] });
  assert.match(named, /the history is not kept: pass --allow-read=[^\n]*\/h --allow-write=[^\n]*\/h/);
  assert.deepEqual([...Deno.readDirSync(folder)], []);
  const permissions = [`--allow-read=${folder}`, `--allow-write=${folder}`, "--allow-env=XDG_STATE_HOME"];
  await chat(steps, { env, permissions, args: ["--no-history"] });
  assert.deepEqual([...Deno.readDirSync(folder)], []);
  await chat(steps, { env, permissions });
  assert.equal(Deno.readTextFileSync(`${folder}/remora/history`), '"/exit"\n');
}, hasPermissions);

terminalTest("answers are broken between words, as the window is when they come", async () => {
  const steps: Step[] = [
    ["> ", "hi\r"],
    ["picture.", "/reset\r", { columns: 40 }],
    // Lines that come in one piece are one message.
    ["/reset", ""],
    ["> ", "hi\r"],
    ["picture.", "/exit\r"],
  ];
  const how = { model: SCENES, args: ["-n", "50"], columns: 14 };
  const text = (await chat(steps, how)).replaceAll("\r", "");
  assert.ok(text.includes("There is no\npicture.\n"), text);
  assert.ok(text.includes("There is no picture.\n"), text);
  const once: Step[] = [["> ", "hi\r"], ["picture.", "/exit\r"]];
  const plain = await chat(once, { ...how, args: [...how.args, "--no-wrap"] });
  assert.ok(plain.includes("There is no picture."), plain);
});
