// A host that lacks something: bad_host.js MODEL [no-relaxed] prints a digest of logits, or the error in one line.
import { createHash } from "node:crypto";
import { loadModel } from "@remora/remora";

const [folder, lacks] = process.argv.slice(2);
if (lacks === "no-relaxed") {
  // Opcodes from 0xfd 0x100 on: engines without relaxed SIMD know none of them, and compile no module that has one.
  const { validate } = WebAssembly;
  const RELAXED_SWIZZLE = [0xfd, 0x80, 0x02];
  const hasRelaxed = (bytes) => Buffer.from(bytes.buffer ?? bytes).includes(Buffer.from(RELAXED_SWIZZLE));
  WebAssembly.validate = (bytes) => !hasRelaxed(bytes) && validate(bytes);
}
try {
  const model = await loadModel(folder, { threads: 1 });
  const sequence = model.createSequence();
  const { data } = await sequence.forward([1, 5, 7, 3], { logits: "all" });
  const digest = createHash("sha256").update(new Uint8Array(data.buffer)).digest("hex");
  console.log(JSON.stringify({ kernels: model.engine.kernels, digest }));
  await model.dispose();
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}
