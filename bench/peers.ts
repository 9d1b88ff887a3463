/**
 * remora, with vectors of 256 bits and without, against other runtimes on the same machine, in turn: llama.cpp compiled for this
 * processor and for WebAssembly (wllama, in Chromium), and the 4-bit product of ONNX Runtime Web. The order is reversed every round.
 *
 *   deno task bench:peers --peers DIR --scripts DIR --gguf FILE [--model MODEL | --shape 1b] [--threads 2] [--rounds 5]
 *     [--only llama.cpp,wllama,onnxruntime-web] [--chromium /usr/bin/chromium] [--json]
 *
 * DIR of `--peers` holds their node_modules, DIR of `--scripts` the scripts that time them; FILE is a Q4_0 model of remora's
 * shape. None of them is in the repository.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { markdownTable } from "../cli/figures.ts";
import { processorName } from "../cli/processor.ts";
import { summarise } from "../cli/speed.ts";
import { type Contestant, type Figures, play } from "./contest.ts";
import { runForJson } from "./processes.ts";
import { LAYERS, SHAPES, type TimedProduct } from "./peer_products.ts";
import { runRemoraBench, WIDE_VECTORS } from "./remora.ts";
import { readCommand, refuseLack } from "./command.ts";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));

/** Tokens of the prompt and of the answer, as the peers' scripts have them. */
const PROMPT = 512;
const GENERATED = 64;
/** Seconds after which wllama's script repeats no more. */
const BROWSER_SECONDS = 60;

/** Where the peers are, and what all do. */
interface PeerSettings {
  peers: string;
  scripts: string;
  gguf: string;
  threads: number;
  repetitions: number;
  chromium: string;
  /** Options of `remora bench` that name the model. */
  model: string[];
}

const SPEED_TESTS = { prompt: `pp${PROMPT}, tok/s`, generation: `tg${GENERATED}, tok/s` };

function productTest(rows: number, activationBytes: number): string {
  return `product of ${rows} row${rows === 1 ? "" : "s"}, ${activationBytes} B, GMAC/s`;
}

/** What the scripts print of one test. */
interface Timing {
  med: number;
}

/** Our side twice: with vectors of 256 bits where the processor has them, and without. */
const WIDTHS = [{ name: "remora", flags: [WIDE_VECTORS] }, { name: "remora without the flag", flags: [] }];

function remora({ threads, repetitions, model }: PeerSettings): Contestant[] {
  return WIDTHS.map(({ name, flags }) => ({
    name,
    async measure() {
      const sizes = ["-p", `${PROMPT}`, "-n", `${GENERATED}`, "-t", `${threads}`, "-r", `${repetitions}`];
      const { results } = await runRemoraBench(REPOSITORY, [...model, ...sizes], flags);
      return { [SPEED_TESTS.prompt]: results[0].median, [SPEED_TESTS.generation]: results[1].median };
    },
  }));
}

function remoraProducts({ threads, repetitions }: PeerSettings): Contestant[] {
  return WIDTHS.map(({ name, flags }) => ({
    name,
    async measure() {
      const program = `${REPOSITORY}bench/peer_products.ts`;
      const args = ["run", "-A", ...flags, program, `${threads}`, `${repetitions}`];
      const [{ products }] = await runForJson<{ products: TimedProduct[] }>(Deno.execPath(), args);
      return Object.fromEntries(
        products.map(({ rows, activationBytes, gmacs }) => [productTest(rows, activationBytes), gmacs]),
      );
    },
  }));
}

function llamaCpp({ peers, scripts, gguf, threads, repetitions }: PeerSettings): Contestant {
  return {
    name: "llama.cpp",
    async measure() {
      // Deno would take a package.json above the script's working directory for its own.
      const cwd = Deno.makeTempDirSync();
      const binaries = `${peers}/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64`;
      const args = [`${scripts}/llama_native_ffi.ts`, binaries, gguf, `${threads}`, `${repetitions}`];
      const command = ["run", "-A", "--no-lock", ...args];
      try {
        const [timings] = await runForJson<Record<string, Timing>>(Deno.execPath(), command, {
          cwd,
          isQuiet: true,
        });
        return {
          [SPEED_TESTS.prompt]: timings[`pp${PROMPT}`].med,
          [SPEED_TESTS.generation]: timings[`tg${GENERATED}`].med,
        };
      } finally {
        Deno.removeSync(cwd, { recursive: true });
      }
    },
  };
}

function wllama({ peers, scripts, gguf, threads, repetitions, chromium }: PeerSettings): Contestant {
  return {
    name: "wllama",
    async measure() {
      const counts = [threads, repetitions, GENERATED, BROWSER_SECONDS, PROMPT].map(String);
      const settings = { cwd: peers, env: { CHROME: chromium } };
      const args = [`${scripts}/bench_wllama.mjs`, gguf, ...counts];
      const [timings] = await runForJson<Record<string, Timing>>("node", args, settings);
      return {
        [SPEED_TESTS.prompt]: timings[`pp${PROMPT}`].med,
        [SPEED_TESTS.generation]: timings[`tg${GENERATED}`].med,
      };
    },
  };
}

