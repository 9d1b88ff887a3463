export const pngBinary: WebAssembly.Module;
