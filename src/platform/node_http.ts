/**
 * HTTP by `node:http`, which leaves bodies compressed as they came; Deno, Node and Bun have it.
 *
 * @module
 */
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as requestHttp,
  type RequestOptions,
} from "node:http";
import { Agent as SecureAgent, request as requestHttps } from "node:https";
import type { Socket } from "node:net";
import type { HeaderField, HttpClient, HttpRequest, HttpResponse } from "./http.ts";
import { HttpFailure, type HttpFailureKind } from "./http.ts";

const KINDS: Readonly<Record<string, HttpFailureKind>> = {
  ENOTFOUND: "name_not_found",
  EAI_AGAIN: "name_not_found",
  ECONNREFUSED: "connection_refused",
  EHOSTUNREACH: "connection_refused",
  ENETUNREACH: "connection_refused",
  EHOSTDOWN: "connection_refused",
  ETIMEDOUT: "connect_timeout",
};

/** A client that keeps connections for requests that may be repeated. */
export function createNodeHttp(): HttpClient {
  const agents = { plain: new Agent({ keepAlive: true }), secure: new SecureAgent({ keepAlive: true }) };
  return {
    async send(request) {
      try {
        return await sendOnce(request, agents, request.mayRepeat);
      } catch (error) {
        // The other side closed a kept connection while the request was on its way to it.
        if (!(error instanceof StaleConnection)) throw error;
        return await sendOnce(request, agents, false);
      }
    },
    close() {
      agents.plain.destroy();
      agents.secure.destroy();
    },
  };
}

/** A kept connection ended before a byte of the response came. */
class StaleConnection extends Error {}

function sendOnce(
  request: HttpRequest,
  agents: { plain: Agent; secure: SecureAgent },
  mayKeep: boolean,
): Promise<HttpResponse> {
  const { url, method, headers, body, signal } = request;
  signal.throwIfAborted();
  const isSecure = url.protocol === "https:";
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const options: RequestOptions = {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (isSecure ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    method,
    headers: flat([...headers, ...framing(headers, body)]),
    agent: mayKeep ? (isSecure ? agents.secure : agents.plain) : false,
  };
  const sent = isSecure ? requestHttps(options) : requestHttp(options);
  const connection = watchConnection(sent, isSecure, request.connectMilliseconds);
  let response: IncomingMessage | undefined;
  const giveUp = (reason: unknown) => {
    // Deno sends what ends on a kept connection once more over a new one: that one must not come to be.
    sent.on("socket", (socket: Socket) => socket.destroy());
    reject(reason);
    const { socket } = sent;
    sent.destroy();
    socket?.destroy();
  };
  // After the end of a response its connection may be another request's.
  const onAbort = () => void (response?.readableEnded || giveUp(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  const leave = () => signal.removeEventListener("abort", onAbort);
  sent.on("response", (message: IncomingMessage) => {
    connection.stop();
    response = message;
    message.once("close", leave);
    resolve({ status: message.statusCode ?? 0, headers: pairs(message.rawHeaders), body: bodyOf(message) });
  });
  // Nobody asked for another protocol; without a listener no event would follow.
  sent.on("upgrade", (_message: IncomingMessage, socket: Socket) => {
    connection.stop();
    leave();
    socket.destroy();
    reject(new HttpFailure("bad_response", true, "status 101, which nobody asked for"));
  });
  sent.on("error", (error: NodeJS.ErrnoException) => {
    connection.stop();
    leave();
    if (signal.aborted) return reject(signal.reason);
    if (sent.reusedSocket && mayKeep && !connection.isNew) return reject(new StaleConnection());
    reject(new HttpFailure(kindOf(error, isSecure, connection), connection.isReady, error));
  });
  writeBody(sent, body).catch(giveUp);
  return promise;
}

/** What is known of the connection that a request goes over. */
interface Connection {
  /** It was made for this request. */
  isNew: boolean;
  /** The request is being written to it. */
  isReady: boolean;
  isLate: boolean;
  stop(): void;
}

function watchConnection(sent: ClientRequest, isSecure: boolean, milliseconds: number): Connection {
  const connection: Connection = {
    isNew: false,
    isReady: false,
    isLate: false,
    stop: () => clearTimeout(timer),
  };
  const timer = setTimeout(() => {
    connection.isLate = true;
    sent.destroy(new Error(`no connection in ${milliseconds} ms`));
  }, milliseconds);
  const ready = () => {
    connection.isReady = true;
    clearTimeout(timer);
  };
  sent.on("socket", (socket: Socket) => {
    if (sent.reusedSocket) return ready();
    connection.isNew = true;
    socket.once(isSecure ? "secureConnect" : "connect", ready);
  });
  return connection;
}

function kindOf(error: NodeJS.ErrnoException, isSecure: boolean, connection: Connection): HttpFailureKind {
  if (connection.isLate) return "connect_timeout";
  const known = KINDS[error.code ?? ""];
  if (known) return known;
  if (error.code?.startsWith("HPE_")) return "bad_response";
  return isSecure && !connection.isReady ? "tls_failure" : "connection_reset";
}

/** Fails as the body's source does; a failure of the request is reported by its event. */
async function writeBody(sent: ClientRequest, body: HttpRequest["body"]): Promise<void> {
  for await (const piece of body ?? []) {
    if (sent.destroyed) return;
    if (!sent.write(piece)) await drained(sent);
  }
  sent.end();
}

function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      sent.off("drain", done);
      sent.off("close", done);
      resolve();
    };
    sent.on("drain", done);
    sent.on("close", done);
  });
}

function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  let isOver = false;
  return new ReadableStream({
    start(controller) {
      message.on("data", (piece: Uint8Array<ArrayBuffer>) => {
        controller.enqueue(piece);
        message.pause();
      });
      const end = (cause?: unknown) => {
        if (isOver) return;
        isOver = true;
        if (message.complete && cause === undefined) controller.close();
        else controller.error(new HttpFailure("connection_reset", true, cause ?? "the response broke off"));
      };
      message.on("end", () => end());
      message.on("error", end);
      message.on("close", () => end());
      message.pause();
    },
    pull: () => void message.resume(),
    cancel() {
      isOver = true;
      if (!message.readableEnded) message.destroy();
    },
  }, { highWaterMark: 0 });
}

/** How the body's end is told, where the header does not say. */
function framing(headers: readonly HeaderField[], body: HttpRequest["body"]): HeaderField[] {
  if (!body || headers.some(([name]) => name.toLowerCase() === "content-length")) return [];
  return [["transfer-encoding", "chunked"]];
}

function flat(headers: readonly HeaderField[]): string[] {
  return headers.flatMap(([name, value]) => [name, value]);
}

function pairs(raw: readonly string[]): HeaderField[] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]]);
}
