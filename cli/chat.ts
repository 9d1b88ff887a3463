/**
 * A conversation on a terminal.
 *
 * @module
 */
import type { GenerateRequest, Message, Model, Sequence } from "../mod.ts";
import { RemoraError } from "../src/core/errors.ts";
import { decodeImage } from "../src/image/decode.ts";
import { cannotSee } from "../src/image/input.ts";
import { answer, describeAnswer } from "./answer.ts";
import { describeInteger } from "./figures.ts";
import { Interrupted, Interruption } from "./interruption.ts";
import { LineEditor } from "./line_editor.ts";
import { namePictures, readPicture } from "./picture.ts";
import { note, print, ProgressBar } from "./terminal.ts";

/** How to chat. */
export interface ChatSettings {
  system?: string;
  /** Without the chat template: each line is continued by itself. */
  isRaw: boolean;
  isVerbose: boolean;
  /** Sampling, limits and stop strings of every answer. */
  request: GenerateRequest;
  /** Shown with the first message. */
  pictures?: Uint8Array[];
}

const CHAT_HELP = `/system TEXT  start anew with this system message
/image PATH   show a picture with the next message
/reset        forget the conversation
/exit         leave (also Ctrl-D)
/help         this text
A line that ends in \\ goes on in the next one, text in """ over any number of lines.
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
    const text = (await editor.read("> ", termination.signal))?.trim();
    if (text === undefined || text === "/exit") return;
    if (text === "") continue;
    const [, command, argument] = /^\/(\w+)(?:\s+([^]+))?$/.exec(text) ?? [];
    if (text === "/help") note(CHAT_HELP);
    else if (text === "/reset") conversation.reset();
    else if (command === "system" && argument) conversation.reset(argument);
    else if (command === "image" && argument) await conversation.showPicture(argument);
    // With more behind it, "/tmp is full" may well be a message.
    else if (command && !argument) note(`unknown command ${text}; /help lists them\n`);
    else await conversation.say(text, termination.signal);
  }
}

/** What was said, in messages and in the sequence that has seen them. */
class Conversation {
  readonly #model: Model;
  readonly #sequence: Sequence;
  readonly #settings: ChatSettings;
  #system: string | undefined;
  #messages: Message[] = [];
  /** Shown with the next message. */
  #pictures: Uint8Array[] = [];

  constructor(model: Model, sequence: Sequence, settings: ChatSettings) {
    this.#model = model;
    this.#sequence = sequence;
    this.#settings = settings;
    this.reset(settings.system);
    this.#pictures = [...settings.pictures ?? []];
  }

  /** Starts anew, with the system message there was if no other is given. */
  reset(system = this.#system): void {
    if (system !== undefined && this.#settings.isRaw) {
      return note("remora: without the chat template there is no system message\n");
    }
    this.#system = system;
    this.#messages = system === undefined ? [] : [{ role: "system", content: system }];
    this.#pictures = [];
    this.#sequence.truncate(0);
  }

  /** Keeps a picture for the next message. */
  async showPicture(path: string): Promise<void> {
    try {
      if (!this.#model.info.vision) throw cannotSee();
      const picture = await readPicture(path);
      const { width, height } = await decodeImage(picture).catch((error) => {
        throw namePictures(error, [path]);
      });
      this.#pictures.push(picture);
      note(`${width} × ${height} pixels, shown with the next message\n`);
    } catch (error) {
      if (!(error instanceof RemoraError)) throw error;
      note(`remora: ${error.message}\n`);
    }
  }

  /** Prints the answer; Ctrl-C ends it, and what was printed is part of the conversation. */
  async say(text: string, termination: AbortSignal): Promise<void> {
    const before = this.#messages.length;
    const images = this.#pictures.splice(0);
    this.#messages.push({ role: "user", content: contentOf(text, images) });
    using interruption = new Interruption("SIGINT");
    using bar = new ProgressBar("Looking");
    const said: string[] = [];
    try {
      const timed = await answer(
        this.#model,
        {
          ...this.#settings.request,
          ...(this.#settings.isRaw ? { prompt: text, images } : { messages: this.#messages }),
          sequence: this.#sequence,
          onPictureProgress: (share) => bar.show(share),
          signal: AbortSignal.any([interruption.signal, termination]),
        },
        {
          onText: async (piece) => {
            bar[Symbol.dispose]();
            said.push(piece);
            await print(piece);
          },
        },
      );
      await print("\n");
      if (this.#settings.isVerbose) note(describeAnswer(timed) + "\n");
      this.#noteFullContext();
    } catch (error) {
      const isStopped = error instanceof Interrupted && error.signalName === "SIGINT";
      if (!isStopped && !(error instanceof RemoraError)) throw error;
      if (isStopped || said.length > 0) await print("\n");
      if (error instanceof RemoraError) note(this.#describeRefusal(error));
      if (!isStopped || said.length === 0) {
        this.#messages.length = before;
        if (isStopped) this.#pictures.unshift(...images);
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

function contentOf(text: string, images: Uint8Array[]): Message["content"] {
  if (images.length === 0) return text;
  return [...images.map((image) => ({ type: "image" as const, image })), { type: "text", text }];
}
