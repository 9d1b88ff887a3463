/**
 * Answers as server-sent events.
 *
 * @module
 */
import { apiErrorOf } from "../api_error.ts";

/** One event. */
export interface ServerEvent {
  event?: string;
  /** As JSON; a string is sent as it is. */
  data: unknown;
}

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  // Proxies that collect answers would make a stream of none.
  "x-accel-buffering": "no",
};

/** Writes an event. */
export function eventText({ event, data }: ServerEvent): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}

/**
 * A response whose body is made of events. The first event is waited for, so that what is refused has its status. A client that goes
 * away ends the events.
 *
 * @param stop Called when the client goes away.
 * @param errorEvent An error that comes when the status is out.
 */
export async function eventResponse(
  events: AsyncGenerator<ServerEvent, void, void>,
  stop: () => void,
  errorEvent: (error: unknown) => ServerEvent = (error) => ({ data: apiErrorOf(error).body }),
): Promise<Response> {
  const encoder = new TextEncoder();
  const first = await events.next();
  let step: Promise<IteratorResult<ServerEvent, void>> | undefined = Promise.resolve(first);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await (step ?? events.next());
        step = undefined;
        if (done) controller.close();
        else controller.enqueue(encoder.encode(eventText(value)));
      } catch (error) {
        controller.enqueue(encoder.encode(eventText(errorEvent(error))));
        controller.close();
      }
    },
    async cancel() {
      stop();
      await events.return();
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: HEADERS });
}
