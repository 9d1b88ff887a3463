/**
 * The files of the page, as they lie here: nothing is built, and no file system is needed to serve them.
 *
 * @module
 */
import app from "./app.js" with { type: "text" };
import heatMap from "./heat_map.js" with { type: "text" };
import index from "./index.html" with { type: "text" };
import markdown from "./markdown.js" with { type: "text" };
import css from "./page.css" with { type: "text" };
import pictures from "./pictures.js" with { type: "text" };
import stream from "./stream.js" with { type: "text" };

const JAVASCRIPT = "text/javascript; charset=utf-8";

/** By path. */
const FILES: Readonly<Record<string, { type: string; text: string }>> = {
  "/": { type: "text/html; charset=utf-8", text: index },
  "/page/page.css": { type: "text/css; charset=utf-8", text: css },
  "/page/app.js": { type: JAVASCRIPT, text: app },
  "/page/heat_map.js": { type: JAVASCRIPT, text: heatMap },
  "/page/markdown.js": { type: JAVASCRIPT, text: markdown },
  "/page/pictures.js": { type: JAVASCRIPT, text: pictures },
  "/page/stream.js": { type: JAVASCRIPT, text: stream },
};

/** The page's own files and nothing else: no other host, nothing inline, no frame round it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The paths of the page. */
export const PAGE_PATHS: readonly string[] = Object.keys(FILES);

/** A file of the page. */
export function pageFile(path: string): Response {
  const { type, text } = FILES[path];
  return new Response(text, {
    headers: {
      "content-type": type,
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-cache",
    },
  });
}
