/**
 * The bytes of a request, within limits.
 *
 * @module
 */
import { ApiError } from "../api_error.ts";
import { BODY_MILLISECONDS_MAX } from "../options.ts";

/**
 * The request with its body in memory.
 *
 * @param most Bytes.
 * @throws {ApiError} 413 for a longer one, 408 for one that does not come, 400 for one that breaks off.
 */
export async function withBody(request: Request, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new ApiError(413, "invalid_request_error", `The body has more than ${most} bytes.`, {
      code: "request_too_large",
    });
  if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLarge();
  if (!request.body) return new Uint8Array();
  const reader = request.body.getReader();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new ApiError(408, "invalid_request_error", "The body did not come in time.")),
    BODY_MILLISECONDS_MAX,
  );
  late.promise.catch(() => {});
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    while (true) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) break;
      size += value.length;
      if (size > most) throw tooLarge();
      pieces.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, "invalid_request_error", "The body of the request broke off.");
  } finally {
    clearTimeout(timer);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
