/**
 * Scenes as tools/scenes/draw.py draws them, one after the other while it goes on drawing.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { CACHE, DrawingError, lastLine } from "./drawing_python.ts";

const DRAW = fileURLToPath(new URL("./scenes/draw.py", import.meta.url));

/** A question about a scene; a conversation of several turns for "multi-turn", of one for all others. */
export interface SceneQuestion {
  task: string;
  turns: string[];
  /** The right answers, one for each turn. */
  expected: string[];
}

/** A picture and what is asked about it. */
export interface Scene {
  /** Of a PNG or JPEG file. */
  picture: Uint8Array;
  questions: SceneQuestion[];
}

/** Which scenes to draw. */
export interface DrawingOptions {
  /** The interpreter. */
  python: string;
  seed: number;
  count: number;
  signal: AbortSignal;
}

/** A line of draw.py's scenes.jsonl. */
interface DrawnLine {
  image: string;
  questions: { task: string; question: string | string[]; answer: string | string[] }[];
}

/**
 * Draws into a temporary directory, which is removed however it ends.
 *
 * @throws {DrawingError} When draw.py fails. The signal's reason when it fires.
 */
export async function* drawScenes({ python, seed, count, signal }: DrawingOptions): AsyncGenerator<Scene> {
  Deno.mkdirSync(CACHE, { recursive: true });
  const directory = Deno.makeTempDirSync({ dir: CACHE, prefix: "drawn-" });
  let child: Deno.ChildProcess | undefined;
  try {
    child = new Deno.Command(python, {
      args: [DRAW, "--seed", `${seed}`, "--count", `${count}`, "--out", directory, "--print"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const complaint = new Response(child.stderr).text();
    for await (const line of linesOf(child.stdout)) {
      signal.throwIfAborted();
      yield readScene(directory, JSON.parse(line));
    }
    const { success } = await child.status;
    signal.throwIfAborted();
    if (!success) throw new DrawingError(`Cannot draw scenes: ${lastLine(await complaint)}`);
  } finally {
    if (child) await end(child);
    Deno.removeSync(directory, { recursive: true });
  }
}

function readScene(directory: string, { image, questions }: DrawnLine): Scene {
  return {
    picture: Deno.readFileSync(`${directory}/${image}`),
    questions: questions.map(({ task, question, answer }) => ({
      task,
      turns: [question].flat(),
      expected: [answer].flat(),
    })),
  };
}

/** Ends a process that may have ended, and waits: it must not write any more. */
async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
  }
  await child.status;
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
