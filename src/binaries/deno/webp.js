// The decoder of WebP: libwebp.
import source binary from "npm:@jsquash/webp@1.5.0/codec/dec/webp_dec.wasm";

export default binary;
