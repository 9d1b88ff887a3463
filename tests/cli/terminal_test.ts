/**
 * The command line on a terminal (skipped where there is no Python, which provides it). Only there does the runtime ask for permissions, so
 * only there can a test see that it never does.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { drawBar } from "../../cli/terminal.ts";
import { goldenPath, hasShared, sharedPath } from "../shared.ts";
import {
  hasPython,
  onTerminal as runOnTerminal,
  remoraCommand,
  type Session,
  type Step,
} from "./pseudo_terminal.ts";
import { hasPermissions } from "./remora.ts";

const MODEL = goldenPath("gptq-v1-sym-g32");
/** The model in the repository and what it answers, according to transformers. */
const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const REFERENCE = JSON.parse(Deno.readTextFileSync(`${SCENES}/reference/reference.json`)).inputs;
const ignore = !hasPython;

function onTerminal(
  args: string[],
  allowRead: string | undefined,
  steps: Step[],
  allowWrite?: string,
): Promise<Session> {
  const permissions = [
    ...(allowRead === undefined ? [] : [`--allow-read=${allowRead}`]),
    ...(allowWrite === undefined ? [] : [`--allow-write=${allowWrite}`]),
  ];
  return runOnTerminal(remoraCommand(args, permissions), { steps });
}

for (const threads of ["1", "2"]) {
  Deno.test({
    name: `terminal: one answer with ${threads} threads asks for no permission`,
    ignore,
    async fn() {
      const { code, text } = await onTerminal(["run", MODEL, "hi", "-n", "2", "-t", threads], MODEL, []);
      assert.equal(code, 0, text);
      assert.ok(text.includes("100 %\x1b[K\r\x1b[K"), "the bar is drawn, then erased");
    },
  });
}

Deno.test({
  name: "terminal: a chat has commands, discards a line by Ctrl-C, and ends by Ctrl-D",
  ignore,
  async fn() {
    const { code, text } = await onTerminal(["run", MODEL, "-n", "4", "-t", "1", "--verbose"], MODEL, [
      ["> ", "/help\r"],
      ["stops an answer", ""],
      ["> ", "hello\r"],
      ["tok/s", ""],
      ["> ", "/nope\r"],
      ["unknown command", ""],
      ["> ", "abc"],
      ["abc", "\x03"],
      ["> ", "/reset\r"],
      ["/reset", ""],
      ["> ", "\x04"],
    ]);
    assert.equal(code, 0, text);
    assert.ok(text.includes("Ctrl-C stops an answer."));
  },
});

Deno.test({
  name: "terminal: Ctrl-C stops an answer and keeps the chat (needs ../shared)",
  ignore: ignore || !hasShared,
  async fn() {
    const model = sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4");
    const { code, text } = await onTerminal(["run", model, "--raw"], model, [
      ["> ", "One, two, three,\r"],
      ["four, five", "\x03"],
      ["> ", "/exit\r"],
    ]);
    assert.equal(code, 0, text);
  },
});

Deno.test({
  name: "terminal: lines that are pasted or continued are one message",
  ignore,
  async fn() {
    const { code, text } = await onTerminal(["run", MODEL, "-n", "1", "-t", "1", "--verbose"], MODEL, [
      ["> ", "first\rsecond\rthird"],
      ["third", "\r"],
      ["tok/s", ""],
      ["> ", "first \\\r"],
      ["… ", "second\r"],
      ["tok/s", ""],
      ["> ", "/exit\r"],
    ]);
    assert.equal(code, 0, text);
    assert.equal(text.match(/answer 1 tokens/g)?.length, 2, text);
  },
});

Deno.test({
  name: "terminal: /system starts anew, /image needs a model that sees",
  ignore,
  async fn() {
    const { code, text } = await onTerminal(["run", MODEL, "-n", "1", "-t", "1"], MODEL, [
      ["> ", "/system Be brief.\r"],
      ["brief.", ""],
      ["> ", `/image ${MODEL}/nothing.png\r`],
      ["Cannot look at a picture", ""],
      ["> ", "/exit\r"],
    ]);
    assert.equal(code, 0, text);
  },
});

