/**
 * Pictures in messages as OpenAI's API writes them.
 *
 * @module
 */
import { fromBase64 } from "../core/bytes_as_text.ts";
import { RemoraError } from "../core/errors.ts";
import { IMAGE_BYTES_MAX } from "../core/limits.ts";
import type { ContentPart, Message } from "../text/messages.ts";

/**
 * The messages with the bytes of their pictures in place of `data:` URLs.
 *
 * @throws {RemoraError} BAD_IMAGE for a URL that would have to be fetched, or that holds no base64.
 */
export function withImageParts(messages: readonly Message[]): Message[] {
  return messages.map((message) => {
    const { content } = message;
    if (!Array.isArray(content) || !content.some((part) => part?.type === "image_url")) return message;
    return {
      ...message,
      content: content.map((part) => part?.type === "image_url" ? imagePart(part) : part),
    };
  });
}

function imagePart({ image_url }: ContentPart & { type: "image_url" }): ContentPart {
  const url = typeof image_url === "string" ? image_url : image_url?.url;
  const refuse = (expected: string, found: string) =>
    new RemoraError("BAD_IMAGE", "Cannot use the picture of image_url", { expected, found });
  if (typeof url !== "string") throw refuse("a url", typeof url);
  const [, base64] = /^data:[^,]*;base64,([^]*)$/i.exec(url) ?? [];
  if (base64 === undefined) throw refuse("a data: URL in base64, as nothing is fetched", url.slice(0, 60));
  if (base64.length > IMAGE_BYTES_MAX * 4 / 3) throw refuse(`at most ${IMAGE_BYTES_MAX} bytes`, "more");
  try {
    return { type: "image", image: fromBase64(base64) };
  } catch {
    throw refuse("base64", "other characters");
  }
}
