/**
 * Messages as they are said.
 *
 * @module
 */
import type { Message } from "../mod.ts";

/** A message of the user. */
export function userMessage(text: string, pictures: readonly Uint8Array[]): Message {
  if (pictures.length === 0) return { role: "user", content: text };
  const images = pictures.map((image) => ({ type: "image" as const, image }));
  return { role: "user", content: [...images, { type: "text", text }] };
}

/** The conversation with one more message of the user; one that was not answered yet goes on in the next line. */
export function withUserMessage(messages: readonly Message[], next: Message): Message[] {
  const last = messages.at(-1);
  if (last?.role !== "user") return [...messages, next];
  const partsOf = ({ content }: Message) =>
    typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
  const [first, ...others] = partsOf(next);
  const content = first.type === "text"
    ? [...partsOf(last), { ...first, text: `\n${first.text}` }, ...others]
    : [...partsOf(last), first, ...others];
  const isText = content.every(({ type }) => type === "text");
  const text = content.map((part) => part.type === "text" ? part.text : "").join("");
  return [...messages.slice(0, -1), { ...last, content: isText ? text : content }];
}
