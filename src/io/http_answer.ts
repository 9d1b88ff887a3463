/**
 * What web servers answer, and why they do not.
 *
 * @module
 */

/** A URL without what may be secret in it: a password, a signature. */
export function placeOf({ origin, pathname }: URL): string {
  return origin + pathname;
}

/** What is behind an error of `fetch`, which itself says no more than that it failed. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return error.message.replace(/^error sending request for url \([^)]*\): /, "");
}

/**
 * Why a request was not sent at all: a permission is missing. `undefined` for other failures.
 *
 * @param host The host that was asked for, where the error does not name it.
 */
export function missingPermission(error: unknown, host: string): string | undefined {
  if (!(error instanceof Error) || error.name !== "NotCapable") return undefined;
  return `no permission (run with --allow-net=${error.message.match(/"([^"]+)"/)?.[1] ?? host})`;
}

/** Whether the body is the file's bytes and not a compressed form of them. */
export function isPlain(answer: Response): boolean {
  return (answer.headers.get("content-encoding") ?? "identity") === "identity";
}

/** The number that a header holds, `undefined` where it is none that counts bytes. */
export function wholeNumber(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