Deno.test({
  name: "terminal: a chat about pictures, of the command line and shown later",
  ignore,
  async fn() {
    const picture = `${SCENES}/reference/one-tile.png`;
    const { questions: [question], answers: [answer] } = REFERENCE["one-tile"];
    const { code, text } = await onTerminal(["run", SCENES, "-t", "1", "--image", picture], SCENES, [
      ["> ", `${question}\r`],
      [`${answer}`, ""],
      ["> ", `/image ${SCENES}/nothing.png\r`],
      ["no such file", ""],
      ["> ", `/image ${SCENES}/config.json\r`],
      ["expected a PNG, JPEG or WebP file", ""],
      ["> ", "/reset\r"],
      ["/reset", ""],
      ["> ", `/image "${picture}"\r`],
      ["shown with the next message", ""],
      ["> ", `${question}\r`],
      [`${answer}`, ""],
      ["> ", "/exit\r"],
    ]);
    assert.equal(code, 0, text);
  },
});

Deno.test({
  name: "terminal: a chat is saved when it is left, and goes on where it was",
  ignore,
  async fn() {
    const state = Deno.makeTempFileSync();
    const { image, questions, answers } = REFERENCE["tall-chat"];
    const args = ["run", SCENES, "-t", "1", "--verbose", "--save-state", state];
    const read = `${SCENES},${state}`;
    try {
      const begin = await onTerminal([...args, "--image", `${SCENES}/reference/${image}`], read, [
        ["> ", `${questions[0]}\r`],
        [answers[0], ""],
        ["> ", "\x04"],
      ], state);
      assert.equal(begin.code, 0, begin.text);
      const { code, text } = await onTerminal([...args, "--load-state", state], read, [
        ["> ", `${questions[1]}\r`],
        [answers[1], ""],
        ["of them known", ""],
        ["> ", "/exit\r"],
      ], state);
      assert.equal(code, 0, text);
    } finally {
      Deno.removeSync(state);
    }
  },
});

Deno.test({
  name: "terminal: a bar shows how much of a long prompt is read",
  ignore,
  async fn() {
    const prompt = "How many objects are there? ".repeat(100);
    const { code, text } = await onTerminal(["run", SCENES, prompt, "-n", "1"], SCENES, []);
    assert.equal(code, 0, text);
    assert.ok(text.includes("Reading ["), text);
  },
});

Deno.test({
  name: "terminal: Ctrl-C on an empty line warns, and leaves the chat on a second one",
  ignore,
  async fn() {
    const { code, text } = await onTerminal(["run", MODEL, "-t", "1"], MODEL, [
      ["> ", "\x03"],
      ["once more leaves", "/image\r"],
      ["needs more", "\x03"],
      ["once more leaves", "\x03"],
    ]);
    assert.equal(code, 0, text);
  },
});

Deno.test({
  name: "terminal: a full context is told with numbers, and the chat goes on",
  ignore,
  async fn() {
    const { code, text } = await onTerminal(["run", MODEL, "-c", "8", "-t", "1"], MODEL, [
      ["> ", "far too long for a context of eight tokens\r"],
      ["/reset forgets", "/exit\r"],
    ]);
    assert.equal(code, 0, text);
    assert.ok(text.includes("at most 8 tokens of context"));
  },
});

Deno.test({
  name: "terminal: without permissions the model is refused, not asked for",
  ignore: ignore || !hasPermissions,
  async fn() {
    for (const model of [MODEL, "owner/name", "https://example.com/model"]) {
      const { code, text } = await onTerminal(["show", model], undefined, []);
      assert.equal(code, 1, text);
      assert.match(text, /^remora: [^\n]*--allow-(read|net)=[^\n]*\n$/);
    }
  },
});

Deno.test("drawBar() stays narrower than the terminal", () => {
  for (let width = 6; width <= 100; width++) {
    for (const share of [0, 0.5, 1]) assert.ok(drawBar("Loading", share, width).length < width, `${width}`);
  }
});
