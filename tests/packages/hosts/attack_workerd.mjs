// Attacks a Worker and prints what came of it, as JSON: attack_workerd.mjs
import { readdirSync, readFileSync } from "node:fs";
import { startWorkerd } from "./workerd.mjs";

const { host, dispose } = await startWorkerd("attacked_worker.js");

/** Milliseconds of processor of all threads of workerd, a child of this process. */
function processor() {
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, rest] = /\((.*)\) \S (.*)/s.exec(readFileSync(`/proc/${entry}/stat`, "utf8"));
      const fields = rest.split(" ");
      if (name === "workerd" && Number(fields[0]) === process.pid) {
        return 10 * (Number(fields[10]) + Number(fields[11]));
      }
    } catch { /* it has ended */ }
  }
}

const about = (content) => ({
  model: "scenes",
  messages: [{ role: "user", content }],
  temperature: 0,
  max_tokens: 30,
  ignore_eos: true,
});
async function send(body, signal) {
  const response = await host.dispatchFetch("http://worker/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
  return response;
}
async function ask(body) {
  const response = await send(body), text = await response.text();
  const { error, remora, choices } = JSON.parse(text);
  return { status: response.status, error, state: remora?.state, answer: choices?.[0].message.content };
}
/** An answer with all of its pieces. */
async function whole(request) {
  for (let state, pieces = 1;; pieces++) {
    const piece = await ask({ ...request, remora_state: state });
    if (piece.error || !piece.state) return { ...piece, pieces };
    state = piece.state;
  }
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Begins a stream and leaves after some events. */
async function leave(content, events) {
  const leaving = new AbortController();
  try {
    const response = await send({ ...about(content), stream: true }, leaving.signal);
    const reader = response.body.getReader();
    for (let i = 0; i < events; i++) await reader.read();
    leaving.abort();
    await reader.read();
  } catch { /* gone */ }
}

try {
  // Whoever makes the model load goes away.
  const first = new AbortController();
  setTimeout(() => first.abort(), 30);
  await send(about("Hello."), first.signal).catch(() => {});
  const request = about("There are two stars.");
  const before = await whole(request);
  const { state } = await ask(request);
  const at = state.length >> 1, other = state[at] === "A" ? "B" : "A";
  const states = {
    forged: state.slice(0, at) + other + state.slice(at + 1),
    truncated: state.slice(0, at),
    "of another request": state,
    "not base64": "<>",
    empty: "",
  };
  const refused = {};
  for (const [name, remora_state] of Object.entries(states)) {
    const body = name === "of another request" ? about("There is a circle.") : request;
    refused[name] = await ask({ ...body, remora_state });
  }
  const replayed = [await ask({ ...request, remora_state: state }), await ask({ ...request, remora_state: state })];
  const huge = await ask(JSON.stringify(about("a".repeat(8 << 20))));
  const broken = await ask('{"model": "scenes", "messages": [');
  // More at once than may wait, half of them gone before they are answered.
  const crowd = await Promise.all(Array.from({ length: 32 }, async (_, i) => {
    if (i % 2 === 0) return await ask(about(`There are ${i} squares.`));
    const leave = new AbortController();
    setTimeout(() => leave.abort(), 5 * i);
    try {
      const response = await send({ ...about(`A circle at ${i}.`), stream: true }, leave.signal);
      await response.text();
    } catch { /* gone */ }
  }));
  // Each beside one that leaves: before the first event, within the answer, when it is nearly over.
  const beside = [];
  for (let i = 0; i < 24; i++) {
    const leaving = leave(`A star at ${i}.`, i % 6);
    beside.push((await ask(about(`There are ${i} lines.`))).status);
    await leaving;
  }
  await wait(500);
  const idleFrom = processor();
  await wait(1000);
  const idle = processor() - idleFrom;
  const after = await whole(request);
  console.log(JSON.stringify({
    before,
    refused,
    replayed,
    huge,
    broken,
    crowd: crowd.filter((answer) => answer).map(({ status, error }) => ({ status, error })),
    beside,
    idle,
    after,
  }));
} finally {
  await dispose();
}
