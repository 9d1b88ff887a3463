// Measures a model in workerd: measure_workerd.mjs MODEL_URL OPTIONS QUESTION TOKENS [PICTURE]; figures as JSON.
import { readdirSync, readFileSync } from "node:fs";
import { startWorkerd } from "./workerd.mjs";

const [MODEL, options, question, tokens, picture] = process.argv.slice(2);
const { host, dispose } = await startWorkerd("measured_worker.js", { MODEL, OPTIONS: JSON.parse(options) });

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
  const empty = kilobytes("VmRSS");
  const ask = (count) => `/answer?question=${encodeURIComponent(question)}&tokens=${count}`;
  const body = picture && readFileSync(picture);
  const loaded = await call("/load");
  const first = await call(ask(1), body);
  const warm = await call(ask(1), body), long = await call(ask(Number(tokens)), body);
  // Another question, which shares only the template with those before; its one token is part of it.
  const prompt = await call(`/answer?question=${encodeURIComponent(OTHER)}&tokens=1`, body);
  const { usage: ofPrompt } = JSON.parse(prompt.text);
  const { usage, memories, text } = JSON.parse(long.text);
  const perToken = (long.cpu - warm.cpu) / Math.max(1, usage.completionTokens - 1);
  console.log(JSON.stringify({
    emptyMB: empty / 1024,
    peakMB: (long.peak - empty) / 1024,
    memoriesMB: memories / 2 ** 20,
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
