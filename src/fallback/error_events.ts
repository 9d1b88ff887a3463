/**
 * How a stream ends that cannot go on.
 *
 * @module
 */
import { anthropicErrorEvent } from "../server/anthropic/messages.ts";
import { ApiError } from "../server/api_error.ts";
import { eventText } from "../server/http/events.ts";
import { responseErrorEvent } from "../server/openai/responses.ts";

/**
 * The last event of a stream whose upstream broke off, in the words of the API that was asked.
 *
 * @param reason In one word.
 */
export function errorEvent(path: string, reason: string): Uint8Array<ArrayBuffer> {
  const error = new ApiError(
    502,
    "server_error",
    `The upstream broke off in the middle of the answer: ${reason}.`,
    {
      code: "upstream_broke_off",
    },
  );
  const event = path === "/v1/messages"
    ? anthropicErrorEvent(error)
    : path === "/v1/responses"
    ? responseErrorEvent(error)
    : { data: error.body };
  return new TextEncoder().encode(eventText(event));
}
