/**
 * Who may ask.
 *
 * @module
 */
import { ApiError } from "../api_error.ts";
import { HEADER_BYTES_MAX } from "../options.ts";

/**
 * Refuses a request without one of the keys. Digests are compared, all of every key, so that the time says nothing about a key.
 *
 * @throws {ApiError} 401.
 */
export async function requireKey(request: Request, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const given = bearer?.trim() ?? request.headers.get("x-api-key") ?? undefined;
  if (given !== undefined) {
    const digest = await sha256(given);
    const known = await Promise.all(keys.map(sha256));
    // No early end: every key is compared to its last byte.
    let isKnown = 0;
    for (const key of known) isKnown |= Number(differences(key, digest) === 0);
    if (isKnown === 1) return;
  }
  throw new ApiError(
    401,
    "authentication_error",
    given === undefined
      ? "You didn't provide an API key: send it as Authorization: Bearer KEY."
      : "Incorrect API key provided.",
    { code: "invalid_api_key" },
  );
}

/** @throws {ApiError} 431 for headers beyond the limit. */
export function requireSmallHeaders(request: Request): void {
  let bytes = 0;
  for (const [name, value] of request.headers) bytes += name.length + value.length;
  if (bytes <= HEADER_BYTES_MAX) return;
  throw new ApiError(431, "invalid_request_error", `The headers have more than ${HEADER_BYTES_MAX} bytes.`);
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function differences(a: Uint8Array, b: Uint8Array): number {
  let bits = 0;
  for (let i = 0; i < a.length; i++) bits |= a[i] ^ b[i];
  return bits;
}
