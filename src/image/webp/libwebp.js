// @ts-self-types="./libwebp.d.ts"
// The program around the WebP decoder (libwebp in @jsquash/webp), whose own types name what it does not declare.
export { default as webpFactory } from "npm:@jsquash/webp@1.5.0/codec/dec/webp_dec.js";
