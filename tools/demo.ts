/**
 * `deno task demo [PICTURE [QUESTION…]]`: shows a picture and asks the model in this repository about it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { answer } from "../cli/answer.ts";
import { describeBytes } from "../cli/figures.ts";
import { halfBlocks } from "../cli/half_blocks.ts";
import { namePictures, readPicture } from "../cli/picture.ts";
import { report } from "../cli/report.ts";
import { note, print } from "../cli/terminal.ts";
import { decodeImage, loadModel, type Message, type Pixels } from "../mod.ts";

const MODEL = fileURLToPath(new URL("../models/scenes-mllama-int4", import.meta.url));
const PICTURE = `${MODEL}/reference/wide.png`;
const QUESTIONS = ["Describe the picture.", "How many objects are there?", "Is there a star?"];

const COLUMNS_MAX = 60;
/** Rows of the terminal that are left to questions and answers. */
const TEXT_ROWS = 8;

async function demonstrate(path: string, questions: readonly string[]): Promise<void> {
  const image = await decodeImage(await readPicture(path));
  if (Deno.stdout.isTerminal() && !Deno.noColor) await show(image);
  await using model = await loadModel(MODEL);
  using sequence = model.createSequence();
  const messages: Message[] = [];
  let tokens = 0;
  const begin = performance.now();
  for (const [turn, question] of questions.entries()) {
    await print(`${turn === 0 ? "" : "\n"}> ${question}\n`);
    const text = { type: "text" as const, text: question };
    messages.push({ role: "user", content: turn === 0 ? [{ type: "image", image }, text] : [text] });
    const given = await answer(model, { messages, sequence }, { onText: print });
    await print("\n");
    messages.push({ role: "assistant", content: given.text });
    tokens += given.usage.completionTokens;
  }
  const seconds = (performance.now() - begin) / 1000;
  const { threads } = model.engine;
  note(
    `\n${tokens} tokens in ${seconds.toFixed(2)} s, the look at the picture included: ` +
      `${(tokens / seconds).toFixed(0)} tok/s; threads ${threads}; ` +
      `memory ${describeBytes(Deno.memoryUsage().rss)}\n`,
  );
}

async function show(picture: Pixels): Promise<void> {
  const { columns, rows } = Deno.consoleSize();
  const room = { columns: Math.min(columns, COLUMNS_MAX), rows: Math.max(1, rows - TEXT_ROWS) };
  await print(halfBlocks(picture, room) + "\n");
}

if (import.meta.main) {
  const [path = PICTURE, ...questions] = Deno.args;
  try {
    await demonstrate(path, questions.length > 0 ? questions : QUESTIONS);
  } catch (error) {
    Deno.exit(report("demo", namePictures(error, [path]), true));
  }
}
