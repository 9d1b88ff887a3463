/**
 * What was typed into chats, kept in a file from one to the next.
 *
 * A message is a line of the file, as a JSON string, so that messages of several lines stay whole. Each is appended by one write, so
 * chats that run at the same time lose nothing of each other; a file that has grown too large is written anew beside the old one.
 *
 * @module
 */
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { host } from "./host/current.ts";
import { note } from "./terminal.ts";

/** Bytes of the file: some thousand messages, read in a few milliseconds. When it is full, half of it is forgotten. */
export const HISTORY_BYTES_MAX = 1 << 20;
/** Only its owner reads what was said. */
const FILE_MODE = 0o600, FOLDER_MODE = 0o700;

/** Where histories are kept: `$XDG_STATE_HOME/remora/history`, or `~/.local/state/remora/history`. */
function usualPath(): string | undefined {
  const variable = (name: string) =>
    host.isGranted({ name: "env", variable: name }) ? process.env[name] : undefined;
  const state = variable("XDG_STATE_HOME"), home = variable("HOME") ?? variable("USERPROFILE");
  if (state) return join(state, "remora", "history");
  return home ? join(home, ".local", "state", "remora", "history") : undefined;
}

/** The messages of earlier chats, the oldest first, and those of this one. */
export class ChatHistory {
  readonly messages: string[];
  /** Absent: nothing is kept. */
  #path: string | undefined;

  private constructor(messages: string[], path?: string) {
    this.messages = messages;
    this.#path = path;
  }

  /** One that ends with the chat. */
  static ofThisChat(): ChatHistory {
    return new ChatHistory([]);
  }

  /**
   * Opens the file, if it may be read and written without asking; otherwise the history ends with the chat, and for a file that was
   * named that is said.
   *
   * @param named Another file than the usual one.
   */
  static open(named?: string): ChatHistory {
    const path = named ?? usualPath();
    if (path === undefined) return ChatHistory.ofThisChat();
    if (!host.isGranted({ name: "read", path }) || !host.isGranted({ name: "write", path })) {
      if (named) {
        note(`the history is not kept: pass --allow-read=${path} --allow-write=${path} to deno run\n`);
      }
      return ChatHistory.ofThisChat();
    }
    try {
      return new ChatHistory(readHistory(path), path);
    } catch (error) {
      noteUnkept(path, error);
      return ChatHistory.ofThisChat();
    }
  }

  /** Adds a message, unless it is the last one again. */
  add(message: string): void {
    if (message.trim() === "" || message === this.messages.at(-1)) return;
    this.messages.push(message);
    if (this.#path === undefined) return;
    try {
      append(this.#path, message);
    } catch (error) {
      noteUnkept(this.#path, error);
      this.#path = undefined;
    }
  }
}

function noteUnkept(path: string, error: unknown): void {
  note(`the history is not kept in ${path}: ${error instanceof Error ? error.message : error}\n`);
}

/** @throws When the file is none of ours: what another program wrote is not added to. */
function readHistory(path: string): string[] {
  const info = statIfThere(path);
  if (info === undefined) return [];
  if (!info.isFile() || info.size > 2 * HISTORY_BYTES_MAX) throw new Error("it is no history of chats");
  const text = readFileSync(path, "utf8");
  const lines = text.split("\n").filter((line) => line !== "");
  const messages = lines.map(parse).filter((message) => message !== undefined);
  if (lines.length > 0 && parse(lines[0]) === undefined) throw new Error("it is no history of chats");
  // The last write was cut short.
  if (lines.length > 0 && !text.endsWith("\n")) writeAnew(path, messages);
  return messages;
}

function parse(line: string): string | undefined {
  try {
    const message = JSON.parse(line);
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

function append(path: string, message: string): void {
  const line = new TextEncoder().encode(JSON.stringify(message) + "\n");
  if (line.length > HISTORY_BYTES_MAX / 2) return;
  const size = statIfThere(path)?.size ?? 0;
  if (size + line.length > HISTORY_BYTES_MAX) writeAnew(path, readHistory(path));
  if (size === 0) makeFolder(path);
  appendFileSync(path, line, { mode: FILE_MODE });
}

/** Replaces the file by its newest messages. Where nothing may be written beside it, it is overwritten. */
function writeAnew(path: string, messages: readonly string[]): void {
  const kept: string[] = [];
  let size = 0;
  for (const message of messages.toReversed()) {
    const line = JSON.stringify(message) + "\n";
    size += new TextEncoder().encode(line).length;
    if (size > HISTORY_BYTES_MAX / 2) break;
    kept.unshift(line);
  }
  const beside = `${path}.${process.pid}`;
  const mayRename = host.isGranted({ name: "write", path: beside }) &&
    host.isGranted({ name: "read", path: beside });
  const target = mayRename ? beside : path;
  writeFileSync(target, kept.join(""), { mode: FILE_MODE });
  if (mayRename) renameSync(beside, path);
}

function makeFolder(path: string): void {
  const folder = dirname(path);
  if (host.isGranted({ name: "write", path: folder })) {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  }
}

function statIfThere(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
