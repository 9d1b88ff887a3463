/**
 * Why an upstream did not answer.
 *
 * @module
 */
import { HttpFailure, type HttpResponse } from "../platform/http.ts";

/** One try that failed before a byte of its answer reached the client. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";

  /**
   * @param reason In one word, such as `connection_refused` or `status_503`.
   * @param mayHaveBegun Whether the upstream may be computing an answer, or have computed one.
   * @param response What it said instead, unread.
   */
  constructor(readonly reason: string, readonly mayHaveBegun: boolean, readonly response?: HttpResponse) {
    super(reason);
  }

  /** Nobody will hear what it said. */
  async discard(): Promise<void> {
    await this.response?.body.cancel().catch(() => {});
  }
}

/** Statuses with which a server says that it has not begun. */
const DECLINED = new Set([429, 503]);

/** @throws What is no failure of the upstream: the client went away, its body broke off. */
export function failureOf(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  if (error instanceof HttpFailure) return new UpstreamFailure(error.kind, error.wasSent);
  throw error;
}

/** A status for which others are asked. */
export function failureOfStatus(response: HttpResponse): UpstreamFailure {
  return new UpstreamFailure(`status_${response.status}`, !DECLINED.has(response.status), response);
}
