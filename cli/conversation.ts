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
  return [...messages.slice(0, -1), { ...last, content: joined(last.content, next.content) }];
}

/** One content after the other; templates trim each text, so a line break between two must be inside of one. */
function joined(one: Message["content"], two: Message["content"]): Message["content"] {
  if (typeof one === "string" && typeof two === "string") return `${one}\n${two}`;
  const [before, after] = [one, two].map((content) =>
    typeof content === "string" ? [{ type: "text" as const, text: content }] : content
  );
  const last = before.at(-1), [first, ...others] = after;
  if (last?.type !== "text" || first?.type !== "text") return [...before, ...after];
  return [...before.slice(0, -1), { type: "text", text: `${last.text}\n${first.text}` }, ...others];
}
