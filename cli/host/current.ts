/**
 * The runtime that the command line runs on: Deno from these sources; the npm package has node.ts in this file's place.
 *
 * @module
 */
export { host } from "./deno.ts";
