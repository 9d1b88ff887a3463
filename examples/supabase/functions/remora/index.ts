/**
 * A Supabase Edge Function: library, kernels and a small model are one file beside it, made by
 *
 *   deno task one-file models/scenes-mllama-int4 examples/supabase/functions/remora/remora.js
 */
// @ts-ignore: the file is made, and has no types.
import remora from "./remora.js";

Deno.serve((request) => {
  // Supabase puts the function's name before the path.
  const url = new URL(request.url);
  url.pathname = url.pathname.replace(/^\/remora(?=\/|$)/, "") || "/";
  return remora.fetch(new Request(url, request));
});
