/**
 * Messages of a conversation, in the shape of OpenAI's API.
 *
 * @module
 */
import type { ImageInput } from "../image/input.ts";

/** One part of a message's content. */
export type ContentPart =
  | { type: "text"; text: string }
  | {
    type: "image";
    /** The picture; the chat template sees only that there is one. */
    image?: ImageInput;
  }
  /** The same in the shape of OpenAI's API, for pictures in `data:` URLs. */
  | { type: "image_url"; image_url: { url: string } | string };

/** One turn of a conversation. */
export interface Message {
  /** As the chat template expects it: `system`, `user`, `assistant`, `tool`, … */
  role: string;
  /** Text, or parts of text and pictures. */
  content: string | ContentPart[];
  /** Who speaks, for templates that tell several of one role apart. */
  name?: string;
  /**
   * Anything else goes to the chat template as it is, e.g. `tool_calls`. What the model thought before it answered may be named
   * `reasoning_content`, `thinking` or `reasoning`.
   */
  [field: string]: unknown;
}
