/**
 * A fallback on a free port of this machine.
 *
 * @module
 */
import { type AnswerRecord, createFallback, type FallbackHandler, type FallbackOptions } from "../../mod.ts";

/** A running one. */
export interface Proxying extends AsyncDisposable {
  url: string;
  handler: FallbackHandler;
  records: AnswerRecord[];
  circuits: string[];
}

/** Serves it as anybody would. */
export function proxying(options: FallbackOptions): Proxying {
  const records: AnswerRecord[] = [], circuits: string[] = [];
  const handler = createFallback({
    onAnswer: (record) => records.push(record),
    onCircuit: ({ state, reason }) => circuits.push(reason ? `${state}: ${reason}` : state),
    ...options,
  });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    handler,
    records,
    circuits,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await handler[Symbol.asyncDispose]();
    },
  };
}

/** An address at which nobody listens. */
export function deadUrl(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${listener.addr.port}`;
}

/** A chat, as bytes. */
export function chat(more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    model: "scenes",
    messages: [{ role: "user", content: "Is there a star?" }],
    max_tokens: 5,
    temperature: 0,
    ...more,
  });
}

/** The path of chats. */
export const CHAT = "/v1/chat/completions";

/** Header fields of a JSON body. */
export const JSON_FIELDS = ["content-type: application/json"];
