/**
 * Which picture belongs to which place of a conversation.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { ImageInput } from "../image/input.ts";
import type { Message } from "../text/messages.ts";
import type { GenerateRequest } from "./requests.ts";

/**
 * The messages with a place for every picture, and all pictures in the order of their places.
 *
 * @throws {RemoraError} BAD_IMAGE when a place has no picture, or a picture no place.
 */
export function placeImages(
  { messages, images = [] }: Pick<GenerateRequest, "messages" | "images">,
): { messages: Message[] | undefined; images: ImageInput[] } {
  if (messages === undefined) return { messages, images };
  const rest = [...images];
  const placed: ImageInput[] = [];
  let places = 0;
  for (const { content } of messages) {
    for (const part of Array.isArray(content) ? content : []) {
      if (part?.type !== "image") continue;
      places++;
      const image = part.image ?? rest.shift();
      if (image !== undefined) placed.push(image);
    }
  }
  if (places === 0 && rest.length > 0) return { messages: withPlaces(messages, rest.length), images };
  if (placed.length !== places || rest.length > 0) {
    throw new RemoraError("BAD_IMAGE", "Cannot place the pictures", {
      expected: `one for each of ${places} places in the messages`,
      found: `${placed.length + rest.length}`,
    });
  }
  return { messages, images: placed };
}

/** The messages with `count` places at the beginning of the user's first one. */
function withPlaces(messages: Message[], count: number): Message[] {
  const first = messages.findIndex(({ role }) => role === "user");
  if (first < 0) {
    throw new RemoraError("BAD_IMAGE", "Cannot place the pictures", {
      expected: "a message of the user",
      found: "none",
    });
  }
  const { content } = messages[first];
  const parts = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
  const places = Array.from({ length: count }, () => ({ type: "image" as const }));
  return messages.with(first, { ...messages[first], content: [...places, ...parts] });
}
