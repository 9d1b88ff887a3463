// The decoder of JPEG: mozjpeg, a libjpeg-turbo.
import source binary from "npm:@jsquash/jpeg@1.6.0/codec/dec/mozjpeg_dec.wasm";

export default binary;