/** What bench_ort.mjs prints of one block size and accuracy. */
type ProductTimings = { blockSize: number; accuracy: number } & Record<"M1" | "M256", { GMACs_med: number }>;

function onnxRuntimeWeb({ peers, scripts, threads }: PeerSettings): Contestant {
  return {
    name: "onnxruntime-web",
    async measure() {
      const args = [`${scripts}/bench_ort.mjs`, `${threads}`, `${LAYERS}`];
      const cases = await runForJson<ProductTimings>("node", args, { cwd: peers, isQuiet: true });
      // Accuracy 4: activations of one byte. ONNX Runtime has none of two, so both of ours are compared with that.
      const like = cases.find(({ blockSize, accuracy }) => blockSize === 128 && accuracy === 4)!;
      return Object.fromEntries(SHAPES.map(({ rows, activationBytes }) => [
        productTest(rows, activationBytes),
        like[`M${rows}`].GMACs_med,
      ]));
    },
  };
}

/** One test of ours against one peer's. */
interface Comparison {
  test: string;
  /** Which of our sides. */
  side: string;
  peer: string;
  remora: number[];
  other: number[];
  /** Ours by theirs, round by round. */
  ratios: number[];
}

function compare(ours: readonly [string, Figures[]][], peers: readonly [string, Figures[]][]): Comparison[] {
  const tests = Object.keys(ours[0][1][0]);
  return tests.flatMap((test) =>
    peers.flatMap(([peer, theirs]) =>
      ours.map(([side, figures]) => {
        const [remora, other] = [figures, theirs].map((rounds) => rounds.map((round) => round[test]));
        return {
          test,
          side,
          peer,
          remora,
          other,
          ratios: remora.map((value, round) => value / other[round]),
        };
      })
    )
  );
}

if (import.meta.main) {
  const { values } = readCommand({
    usage: "deno task bench:peers --peers DIR --scripts DIR --gguf FILE",
    purpose: "remora against llama.cpp, wllama and ONNX Runtime Web on the same machine, in turn.",
    options: {
      peers: { value: "DIR", help: "the folder with the peers' node_modules" },
      scripts: { value: "DIR", help: "the folder with the scripts that time them" },
      gguf: { value: "FILE", help: "a Q4_0 model of remora's shape" },
      model: { value: "MODEL", help: "remora's model" },
      shape: { value: "NAME", help: "random weights of this size where no model is given", default: "1b" },
      threads: { value: "N", help: "threads of remora", default: "2" },
      rounds: { value: "N", help: "rounds, each with every contestant", default: "5" },
      repetitions: { value: "N", help: "repetitions of every measurement", default: "3" },
      only: {
        value: "NAMES",
        help: "peers, separated by commas",
        default: "llama.cpp,wllama,onnxruntime-web",
      },
      chromium: { value: "FILE", help: "the browser", default: "/usr/bin/chromium" },
      json: { help: "results as JSON" },
    },
  });
  const { peers, scripts, gguf, model, shape, only, chromium } = values;
  if (peers === undefined || scripts === undefined || gguf === undefined) {
    refuseLack("--peers, --scripts and --gguf");
  }
  const settings: PeerSettings = {
    peers: Deno.realPathSync(peers),
    scripts: Deno.realPathSync(scripts),
    gguf: Deno.realPathSync(gguf),
    threads: Number(values.threads),
    repetitions: Number(values.repetitions),
    chromium,
    model: model === undefined ? ["--shape", shape] : [model],
  };
  const games: { ours: Contestant[]; others: Contestant[] }[] = [
    { ours: remora(settings), others: [llamaCpp(settings), wllama(settings)] },
    { ours: remoraProducts(settings), others: [onnxRuntimeWeb(settings)] },
  ];
  const comparisons: Comparison[] = [];
  for (const { ours, others } of games) {
    const chosen = others.filter(({ name }) => only.split(",").includes(name));
    if (chosen.length === 0) continue;
    const played = await play([...ours, ...chosen], Number(values.rounds));
    const named = [...played].map(([{ name }, figures]): [string, Figures[]] => [name, figures]);
    comparisons.push(...compare(named.slice(0, ours.length), named.slice(ours.length)));
  }

  const processor = processorName();
  const load = Deno.loadavg()[0].toFixed(1);
  if (values.json) {
    console.log(
      JSON.stringify({ processor, threads: settings.threads, model: model ?? `shape ${shape}`, comparisons }),
    );
  } else {
    const list = (figures: number[], digits: number) =>
      figures.map((figure) => figure.toFixed(digits)).join(" ");
    console.log(
      `${processor}; ${settings.threads} threads; ${model ?? `shape ${shape}`}; load average ${load}\n`,
    );
    console.log(markdownTable([
      ["test", "ours", "", "peer", "", "ours / peer, round by round", "median"],
      ...comparisons.map(({ test, side, peer, remora, other, ratios }) => [
        test,
        side,
        list(remora, 1),
        peer,
        list(other, 1),
        list(ratios, 2),
        summarise(ratios).median.toFixed(2),
      ]),
    ], [6]));
  }
}
