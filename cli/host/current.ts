/**
 * The runtime that the command line runs on: Deno from these sources; the npm package has Node's in this file's place.
 *
 * @module
 */
export { denoHost as host } from "./deno.ts";
