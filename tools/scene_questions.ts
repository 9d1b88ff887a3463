/**
 * Asks a model about scenes and counts the right answers.
 *
 * @module
 */
import type { ContentPart, Message, Model, Sequence } from "../mod.ts";
import type { Scene } from "./scene_drawing.ts";
import { isRight, TASKS } from "./scene_scoring.ts";

/** More than any right answer has. */
const ANSWER_TOKENS_MAX = 128;

/** Questions asked, and those answered rightly. */
export interface Tally {
  asked: number;
  right: number;
}

/** What a model made of scenes. */
export interface SceneResults {
  /** By task, in the order of `TASKS`; tasks that were never asked are left out. */
  tasks: Record<string, Tally>;
  /** SHA-256 of all answers in order, each closed by a line break. */
  digest: string;
}

/**
 * Asks every question, greedily. Questions about one scene share a sequence, so that its picture is looked at once; a
 * conversation goes on from the model's own answers.
 *
 * @param onScene Told after each scene.
 * @throws {RemoraError} As `Model.generate`. The signal's reason when it fires.
 */
export async function askAboutScenes(
  model: Model,
  scenes: AsyncIterable<Scene> | Iterable<Scene>,
  { signal, onScene }: { signal?: AbortSignal; onScene?: () => void } = {},
): Promise<SceneResults> {
  const tallies = new Map<string, Tally>();
  const answers: string[] = [];
  for await (const { picture, questions } of scenes) {
    using sequence = model.createSequence();
    for (const { task, turns, expected } of questions) {
      const got = await converse(model, sequence, picture, turns, signal);
      const tally = tallies.get(task) ?? { asked: 0, right: 0 };
      tallies.set(task, tally);
      tally.asked++;
      if (isRight(task, expected, got)) tally.right++;
      answers.push(...got);
    }
    onScene?.();
  }
  const asked = TASKS.flatMap(({ name }) => tallies.has(name) ? [[name, tallies.get(name)!]] : []);
  return { tasks: Object.fromEntries(asked), digest: await digestOf(answers) };
}

/** The answers to the turns of one conversation about a picture. */
async function converse(
  model: Model,
  sequence: Sequence,
  picture: Uint8Array,
  turns: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  const messages: Message[] = [];
  const answers: string[] = [];
  for (const [turn, question] of turns.entries()) {
    const parts: ContentPart[] = [{ type: "text", text: question }];
    if (turn === 0) parts.unshift({ type: "image", image: picture });
    messages.push({ role: "user", content: parts });
    const { text } = await model.complete({
      messages,
      sequence,
      signal,
      temperature: 0,
      maxTokens: ANSWER_TOKENS_MAX,
    });
    messages.push({ role: "assistant", content: text });
    answers.push(text);
  }
  return answers;
}

async function digestOf(answers: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(answers.map((answer) => `${answer}\n`).join(""));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
