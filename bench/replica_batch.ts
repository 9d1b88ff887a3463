/**
 * A batch over several replicas with Ray Data that is stopped in the middle: nothing lost, nothing twice, nothing other.
 *
 *     deno task bench:batch [--prompts 1000] [--pictures 200] [--replicas 2] [--max-tokens 16] [--json]
 *
 * Runs `examples/ray/batch.py` with the `python` of the PATH, so activate its environment before. After a quarter of the answers a
 * server is killed, after a half the run itself, which is begun again, after three quarters a worker of Ray's. Every answer must be
 * the one that a server of its own gives. Linux only.
 *
 * @module
 */
import { findServers, FRONTS, kill, pause, serveCommand, spawn } from "./replica_fronts.ts";
import { readCommand } from "./command.ts";

const { values } = readCommand({
  usage: "deno task bench:batch",
  purpose:
    "A batch over several replicas with Ray Data that is stopped in the middle: nothing lost, nothing twice.",
  options: {
    prompts: { value: "N", help: "prompts of text alone", default: "1000" },
    pictures: { value: "N", help: "prompts with a picture", default: "200" },
    replicas: { value: "N", help: "servers", default: "2" },
    "max-tokens": { value: "N", help: "tokens of an answer at most", default: "16" },
    json: { help: "results as JSON" },
  },
});
const MODEL = "models/scenes-mllama-int4";
const PICTURES = ["one-tile", "two-by-two", "wide"].map((name) => `${MODEL}/reference/${name}.png`);
const COUNT = Number(values.prompts);
const settings = { model: MODEL, replicas: 1, threads: 1, restartAfter: 0, options: [] };

interface Row {
  id: string;
  prompt: string;
  image?: string;
}

/** Every prompt is another, so that no two answers can be taken for each other. */
const rows: Row[] = Array.from({ length: COUNT }, (_, i) => ({
  id: `prompt-${i}`,
  prompt: `Describe scene ${i}.`,
  ...(i < Number(values.pictures) && { image: PICTURES[i % PICTURES.length] }),
}));

async function askAlone(url: string, { prompt, image }: Row): Promise<string> {
  const picture = image && `data:image/png;base64,${(await Deno.readFile(image)).toBase64()}`;
  const parts = [
    ...(picture ? [{ type: "image_url", image_url: { url: picture } }] : []),
    { type: "text", text: prompt },
  ];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: MODEL.split("/").at(-1),
      messages: [{ role: "user", content: parts }],
      max_tokens: Number(values["max-tokens"]),
      temperature: 0,
    }),
  });
  return (await response.json()).choices[0].message.content;
}

/** The answers of one server that has nothing else to do. */
async function answersAlone(): Promise<Map<string, string>> {
  await using server = await FRONTS.none(settings);
  const alone = new Map<string, string>();
  for (const row of rows) alone.set(row.id, await askAlone(server.url, row));
  return alone;
}

const folder = await Deno.makeTempDir();
const answers = `${folder}/answers`;
await Deno.mkdir(answers);
await Deno.writeTextFile(`${folder}/prompts.jsonl`, rows.map((row) => JSON.stringify(row)).join("\n"));
const files = async () => (await Array.fromAsync(Deno.readDir(answers))).map(({ name }) => name);

function startBatch(): Deno.ChildProcess {
  const places = [`${folder}/prompts.jsonl`, answers, "--replicas", values.replicas];
  return spawn(["python", "examples/ray/batch.py", ...places, "--max-tokens", values["max-tokens"]], {
    REMORA: serveCommand(settings).join(" "),
    RAY_USAGE_STATS_ENABLED: "0",
  });
}

/** Waits for so many answers; returns how many there are. */
async function untilAnswered(count: number): Promise<number> {
  const limit = performance.now() + 300_000;
  while (performance.now() < limit) {
    const found = (await files()).filter((name) => name.endsWith(".json")).length;
    if (found >= count) return found;
    await pause(20);
  }
  throw new Error(`expected ${count} answers within 300 s, found ${(await files()).length}`);
}

const alone = await answersAlone();
const begin = performance.now();
const first = startBatch();
const killedAt = { server: 0, run: 0, worker: 0 };
killedAt.server = await untilAnswered(COUNT / 4);
kill((await findServers())[0].pid, "SIGKILL");
killedAt.run = await untilAnswered(COUNT / 2);
kill(first.pid, "SIGKILL");
await first.status;
const stopped = performance.now();
while ((await findServers()).length > 0 && performance.now() - stopped < 60_000) await pause(50);
const serversGone = Math.round(performance.now() - stopped);
const again = startBatch();
killedAt.worker = await untilAnswered(COUNT * 3 / 4);
kill((await findServers())[0].parent, "SIGKILL");
const { code } = await again.status;
const seconds = Math.round((performance.now() - begin) / 1000);

const found = await files();
const texts = await Promise.all(found.map((name) => Deno.readTextFile(`${answers}/${name}`)));
const counts = new Map<string, number>();
let other = 0;
for (const text of texts) {
  const { id, answer } = JSON.parse(text);
  counts.set(id, (counts.get(id) ?? 0) + 1);
  if (answer !== alone.get(id)) other++;
}
const summary = {
  prompts: rows.length,
  pictures: rows.filter(({ image }) => image).length,
  exitCode: code,
  files: found.length,
  lost: rows.filter(({ id }) => !counts.has(id)).length,
  twice: [...counts.values()].filter((count) => count > 1).length,
  other,
  killedAt,
  serversGoneAfterMilliseconds: serversGone,
  seconds,
};
console.log(values.json ? JSON.stringify(summary) : Deno.inspect(summary, { depth: 4, breakLength: 110 }));
await Deno.remove(folder, { recursive: true });
