/**
 * A conversation on a terminal.
 *
 * @module
 */
import type { GenerateRequest, Message, Model, Sequence } from "../mod.ts";
import { RemoraError } from "../src/core/errors.ts";
import { answer, describeAnswer } from "./answer.ts";
import { describeInteger } from "./figures.ts";
import { Interrupted, Interruption } from "./interruption.ts";
import { LineEditor } from "./line_editor.ts";
import { note, print } from "./terminal.ts";

/** How to chat. */
export interface ChatSettings {
  system?: string;
  /** Without the chat template: each line is continued by itself. */
  isRaw: boolean;
  isVerbose: boolean;
  /** Sampling, limits and stop strings of every answer. */
  request: GenerateRequest;
}

const CHAT_HELP = `/reset  forget the conversation
/exit   leave (also Ctrl-D)
/help   this text
Ctrl-C stops an answer.
`;

/** Chats until the user leaves. */
export async function chat(model: Model, settings: ChatSettings): Promise<void> {
  using termination = new Interruption("SIGTERM");
  // Between an answer and the next prompt Ctrl-C must not end the program.
  using _unheeded = new Interruption("SIGINT");
  using sequence = model.createSequence();
  const conversation = new Conversation(model, sequence, settings);
  const editor = new LineEditor();
  note("/help lists the commands.\n");
  while (true) {
    const line = (await editor.read("> ", termination.signal))?.trim();
    if (line === undefined || line === "/exit") return;
    if (line === "") continue;
    if (line === "/help") note(CHAT_HELP);
    else if (line === "/reset") conversation.reset();
    else if (/^\/\w+$/.test(line)) note(`unknown command ${line}; /help lists them\n`);
    else await conversation.say(line, termination.signal);
  }
}

/** What was said, in messages and in the sequence that has seen them. */
class Conversation {
  readonly #model: Model;
  readonly #sequence: Sequence;
  readonly #settings: ChatSettings;
  #messages: Message[] = [];

  constructor(model: Model, sequence: Sequence, settings: ChatSettings) {
    this.#model = model;
    this.#sequence = sequence;
    this.#settings = settings;
    this.reset();
  }

  reset(): void {
    const { system } = this.#settings;
    this.#messages = system === undefined ? [] : [{ role: "system", content: system }];
    this.#sequence.truncate(0);
  }

  /** Prints the answer; Ctrl-C ends it, and what was printed is part of the conversation. */
  async say(text: string, termination: AbortSignal): Promise<void> {
    const before = this.#messages.length;
    this.#messages.push({ role: "user", content: text });
    using interruption = new Interruption("SIGINT");
    const said: string[] = [];
    try {
      const timed = await answer(
        this.#model,
        {
          ...this.#settings.request,
          ...(this.#settings.isRaw ? { prompt: text } : { messages: this.#messages }),
          sequence: this.#sequence,
          signal: AbortSignal.any([interruption.signal, termination]),
        },
        async (piece) => {
          said.push(piece);
          await print(piece);
        },
      );
      await print("\n");
      if (this.#settings.isVerbose) note(describeAnswer(timed) + "\n");
      this.#noteFullContext();
    } catch (error) {
      if (error instanceof Interrupted && error.signalName === "SIGINT") await print("\n");
      else if (!(error instanceof RemoraError)) throw error;
      else {
        if (said.length > 0) await print("\n");
        note(this.#describeRefusal(error));
        this.#messages.length = before;
        return;
      }
    }
    this.#messages.push({ role: "assistant", content: said.join("") });
  }

  #noteFullContext(): void {
    const { contextSize } = this.#model.info;
    if (this.#sequence.length < contextSize) return;
    const size = describeInteger(contextSize);
    note(`the context is full: ${size} of ${size} tokens; /reset forgets the conversation\n`);
  }

  #describeRefusal(error: RemoraError): string {
    const advice = error.code === "CONTEXT_OVERFLOW" ? "; /reset forgets the conversation" : "";
    return `remora: ${error.message}${advice}\n`;
  }
}
