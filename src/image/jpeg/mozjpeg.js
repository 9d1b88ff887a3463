// @ts-self-types="./mozjpeg.d.ts"
// The JPEG decoder (mozjpeg, a libjpeg-turbo, in @jsquash/jpeg): its compiled module and the program around it.
// Source-phase imports are part of the module graph, so they need no permission; TypeScript cannot parse them yet,
// hence JavaScript.
import source jpegBinary from "npm:@jsquash/jpeg@1.6.0/codec/dec/mozjpeg_dec.wasm";
import jpegFactory from "npm:@jsquash/jpeg@1.6.0/codec/dec/mozjpeg_dec.js";

export { jpegBinary, jpegFactory };
