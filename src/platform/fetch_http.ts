/**
 * HTTP by `fetch`, for runtimes that have nothing else. It unpacks bodies by itself, so servers are asked not to pack them.
 *
 * @module
 */
import { watchedBody } from "../core/watched_body.ts";
import { type HeaderField, type HttpClient, HttpFailure } from "./http.ts";

/** Fields that no longer hold once a body was unpacked. */
const OF_PACKED_BODY = new Set(["content-encoding", "content-length"]);

/** A client by the runtime's own `fetch`; how long a connection takes it cannot tell. */
export function createFetchHttp(): HttpClient {
  return {
    async send({ url, method, headers, body, signal }) {
      const asked = headers.filter(([name]) => !["accept-encoding", "host"].includes(name.toLowerCase()));
      const response = await fetch(url, {
        method,
        headers: [...asked, ["accept-encoding", "identity"]].map((
          [name, value],
        ): [string, string] => [name, value]),
        body: body && streamOf(body),
        redirect: "manual",
        signal,
        ...(body && { duplex: "half" }),
      }).catch((error) => {
        signal.throwIfAborted();
        throw new HttpFailure("connection_refused", true, error);
      });
      const isPacked = response.headers.has("content-encoding");
      const fields: HeaderField[] = [...response.headers];
      return {
        status: response.status,
        headers: isPacked ? fields.filter(([name]) => !OF_PACKED_BODY.has(name)) : fields,
        body: watchedBody(response.body ?? new Blob([]).stream(), {
          reasonOf: (error) =>
            signal.aborted ? signal.reason : new HttpFailure("connection_reset", true, error),
        }),
      };
    },
    close() {},
  };
}

/** Not by `ReadableStream.from`, which Safari and older Chromiums have not. */
function streamOf(body: AsyncIterable<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieces = body[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}
