/**
 * The command line on a terminal, which Python's pty module provides. Only there does the runtime ask for permissions, so
 * only there can a test see that it never does.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { drawBar } from "../../cli/terminal.ts";
import { goldenPath, hasShared, sharedPath } from "../shared.ts";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const MODEL = goldenPath("gptq-v1-sym-g32");
/** The model in the repository and what it answers, according to transformers. */
const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const REFERENCE = JSON.parse(Deno.readTextFileSync(`${SCENES}/reference/reference.json`)).inputs;
const ignore = !hasShared || !hasPython();

/** Starts argv[2:] on a terminal; argv[1] lists [text to wait for, keys to press then]. */
const DRIVER = `
import json, os, pty, select, sys, time
process, terminal = pty.fork()
if process == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
steps, seen, begin, from_here = json.loads(sys.argv[1]), b"", time.time(), 0
while time.time() - begin < 20:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    if b"Deno requests" in seen:
        break
    if steps and (place := seen.find(steps[0][0].encode(), from_here)) >= 0:
        from_here = place + len(steps[0][0])
        os.write(terminal, steps.pop(0)[1].encode())
else:
    seen += b" TIMEOUT"
if b"Deno requests" in seen or seen.endswith(b" TIMEOUT"):
    os.kill(process, 9)
code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
print(json.dumps({"code": code, "text": seen.decode(errors="replace")}))
`;

/** What happened on the terminal. */
interface Session {
  code: number;
  text: string;
}

function hasPython(): boolean {
  try {
    return new Deno.Command("python3", { args: ["-c", "import pty"] }).outputSync().success;
  } catch {
    return false;
  }
}

async function onTerminal(
  args: string[],
  allowRead: string | undefined,
  steps: [string, string][],
  allowWrite?: string,
): Promise<Session> {
  const permissions = [
    ...(allowRead === undefined ? [] : [`--allow-read=${allowRead}`]),
    ...(allowWrite === undefined ? [] : [`--allow-write=${allowWrite}`]),
  ];
  const command = [Deno.execPath(), "run", "--quiet", ...permissions, MAIN, ...args];
  const { stdout } = await new Deno.Command("python3", {
    args: ["-c", DRIVER, JSON.stringify(steps), ...command],
  }).output();
  const session: Session = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(!session.text.includes("Deno requests"), session.text);
  return session;
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
      ["> ", "\x04"],
    ]);
    assert.equal(code, 0, text);
    assert.ok(text.includes("Ctrl-C stops an answer."));
  },
});

Deno.test({
  name: "terminal: Ctrl-C stops an answer and keeps the chat (needs ../shared)",
  ignore,
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
      ["> ", `/image ${MODEL}/nothing.png\r`],
      ["Cannot look at a picture", ""],
      ["> ", "/exit\r"],
    ]);
    assert.equal(code, 0, text);
  },
});

Deno.test({
  name: "terminal: a chat about pictures, of the command line and shown later",
  ignore: !hasPython(),
  async fn() {
    const picture = `${SCENES}/reference/one-tile.png`;
    const { questions: [question], answers: [answer] } = REFERENCE["one-tile"];
    const { code, text } = await onTerminal(["run", SCENES, "-t", "1", "--image", picture], SCENES, [
      ["> ", `${question}\r`],
      [`${answer}`, ""],
      ["> ", `/image ${SCENES}/nothing.png\r`],
      ["no such file", ""],
      ["> ", "/image /etc/hosts\r"],
      ["--allow-read=/etc/hosts", ""],
      ["> ", `/image ${SCENES}/config.json\r`],
      ["expected a PNG, JPEG or WebP file", ""],
      ["> ", "/reset\r"],
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
  ignore: !hasPython(),
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
  ignore: !hasPython(),
  async fn() {
    const prompt = "How many objects are there? ".repeat(100);
    const { code, text } = await onTerminal(["run", SCENES, prompt, "-n", "1"], SCENES, []);
    assert.equal(code, 0, text);
    assert.ok(text.includes("Reading ["), text);
  },
});

Deno.test({
  name: "terminal: Ctrl-C on an empty line leaves the chat",
  ignore,
  async fn() {
    const { code, text } = await onTerminal(["run", MODEL, "-t", "1"], MODEL, [["> ", "\x03"]]);
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
  ignore,
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
