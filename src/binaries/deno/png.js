// The decoder of PNG: the Rust crate png 0.17.
import source binary from "npm:@jsquash/png@3.1.1/codec/pkg/squoosh_png_bg.wasm";

export default binary;
