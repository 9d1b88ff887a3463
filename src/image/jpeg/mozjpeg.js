// @ts-self-types="./mozjpeg.d.ts"
// The program around the JPEG decoder (mozjpeg, a libjpeg-turbo, in @jsquash/jpeg), whose own types name what it does not declare.
export { default as jpegFactory } from "npm:@jsquash/jpeg@1.6.0/codec/dec/mozjpeg_dec.js";
