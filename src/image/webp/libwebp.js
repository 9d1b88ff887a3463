// @ts-self-types="./libwebp.d.ts"
// The WebP decoder (libwebp in @jsquash/webp): its compiled module and the program around it. Source-phase imports are
// part of the module graph, so they need no permission; TypeScript cannot parse them yet, hence JavaScript.
import source webpBinary from "npm:@jsquash/webp@1.5.0/codec/dec/webp_dec.wasm";
import webpFactory from "npm:@jsquash/webp@1.5.0/codec/dec/webp_dec.js";

export { webpBinary, webpFactory };
