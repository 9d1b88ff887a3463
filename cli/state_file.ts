/**
 * Conversations on disk: sealed files (src/core/sealed_file.ts) of the kind "REMORAST".
 *
 * The description holds the messages, with the names of pictures in place of the pictures, and the tokens; the contents are a
 * snapshot of the sequence, which brings what the model saw. See docs/snapshots.md.
 *
 * @module
 */
import type { ContentPart, ImageInput, Message, Sequence } from "../mod.ts";
import { RemoraError } from "../src/core/errors.ts";
import { replaceFile } from "../src/core/replace_file.ts";
import { openSealed, type SealedKind, sealFile } from "../src/core/sealed_file.ts";
import { imageKey } from "../src/image/input.ts";
import { isObject } from "../src/io/read.ts";
import { requireRead } from "./model_access.ts";

const KIND: SealedKind = { magic: "REMORAST", version: 1, title: "a state file of remora" };
/** More than any memory of the kernels holds; an endless device is no state. */
const STATE_BYTES_MAX = 2 ** 33;

/** Where a conversation stands. */
export interface ConversationState {
  /** Absent when the chat template was not used. */
  messages?: Message[];
  /** Those that the sequence has seen, and those that came last. */
  tokenIds: number[];
}

/** A state file that has passed its checks. */
export interface LoadedState extends ConversationState {
  path: string;
  snapshot: Uint8Array;
}

/** @throws {RemoraError} FILE_NOT_FOUND, BAD_FILE, naming the file. */
export async function readState(path: string): Promise<LoadedState> {
  requireRead(path);
  const bytes = await readFile(path);
  const { description, contents } = openSealed(bytes, KIND, path);
  if (isState(description)) return { ...description, path, snapshot: contents };
  throw new RemoraError("BAD_FILE", "Cannot read", {
    file: path,
    expected: "messages and tokens",
    found: "another description",
  });
}

async function readFile(path: string): Promise<Uint8Array> {
  const refuse = (code: "FILE_NOT_FOUND" | "BAD_FILE", expected: string, found: string, cause?: unknown) =>
    new RemoraError(code, "Cannot read", { file: path, expected, found, cause });
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw refuse("BAD_FILE", KIND.title, "no file");
    if (size > STATE_BYTES_MAX) throw refuse("BAD_FILE", `at most ${STATE_BYTES_MAX} bytes`, `${size}`);
    return await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof RemoraError) throw cause;
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw refuse(
      isMissing ? "FILE_NOT_FOUND" : "BAD_FILE",
      KIND.title,
      isMissing ? "no such file" : `${cause}`,
      cause,
    );
  }
}

/**
 * Writes the state of a conversation.
 *
 * @throws {RemoraError} BAD_FILE when it cannot be written.
 */
export async function writeState(
  path: string,
  { messages, tokenIds }: ConversationState,
  sequence: Sequence,
): Promise<void> {
  const named = messages && await Promise.all(messages.map(withNamedPictures));
  const snapshot = await sequence.snapshot();
  const bytes = sealFile(KIND, { messages: named, tokenIds }, [snapshot], snapshot.length);
  await replaceFile(path, async (file) => {
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  });
}

/** The message with the names of its pictures. */
async function withNamedPictures(message: Message): Promise<Message> {
  if (typeof message.content === "string") return message;
  const content = await Promise.all(
    message.content.map(async (part): Promise<ContentPart> =>
      part.type === "image"
        ? { type: "image", image: { key: await imageKey(part.image as ImageInput) } }
        : part
    ),
  );
  return { ...message, content };
}

function isState(value: unknown): value is ConversationState {
  if (!isObject(value) || !Array.isArray(value.tokenIds)) return false;
  if (!value.tokenIds.every((id) => Number.isSafeInteger(id) && id >= 0)) return false;
  return value.messages === undefined || (Array.isArray(value.messages) && value.messages.every(isMessage));
}

function isMessage(message: unknown): boolean {
  if (!isObject(message) || typeof message.role !== "string") return false;
  const { content } = message;
  return typeof content === "string" || (Array.isArray(content) && content.every(isPart));
}

function isPart(part: unknown): boolean {
  if (!isObject(part)) return false;
  if (part.type === "text") return typeof part.text === "string";
  return part.type === "image" && isObject(part.image) && typeof part.image.key === "string";
}
