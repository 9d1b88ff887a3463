/**
 * Pictures that a request names by their URLs.
 *
 * @module
 */
import type { ContentPart, Message } from "../text/messages.ts";
import { badRequest } from "./api_error.ts";
import type { ServerOptions } from "./options.ts";

/** Milliseconds in which all pictures of a request must have come. */
const FETCH_MILLISECONDS_MAX = 15_000;

/**
 * The messages with fetched pictures in place of http(s) URLs.
 *
 * @throws {ApiError} 400 where none are fetched, or one cannot be.
 */
export async function withFetchedPictures(
  messages: readonly Message[],
  fetchPicture: ServerOptions["fetchPicture"],
  signal: AbortSignal,
): Promise<Message[]> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MILLISECONDS_MAX)]);
  return await Promise.all(messages.map(async (message) => {
    if (!Array.isArray(message.content)) return message;
    const content = await Promise.all(message.content.map((part) => fetched(part, fetchPicture, limited)));
    return { ...message, content };
  }));
}

async function fetched(
  part: ContentPart,
  fetchPicture: ServerOptions["fetchPicture"],
  signal: AbortSignal,
): Promise<ContentPart> {
  if (part.type !== "image_url") return part;
  const url = typeof part.image_url === "string" ? part.image_url : part.image_url.url;
  if (/^data:/i.test(url)) return part;
  if (!fetchPicture || !/^https?:/i.test(url)) {
    throw badRequest("This server takes pictures as data: URLs only.", "messages", "invalid_image_url");
  }
  return { type: "image", image: await fetchPicture(url, signal) };
}
