/**
 * What is known of the paths that pass through.
 *
 * @module
 */

/** What the local model answers in whatever words are asked of it. */
const CONVERSATIONS: ReadonlySet<string> = new Set([
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/responses",
  "/v1/messages",
]);

/** What has a meaning only between equal models. */
const OF_ONE_MODEL: ReadonlySet<string> = new Set([
  "/v1/embeddings",
  "/v1/messages/count_tokens",
  "/tokenize",
  "/detokenize",
]);

/** What else vLLM computes without keeping anything of it. */
const OTHER_COMPUTATIONS: ReadonlySet<string> = new Set([
  "/pooling",
  "/classify",
  "/score",
  "/v1/score",
  "/rerank",
  "/v1/rerank",
  "/v2/rerank",
  "/v1/audio/transcriptions",
  "/v1/audio/translations",
]);

/** Whether a request that was sent twice has done nothing twice. Of POST only known paths. */
export function changesNothing(method: string, path: string): boolean {
  if (["GET", "HEAD", "OPTIONS"].includes(method)) return true;
  return method === "POST" &&
    [CONVERSATIONS, OF_ONE_MODEL, OTHER_COMPUTATIONS].some((paths) => paths.has(path));
}

/** What the local model has to do with a request. */
export type LocalPart = "conversation" | "of_one_model" | "models" | "health" | "none";

/** Which part the local model has in a path. */
export function localPart(method: string, path: string): LocalPart {
  if (method === "POST" && CONVERSATIONS.has(path)) return "conversation";
  if (method === "POST" && OF_ONE_MODEL.has(path)) return "of_one_model";
  if (method !== "GET") return "none";
  if (path === "/health") return "health";
  return path === "/v1/models" || path.startsWith("/v1/models/") ? "models" : "none";
}
