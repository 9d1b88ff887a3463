// @ts-self-types="./binary.d.ts"
// The PNG decoder (the Rust crate png 0.17 in @jsquash/png) as a compiled module. Source-phase imports are part of the
// module graph, so they need no permission; TypeScript cannot parse them yet, hence JavaScript.
import source pngBinary from "npm:@jsquash/png@3.1.1/codec/pkg/squoosh_png_bg.wasm";

export { pngBinary };
