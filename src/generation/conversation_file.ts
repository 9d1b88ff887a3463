/**
 * Conversations on disk: sealed files (src/io/sealed_file.ts) of the kind "REMORAST".
 *
 * The description holds the messages, with the names of pictures in place of the pictures, and the tokens; the contents are a
 * snapshot of the sequence, which brings what the model saw. See docs/snapshots.md.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { imageKey, readKey } from "../image/input.ts";
import { isObject } from "../io/read.ts";
import { openSealed, type SealedKind, sealFile } from "../io/sealed_file.ts";
import type { Platform } from "../platform/platform.ts";
import type { Sequence } from "../sequence/sequence.ts";
import type { ContentPart, Message } from "../text/messages.ts";

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

/** A conversation from a file that has passed its checks. */
export interface LoadedConversation extends ConversationState {
  /** The file that it came from. */
  path: string;
  /** For `Sequence.restore`. */
  snapshot: Uint8Array;
}

/** @throws {RemoraError} FILE_NOT_FOUND, BAD_FILE, naming the file. */
export function readConversation(
  { files, createHash }: Pick<Platform, "files" | "createHash">,
  path: string,
): LoadedConversation {
  using file = files.open(path);
  const refuse = (expected: string, found: string) =>
    new RemoraError("BAD_FILE", "Cannot read", { file: path, expected, found });
  const { isFile, size } = file;
  if (!isFile) throw refuse(KIND.title, "no file");
  if (size > STATE_BYTES_MAX) throw refuse(`at most ${STATE_BYTES_MAX} bytes`, `${size}`);
  const bytes = new Uint8Array(size);
  const read = file.readInto(0, bytes);
  const { description, contents } = openSealed(bytes.subarray(0, read), KIND, path, createHash);
  if (isState(description)) return { ...description, path, snapshot: contents };
  throw refuse("messages and tokens", "another description");
}

/** @throws {RemoraError} BAD_FILE when it cannot be written. */
export async function writeConversation(
  { files, createHash }: Pick<Platform, "files" | "createHash">,
  path: string,
  { messages, tokenIds }: ConversationState,
  sequence: Sequence,
): Promise<void> {
  const named = messages &&
    await Promise.all(messages.map((message) => withNamedPictures(message, sequence)));
  const snapshot = await sequence.snapshot();
  const bytes = sealFile(KIND, { messages: named, tokenIds }, [snapshot], snapshot.length, createHash);
  // deno-lint-ignore require-await -- files are filled asynchronously by contract
  await files.replace(path, async (file) => file.write(bytes));
}

/** The message with the names of its pictures, as the sequence has them: with fewer tiles a picture has another name. */
async function withNamedPictures(message: Message, { pictureKeys }: Sequence): Promise<Message> {
  if (typeof message.content === "string") return message;
  const content = await Promise.all(message.content.map(async (part): Promise<ContentPart> => {
    if (part.type !== "image" || part.image === undefined) return part;
    const key = await imageKey(part.image);
    return { type: "image", image: { key: pictureKeys.find((own) => readKey(own).content === key) ?? key } };
  }));
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
