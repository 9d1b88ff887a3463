/**
 * Downloads that are interrupted at random: `deno task hub:interruptions [--count 200] [--seed 1]`.
 *
 * The hub (stand_in.ts) and the command line each run in a process of their own. A round begins `remora pull`, interrupts it in one of
 * five ways at a random moment, once to three times, looks whether anything that is not whole would be loaded, and pulls again in
 * peace: then every file must have the hash that it has at the hub.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { findModelOf } from "../../src/hub/pull.ts";
import { remoraProgram } from "../cli/remora.ts";
import { platformWith } from "./hub.ts";
import { randomNumbers, type StandInFaults, type StandInSettings } from "./stand_in.ts";

/** Ways to interrupt. */
const KINDS = ["client killed", "hub killed", "connection cut", "bits flipped", "all together"] as const;
type Kind = typeof KINDS[number];

/** What came of the rounds of one kind. */
interface Tally {
  rounds: number;
  interruptions: number;
  /** Pulls that ended well although they were interrupted. */
  survived: number;
  /** Interrupted pulls that left a beginning, with which the next went on. */
  resumed: number;
  verified: number;
  /** Times that something was found which is not whole. */
  halfLoaded: number;
}

/** Bytes of the weights: more than one part of a download. */
const WEIGHT_BYTES = 20_000_000;
const COMMIT = "5eed".repeat(10);
/** Milliseconds between the pieces of a body, so that there is time to interrupt it. */
const SLOW = 5;
const PIECE_BYTES = 128 * 1024;
/** Milliseconds after which a pull is interrupted at the latest: longer than it takes. */
const WITHIN = 1_000;

const NAME = "owner/interrupted";

/** A repository of noise that names itself a model, and the hash of each file. */
interface Repository {
  settings: StandInSettings["repositories"][number];
  hashes: ReadonlyMap<string, string>;
}

