/**
 * What a machine has for computing a model, and how to have more of it used.
 *
 * @module
 */
import configuration from "../deno.json" with { type: "json" };
import {
  inspectMachine,
  loadModel,
  type LoadOptions,
  probeEngine,
  RemoraError,
  syntheticModelSource,
} from "../mod.ts";
import { runtimeName, widening } from "./engine_line.ts";
import { describeBytes } from "./figures.ts";
import type { Finding } from "./finding.ts";
import { host } from "./host/current.ts";
import { knownProcessorName, processorInstructions, processorQuota } from "./processor.ts";
import { contextFor, measureSpeed } from "./speed.ts";

/** A second's work. */
const TRIAL = { prompt: 64, generated: 16, depths: [0], repetitions: 1 };

/** How a model would be loaded. */
type MachineOptions = Pick<LoadOptions, "threads" | "kernels" | "signal">;

/** Looks at the machine; computes for about a second. */
export async function examineMachine(options: MachineOptions): Promise<Finding[]> {
  const instructions = processorInstructions();
  return [
    { subject: "runtime", state: "ok", found: `${runtimeName()}; remora ${configuration.version}` },
    examineProcessor(instructions),
    ...await examineEngine(instructions),
    examineThreads(options),
    await tryOut(options),
    examineMemory(),
  ];
}

function examineProcessor(instructions: readonly string[] | undefined): Finding {
  const name = knownProcessorName();
  const found = [name, ...instructions ?? []].filter((part) => part !== undefined).join(", ");
  const finding = { subject: "processor", found: found || "not known" };
  if (!host.hasPermissions || name !== undefined && instructions) return { ...finding, state: "ok" };
  const instructionsHint = "-A would tell its instructions";
  const advice = name === undefined
    ? `--allow-sys=cpus would tell its name, ${instructionsHint}`
    : instructionsHint;
  return { ...finding, state: "note", advice };
}

async function examineEngine(instructions: readonly string[] | undefined): Promise<Finding[]> {
  let engine;
  try {
    engine = await probeEngine();
  } catch (error) {
    if (!(error instanceof RemoraError)) throw error;
    return [{ subject: "kernels", state: "problem", found: error.message }];
  }
  const { kernels, vectorBits } = engine;
  const wider = instructions?.includes("AVX2") === false ? undefined : widening(engine);
  return [
    kernels === "relaxed" ? { subject: "relaxed SIMD", state: "ok", found: "there" } : {
      subject: "relaxed SIMD",
      state: "warning",
      found: "not there; answers are the same, and slower",
      advice: "a newer runtime may have it",
    },
    wider !== undefined
      ? {
        subject: "vectors",
        state: "warning",
        found: "128 bits",
        advice: `prompts run twice as fast with ${wider}${instructions ? "" : " (processors with AVX2)"}`,
      }
      : { subject: "vectors", state: "ok", found: `${vectorBits} bits` },
  ];
}

function examineThreads({ threads = inspectMachine().threads }: MachineOptions): Finding {
  const subject = "threads";
  if (typeof SharedArrayBuffer === "undefined") {
    return {
      subject,
      state: "warning",
      found: "1, as there is no shared memory",
      advice: "another runtime has it",
    };
  }
  const quota = processorQuota();
  const found = `${threads} of ${navigator.hardwareConcurrency} processors`;
  if (quota === undefined || quota >= threads) return { subject, state: "ok", found };
  return {
    subject,
    state: "warning",
    found: `${found}, but the cgroup allows the time of ${quota.toFixed(1)}`,
    advice: `-t ${Math.max(1, Math.floor(quota))} may be faster`,
  };
}

/** Computes with random weights: whether threads start, and a figure. */
async function tryOut(options: MachineOptions): Promise<Finding> {
  const subject = "trial";
  try {
    const contextSize = contextFor(TRIAL);
    await using model = await loadModel(syntheticModelSource("135m"), { ...options, contextSize });
    const [prompt, answer] = await measureSpeed(model, TRIAL, options);
    const found = `135M random weights: ${prompt.mean.toFixed(0)} tokens of a prompt, ${
      answer.mean.toFixed(0)
    } of an answer a second, in ${model.engine.threads} threads`;
    return { subject, state: "ok", found };
  } catch (error) {
    if (!(error instanceof RemoraError)) throw error;
    const advice = error.code === "WORKER_FAILED" ? { advice: "-t 1 needs no further thread" } : {};
    // A smaller model may well run.
    return {
      subject,
      state: error.code === "OUT_OF_MEMORY" ? "warning" : "problem",
      found: error.message,
      ...advice,
    };
  }
}

function examineMemory(): Finding {
  const { memory } = inspectMachine();
  const subject = "memory";
  if (memory) {
    return { subject, state: "ok", found: `${describeBytes(Math.floor(memory.bytes))} ${memory.source}` };
  }
  const advice = host.hasPermissions
    ? { advice: "--allow-sys=systemMemoryInfo would tell, -A more exactly" }
    : {};
  return { subject, state: "note", found: "not known; no model is refused for its size", ...advice };
}
