/**
 * One exchange over HTTP as a proxy needs it: header fields and bytes of the body as they are on the wire.
 *
 * @module
 */

/** Why no response came, or why one broke off. */
export type HttpFailureKind =
  | "name_not_found"
  | "connection_refused"
  | "connect_timeout"
  | "tls_failure"
  | "connection_reset"
  | "bad_response";

/** What went wrong with a connection. */
export class HttpFailure extends Error {
  override readonly name = "HttpFailure";

  /** @param wasSent Whether the other side may have had a part of the request. */
  constructor(readonly kind: HttpFailureKind, readonly wasSent: boolean, cause: unknown) {
    super(cause instanceof Error ? cause.message : `${cause}`, { cause });
  }
}

/** A field of a header; names may come several times. */
export type HeaderField = readonly [name: string, value: string];

/** A request. */
export interface HttpRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly HeaderField[];
  /** None: the request has no body. */
  readonly body?: AsyncIterable<Uint8Array<ArrayBuffer>>;
  /**
   * Whether it may be sent again when a kept connection turns out to be closed. Other requests get a connection of their own, so that
   * this cannot happen to them.
   */
  readonly mayRepeat: boolean;
  /** Milliseconds until a connection must be there, TLS included. */
  readonly connectMilliseconds: number;
  readonly signal: AbortSignal;
}

/** A response whose body has not been read. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: readonly HeaderField[];
  /** Fails with an {@linkcode HttpFailure} when it breaks off. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Sends requests. */
export interface HttpClient {
  /** @throws {HttpFailure} When no response comes. The signal's reason when it fires. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Gives up kept connections. */
  close(): void;
}
