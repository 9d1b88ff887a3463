// @ts-self-types="./binaries.d.ts"
// The committed kernel builds as compiled modules. Source-phase imports are part of the module graph, so they need no
// permission; TypeScript cannot parse them yet, hence JavaScript.
import source sharedRelaxed from "../wasm/shared_relaxed.wasm";
import source sharedStrict from "../wasm/shared_strict.wasm";
import source unsharedRelaxed from "../wasm/unshared_relaxed.wasm";
import source unsharedStrict from "../wasm/unshared_strict.wasm";

export { sharedRelaxed, sharedStrict, unsharedRelaxed, unsharedStrict };
