export const sharedRelaxed: WebAssembly.Module;
export const sharedStrict: WebAssembly.Module;
export const unsharedRelaxed: WebAssembly.Module;
export const unsharedStrict: WebAssembly.Module;
