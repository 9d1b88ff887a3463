/**
 * A conversation on a terminal.
 *
 * @module
 */
import process from "node:process";
import {
  type Completion,
  decodeImage,
  type GenerateRequest,
  type LoadedConversation,
  type Message,
  type Model,
  RemoraError,
  saveConversation,
  type Sequence,
} from "../mod.ts";
import { answer, describeAnswer, describeCut } from "./answer.ts";
import { AnswerPrinter } from "./answer_printer.ts";
import type { ChatHistory } from "./chat_history.ts";
import { userMessage, withUserMessage } from "./conversation.ts";
import { describeInteger } from "./figures.ts";
import { host } from "./host/current.ts";
import type { Permission } from "./host/host.ts";
import { Interrupted, Interruption } from "./interruption.ts";
import { LineEditor } from "./line_editor.ts";
import { namePictures, readPicture } from "./picture.ts";
import { PromptBars } from "./prompt_bars.ts";
import { note } from "./terminal.ts";

/** How to chat. */
export interface ChatSettings {
  system?: string;
  /** Without the chat template: each line is continued by itself. */
  isRaw: boolean;
  isVerbose: boolean;
  /** Whether lines are broken between words, on a terminal. */
  isWrapped: boolean;
  /** Sampling, limits and stop strings of every answer. */
  request: GenerateRequest;
  /** Shown with the first message. */
  pictures: Uint8Array[];
  /** What to go on with. */
  state?: LoadedConversation;
  /** What was typed before. */
  history: ChatHistory;
  /** Where to save the conversation when the user leaves. */
  savePath?: string;
}

const CHAT_HELP = `/system TEXT  start anew with this system message
/image PATH   show a picture with the next message
/reset        forget the conversation
/exit         leave (also Ctrl-D)
/help         this text
A line that ends in \\ goes on in the next one, text in """ over any number of lines.
Ctrl-C stops an answer.
A full context ends an answer; with --context-shift what lies between the first tokens and the recent half is forgotten.
`;

/** Chats until the user leaves. */
export async function chat(model: Model, settings: ChatSettings): Promise<void> {
  using termination = new Interruption("SIGTERM");
  // Between an answer and the next prompt Ctrl-C must not end the program.
  using _unheeded = new Interruption("SIGINT");
  using sequence = model.createSequence();
  const { state, savePath } = settings;
  if (state) await sequence.restore(state.snapshot, state.path);
  const conversation = new Conversation(model, sequence, settings);
  using editor = new LineEditor(settings.history);
  note("/help lists the commands.\n");
  while (true) {
    const text = (await editor.read("> ", termination.signal))?.trim();
    if (text === undefined || text === "/exit") break;
    if (text === "") continue;
    const [, command, argument] = /^\/(\w+)(?:\s+([^]+))?$/.exec(text) ?? [];
    if (text === "/help") note(CHAT_HELP);
    else if (text === "/reset") conversation.reset();
    else if (command === "system" && argument) conversation.reset(argument);
    else if (command === "image" && argument) {
      const path = await pathFrom(argument, editor);
      await ask({ name: "read", path }, editor);
      await conversation.showPicture(path);
    } // With more text after the word it may well be a message: "/tmp is full".
    else if (command === "image" || command === "system") note(`/${command} needs more; /help tells what\n`);
    else if (command && !argument) note(`unknown command ${text}; /help lists them\n`);
    else await conversation.say(text, termination.signal);
  }
  if (savePath !== undefined) await conversation.save(savePath);
}

/** Lets the runtime ask for a permission that what the user has written needs; whoever needs it says that it was refused. */
async function ask(permission: Permission, editor: LineEditor): Promise<boolean> {
  return host.isGranted(permission) || await editor.lend(() => host.requestPermission(permission));
}

/** A path as it was typed or dropped on the terminal: in quotes, with escaped spaces, or from the home folder. */
async function pathFrom(written: string, editor: LineEditor): Promise<string> {
  const [, quoted] = /^(?:"(.*)"|'(.*)')$/.exec(written)?.filter((part) => part !== undefined) ?? [];
  const isEscaped = quoted === undefined && process.platform !== "win32";
  const path = isEscaped ? written.replace(/\\(.)/g, "$1") : quoted ?? written;
  if (!path.startsWith("~/") || !await ask({ name: "env", variable: "HOME" }, editor)) return path;
  return `${process.env.HOME ?? "~"}${path.slice(1)}`;
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
    const { state } = settings;
    if (state) this.#goOn(state);
    else this.reset(settings.system);
    this.#pictures = [...settings.pictures];
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

  /** Saves where the conversation stands. */
  async save(path: string): Promise<void> {
    const state = { messages: this.#messages, tokenIds: [...this.#sequence.tokenIds] };
    await saveConversation(path, state, this.#sequence);
  }

  /** Takes up a conversation that the sequence has seen. */
  #goOn({ path, messages }: LoadedConversation): void {
    if (!messages) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot go on with", {
        file: path,
        expected: "a conversation in the chat template",
        found: "a text without it",
      });
    }
    this.#messages = [...messages];
    const [first] = messages;
    if (first?.role === "system" && typeof first.content === "string") this.#system = first.content;
  }

  /** Keeps a picture for the next message. */
  async showPicture(path: string): Promise<void> {
    try {
      if (!this.#model.info.vision) {
        throw new RemoraError("UNSUPPORTED", "Cannot look at a picture", {
          expected: "a model with a vision tower",
          found: "a text model",
        });
      }
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
    const before = this.#messages;
    const images = this.#pictures.splice(0);
    this.#messages = withUserMessage(before, userMessage(text, images));
    using interruption = new Interruption("SIGINT");
    using bars = new PromptBars();
    const said: string[] = [];
    const printer = new AnswerPrinter(this.#settings.isWrapped);
    try {
      const timed = await answer(
        this.#model,
        {
          ...this.#settings.request,
          ...(this.#settings.isRaw ? { prompt: text, images } : { messages: this.#messages }),
          sequence: this.#sequence,
          ...bars.listeners,
          signal: AbortSignal.any([interruption.signal, termination]),
        },
        {
          onText: async (piece) => {
            bars[Symbol.dispose]();
            said.push(piece);
            await printer.push(piece);
          },
        },
      );
      await printer.end();
      if (this.#settings.isVerbose) note(describeAnswer(timed) + "\n");
      note(this.#describeEnd(timed));
    } catch (error) {
      const isStopped = error instanceof Interrupted && error.signalName === "SIGINT";
      if (!isStopped && !(error instanceof RemoraError)) throw error;
      if (isStopped || said.length > 0) await printer.end();
      if (error instanceof RemoraError) note(this.#describeRefusal(error));
      if (!isStopped || said.length === 0) {
        this.#messages = before;
        if (isStopped) this.#pictures.unshift(...images);
        return;
      }
    }
    this.#messages.push({ role: "assistant", content: said.join("") });
  }

  /** What is to say after an answer: that it is not whole, or that there is no room for another. */
  #describeEnd(completion: Completion): string {
    const { contextSize } = this.#model.info;
    const isFull = this.#sequence.length >= contextSize && !this.#settings.request.contextShift;
    const size = describeInteger(contextSize);
    const full = `the context is full: ${size} of ${size} tokens; /reset forgets the conversation\n`;
    return isFull ? full : describeCut(completion, this.#sequence, this.#model) ?? "";
  }

  #describeRefusal(error: RemoraError): string {
    const advice = error.code === "CONTEXT_OVERFLOW"
      ? "; /reset forgets the conversation, and with --context-shift it goes on"
      : "";
    return `remora: ${error.message}${advice}\n`;
  }
}
