// Measures a model in workerd: measure_workerd.mjs MODEL_URL OPTIONS QUESTION TOKENS [PICTURE]; figures as JSON.
import { readdirSync, readFileSync } from "node:fs";
import { startWorkerd } from "./workerd.mjs";

const [MODEL, options, question, tokens, picture] = process.argv.slice(2);
const bindings = { MODEL, OPTIONS: JSON.parse(options) };
const { host, dispose } = await startWorkerd("measured_worker.js", bindings, { inspectorPort: 0 });

/** A prompt of some length. */
const OTHER = "How do ships find their way at night when no star and no light can be seen? ".repeat(6);

/** workerd is a child of this process. */
function pid() {
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, rest] = /\((.*)\) \S (.*)/s.exec(readFileSync(`/proc/${entry}/stat`, "utf8"));
      if (name === "workerd" && Number(rest.split(" ")[0]) === process.pid) return entry;
    } catch { /* it has ended */ }
  }
}
const child = pid();
const kilobytes = (field) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${child}/status`, "utf8"))[1]);
/** Bytes of the isolate besides WebAssembly's memories: JavaScript's heap as it was taken, and buffers. */
async function isolateBytes() {
  const socket = new WebSocket(new URL("./core:user:", await host.getInspectorURL()));
  try {
    await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
    const answer = new Promise((resolve) => socket.onmessage = ({ data }) => resolve(JSON.parse(data)));
    socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
    const { totalSize, backingStorageSize } = (await answer).result;
    return totalSize + backingStorageSize;
  } finally {
    socket.close();
  }
}
/** Milliseconds of all its threads. */
function processor() {
  const fields = readFileSync(`/proc/${child}/stat`, "utf8").split(") ")[1].split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
async function call(path, body) {
  const before = processor(), begin = performance.now();
  const response = await host.dispatchFetch(`http://worker${path}`, body && { method: "POST", body });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return { text, cpu: processor() - before, time: performance.now() - begin, peak: kilobytes("VmHWM") };
}

try {
  await call("/empty");
  const empty = kilobytes("VmRSS"), emptyFiles = kilobytes("RssFile");
  const ask = (count) => `/answer?question=${encodeURIComponent(question)}&tokens=${count}`;
  const body = picture && readFileSync(picture);
  const loaded = await call("/load"), whenLoaded = await isolateBytes();
  const first = await call(ask(1), body);
  const warm = await call(ask(1), body), long = await call(ask(Number(tokens)), body);
  // Another question, which shares only the template with those before; its one token is part of it.
  const prompt = await call(`/answer?question=${encodeURIComponent(OTHER)}&tokens=1`, body);
  const { usage: ofPrompt } = JSON.parse(prompt.text);
  const { usage, memories, text } = JSON.parse(long.text);
  const perToken = (long.cpu - warm.cpu) / Math.max(1, usage.completionTokens - 1);
  const isolate = Math.max(whenLoaded + JSON.parse(loaded.text).memories, await isolateBytes() + memories);
  console.log(JSON.stringify({
    emptyMB: empty / 1024,
    peakMB: (long.peak - empty) / 1024,
    programMB: (kilobytes("RssFile") - emptyFiles) / 1024,
    memoriesMB: memories / 2 ** 20,
    isolateMB: isolate / 2 ** 20,
    startCpuMs: loaded.cpu,
    startMs: loaded.time,
    firstAnswerCpuMs: first.cpu,
    firstAnswerMs: first.time,
    promptTokenCpuMs: prompt.cpu / (ofPrompt.promptTokens - ofPrompt.cachedTokens),
    tokenCpuMs: perToken,
    promptTokens: ofPrompt.promptTokens,
    tokens: usage.completionTokens,
    text,
  }));
} finally {
  await dispose();
}
