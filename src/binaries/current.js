// @ts-self-types="./current.d.ts"
// The host's file. The packages' build puts another in this one's place (packages/build).
export { binaries } from "./deno/binaries.js";