function repositoryOf(seed: number, folder: string): Repository {
  const random = randomNumbers(seed);
  const noise = (count: number) => {
    const words = Uint32Array.from({ length: count / 4 }, () => random() * 2 ** 32);
    return new Uint8Array(words.buffer);
  };
  const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const index = { weight_map: Object.fromEntries(shards.map((shard, i) => [`tensor.${i}`, shard])) };
  const contents: Record<string, Uint8Array> = {
    "config.json": text({}),
    "tokenizer.json": noise(400_000),
    "model.safetensors.index.json": text(index),
    [shards[0]]: noise(WEIGHT_BYTES),
    [shards[1]]: noise(1_000_000),
  };
  const files: Repository["settings"]["files"] = {};
  for (const [name, bytes] of Object.entries(contents)) {
    files[name] = { file: `${folder}/${name}`, isLarge: bytes.length > 1_000 };
    Deno.writeFileSync(`${folder}/${name}`, bytes);
  }
  return {
    settings: { id: NAME, commit: COMMIT, revisions: ["main"], files },
    hashes: new Map(Object.entries(contents).map(([name, bytes]) => [name, sha256(bytes)])),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The hub in a process of its own, at the same place whenever it is started again. */
class HubProcess {
  #child?: Deno.ChildProcess;
  #ports: [number, number] = [0, 0];
  readonly #file: string;
  readonly #repository;
  endpoint = "";

  constructor(folder: string, repository: Repository["settings"]) {
    this.#file = `${folder}/settings.json`;
    this.#repository = repository;
  }

  async start(faults: StandInFaults): Promise<void> {
    const settings: StandInSettings = { repositories: [this.#repository], faults, ports: this.#ports };
    Deno.writeTextFileSync(this.#file, JSON.stringify(settings));
    const program = new URL("stand_in.ts", import.meta.url).href;
    const flags = [
      "--no-check",
      "--quiet",
      "--allow-net",
      `--allow-read=${this.#file.replace(/[^/]*$/, "")}`,
    ];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, program, this.#file],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = this.#child.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    const { hub, files } = JSON.parse(new TextDecoder().decode(value));
    this.endpoint = hub;
    this.#ports = [hub, files].map((origin) => Number(new URL(origin).port)) as [number, number];
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }
}

/** `remora pull` in a process of its own. */
function startPull(home: string, endpoint: string): Deno.ChildProcess {
  const flags = [
    "--no-prompt",
    "--no-check",
    "--allow-net=127.0.0.1",
    "--allow-env=HOME,XDG_CACHE_HOME,HF_*",
  ];
  const [program, ...args] = remoraProgram([...flags, `--allow-read=${home}`, `--allow-write=${home}`]);
  return new Deno.Command(program, {
    args: [...args, "pull", NAME],
    env: { HF_HOME: home, HF_ENDPOINT: endpoint },
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/** The names of a snapshot's files that are not what the hub has. */
function wrongFiles(folder: string, { hashes }: Repository): string[] {
  return [...hashes].filter(([name, hash]) => {
    try {
      return sha256(Deno.readFileSync(`${folder}/${name}`)) !== hash;
    } catch {
      return true;
    }
  }).map(([name]) => name);
}

/** Whether an earlier pull left the beginning of a file. */
function hasBeginning(home: string): boolean {
  try {
    const folder = `${home}/hub/models--${NAME.replace("/", "--")}/blobs`;
    return [...Deno.readDirSync(folder)].some(({ name }) => Deno.statSync(`${folder}/${name}`).size > 0);
  } catch {
    return false;
  }
}

const FAULTS: Readonly<Record<Kind, StandInFaults>> = {
  "client killed": {},
  "hub killed": {},
  "connection cut": { cut: 0.5, truncate: 0.2, busy: 0.1, limited: 0.1 },
  "bits flipped": { flip: 0.5 },
  "all together": { cut: 0.2, flip: 0.2, busy: 0.1, limited: 0.1 },
};

/** Runs rounds, each kind in turn. */
export async function interrupt(
  count: number,
  seed: number,
  onRound: (done: number) => void = () => {},
): Promise<Map<Kind, Tally>> {
  const random = randomNumbers(seed);
  const tallies = new Map<Kind, Tally>(
    KINDS.map((
      kind,
    ) => [kind, { rounds: 0, interruptions: 0, survived: 0, resumed: 0, verified: 0, halfLoaded: 0 }]),
  );
  const folder = Deno.makeTempDirSync();
  const repository = repositoryOf(seed, folder);
  const hub = new HubProcess(folder, repository.settings);
  try {
    for (let round = 0; round < count; round++) {
      const kind = KINDS[round % KINDS.length], home = `${folder}/${round}`;
      Deno.mkdirSync(home);
      await interruptOnce(kind, { hub, home, repository, random, tally: tallies.get(kind)! });
      Deno.removeSync(home, { recursive: true });
      onRound(round + 1);
    }
  } finally {
    await hub.kill();
    Deno.removeSync(folder, { recursive: true });
  }
  return tallies;
}

async function interruptOnce(
  kind: Kind,
  { hub, home, repository, random, tally }: {
    hub: HubProcess;
    home: string;
    repository: Repository;
    random: () => number;
    tally: Tally;
  },
): Promise<void> {
  const platform = platformWith({ HF_HOME: home });
  const lookFor = async () => {
    const found = await findModelOf(platform, NAME);
    if (found !== undefined && wrongFiles(found, repository).length > 0) tally.halfLoaded++;
  };
  tally.rounds++;
  const times = 1 + Math.floor(random() * 3);
  for (let time = 0; time < times; time++) {
    await hub.kill();
    const seed = Math.floor(random() * 2 ** 31);
    await hub.start({ slow: SLOW, pieceBytes: PIECE_BYTES, seed, ...FAULTS[kind] });
    const child = startPull(home, hub.endpoint);
    const ended = child.output();
    await new Promise((resolve) => setTimeout(resolve, random() * WITHIN));
    await lookFor();
    const isTogether = kind === "all together";
    if (kind === "hub killed" || (isTogether && random() < 0.5)) await hub.kill();
    // A pull whose hub is gone would try for a minute: what it left is what counts.
    if (kind !== "connection cut" && kind !== "bits flipped") {
      await new Promise((resolve) => setTimeout(resolve, kind === "hub killed" ? 50 : 0));
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    }
    const { success } = await ended;
    tally.interruptions++;
    if (success) tally.survived++;
    else if (hasBeginning(home)) tally.resumed++;
    await lookFor();
  }
  await hub.kill();
  await hub.start({});
  const { success, stderr } = await startPull(home, hub.endpoint).output();
  if (!success) console.error(new TextDecoder().decode(stderr));
  const found = await findModelOf(platform, NAME);
  if (success && found !== undefined && wrongFiles(found, repository).length === 0) tally.verified++;
}

/** The tallies as lines of a table. */
function describe(tallies: Map<Kind, Tally>): string {
  const head = [
    "",
    "rounds",
    "interruptions",
    "of these survived",
    "resumed",
    "verified at the end",
    "half a model found",
  ];
  const rows = [...tallies].map((
    [kind, { rounds, interruptions, survived, resumed, verified, halfLoaded }],
  ) => [
    kind,
    ...[rounds, interruptions, survived, resumed, verified, halfLoaded].map(String),
  ]);
  const sums = head.map((_, column) =>
    column === 0 ? "together" : `${rows.reduce((sum, row) => sum + Number(row[column]), 0)}`
  );
  const all = [head, ...rows, sums];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
  ).join("\n");
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { count: { type: "string", default: "200" }, seed: { type: "string", default: "1" } },
  });
  const count = Number(values.count);
  const tallies = await interrupt(count, Number(values.seed), (done) => {
    if (done % 20 === 0) console.error(`${done} of ${count}`);
  });
  console.log(describe(tallies));
  const isWell = [...tallies.values()].every(({ rounds, verified, halfLoaded }) =>
    verified === rounds && halfLoaded === 0
  );
  if (!isWell) Deno.exit(1);
}
