/**
 * MLX's quantised files: refused by their name, whatever their config says.
 */
import { loadModel, memoryModelSource } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";

/** As mlx_lm writes a linear module (mlx/nn/layers/quantized.py): words of codes, and scales and biases of each group. */
const MODULE = "model.layers.0.self_attn.q_proj";
const PARTS: Record<string, [dtype: string, shape: number[], bytes: number]> = {
  weight: ["U32", [128, 16], 8192],
  scales: ["F16", [128, 2], 512],
  biases: ["F16", [128, 2], 512],
};

Deno.test("words of codes with biases are told to be MLX's", async () => {
  const golden = goldenPath("bf16-dense"), decoder = new TextDecoder(), encoder = new TextEncoder();
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(golden)) files.set(name, Deno.readFileSync(`${golden}/${name}`));
  const stored = files.get("model.safetensors")!;
  const length = Number(new DataView(stored.buffer).getBigUint64(0, true));
  const header = JSON.parse(decoder.decode(stored.subarray(8, 8 + length)));
  // The module's own weight keeps its bytes under another name: a file has no holes.
  header["other"] = header[`${MODULE}.weight`];
  let end = stored.length - 8 - length;
  for (const [part, [dtype, shape, bytes]] of Object.entries(PARTS)) {
    header[`${MODULE}.${part}`] = { dtype, shape, data_offsets: [end, end += bytes] };
  }
  const text = encoder.encode(JSON.stringify(header));
  const changed = new Uint8Array(8 + text.length + end);
  new DataView(changed.buffer).setBigUint64(0, BigInt(text.length), true);
  changed.set(text, 8);
  changed.set(stored.subarray(8 + length), 8 + text.length);
  files.set("model.safetensors", changed);
  const config = JSON.parse(decoder.decode(files.get("config.json")!));
  for (const quantization_config of [undefined, { group_size: 64, bits: 4 }]) {
    files.set("config.json", encoder.encode(JSON.stringify({ ...config, quantization_config })));
    const load = () => loadModel(memoryModelSource(files), { threads: 1 });
    await assertRefused(load, "UNSUPPORTED", `${MODULE}.weight`, "MLX");
  }
});
