/**
 * Stored formats that are known and not read: what they are, for a refusal that says what helps.
 *
 * @module
 */

/** What loads in their place. */
const INSTEAD =
  'use the model\'s GPTQ, AWQ, compressed-tensors INT4 or GGUF files, or its bf16 weights with quantize: "int4"';

/** Values of `quant_method`, in lower case, and what their files hold. */
const METHODS: Readonly<Record<string, string>> = {
  aqlm: "AQLM's additive codebooks",
  bitnet: "BitNet's ternary weights",
  bitsandbytes: "NF4, FP4 or INT8 of bitsandbytes",
  eetq: "EETQ's INT8 in the order of a GPU",
  exl2: "EXL2 of ExLlamaV2",
  exl3: "EXL3 of ExLlamaV3",
  fbgemm_fp8: "FP8",
  fp8: "FP8",
  fp_quant: "MXFP4 or NVFP4",
  gguf: "blocks of GGUF inside of another container",
  gptq_marlin_24: "2:4 sparse Marlin",
  higgs: "HIGGS's codebooks",
  hqq: "HQQ",
  marlin_24: "2:4 sparse Marlin",
  mlx: "MLX's words of codes with biases",
  modelopt: "NVFP4 or FP8 of NVIDIA's Model Optimizer",
  modelopt_fp4: "NVFP4 of NVIDIA's Model Optimizer",
  mxfp4: "MXFP4",
  nvfp4: "NVFP4",
  quanto: "INT4, INT8 or FP8 of quanto",
  quark: "AMD's Quark",
  quip: "QuIP#'s codebooks",
  spqr: "SpQR's codes with sparse outliers",
  squeezellm: "SqueezeLLM's tables",
  torchao: "torchao's tensors",
  vptq: "VPTQ's codebooks",
};

/** A method with what it is and what to use instead; one that nobody knows stays as it is. */
export function describeForeign(method: string): string {
  const key = method.toLowerCase().replaceAll("-", "_");
  return Object.hasOwn(METHODS, key) ? `${method} (${METHODS[key]}: ${INSTEAD})` : method;
}
