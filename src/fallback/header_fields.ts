/**
 * Header fields: which of them pass through a proxy, and those that it adds.
 *
 * @module
 */
import type { HeaderField } from "../platform/http.ts";

/** Fields that concern one connection and not the message (RFC 9110, 7.6.1). `Connection` names others. */
const OF_CONNECTION = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * What is sent on of a request. `Host` becomes the upstream's; `Expect` has been obeyed by whoever reads the body.
 *
 * @param host Of the upstream.
 */
export function requestFields(headers: Headers, host: string): HeaderField[] {
  const left = new Set(["host", "expect"]);
  const fields = passing([...headers]).filter(([name]) => !left.has(name.toLowerCase()));
  return [["host", host], ...fields.map(([name, value]): HeaderField => [name, once(name, value)])];
}

/** What is sent on of a response, with what the proxy adds. Nobody else may say who answered. */
export function responseHeaders(fields: readonly HeaderField[], marks: AnswerMarks): Headers {
  const headers = new Headers();
  for (const [name, value] of passing(fields)) {
    if (!name.toLowerCase().startsWith("x-remora-")) headers.append(name, value);
  }
  return mark(headers, marks);
}

/** A length that came twice: whoever reads the body has seen that both are the same, but who reads "5, 5" may see something else. */
function once(name: string, value: string): string {
  return name.toLowerCase() === "content-length" ? value.split(",")[0].trim() : value;
}

function passing(fields: readonly HeaderField[]): HeaderField[] {
  const named = fields.filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.split(",")).map((name) => name.trim().toLowerCase());
  return fields.filter(([name]) =>
    !OF_CONNECTION.has(name.toLowerCase()) && !named.includes(name.toLowerCase())
  );
}

/** The first value of a field; its name in lower case. */
export function fieldOf(fields: readonly HeaderField[], wanted: string): string | undefined {
  return fields.find(([name]) => name.toLowerCase() === wanted)?.[1];
}

/** Who answered. */
export interface AnswerMarks {
  /** Nobody: the proxy itself says that nobody could. */
  servedBy?: "upstream" | "local";
  /** Why not the first upstream. */
  reason?: string;
  /** Tries that were made, that of the answer included. */
  attempts: number;
}

/** Adds the fields that say who answered. */
export function mark(headers: Headers, { servedBy, reason, attempts }: AnswerMarks): Headers {
  if (servedBy) headers.set("x-remora-served-by", servedBy);
  if (reason) headers.set("x-remora-fallback-reason", reason);
  headers.set("x-remora-attempts", `${attempts}`);
  return headers;
}
