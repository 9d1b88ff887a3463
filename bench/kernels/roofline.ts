/**
 * Products against what the processor can do: bytes of weights against plain loads for a single row, multiplications against
 * loops of the same instructions for many.
 *
 *   deno task bench:roofline [--threads 1,2] [--rows 256,512] [--size 4096] [--cold 512] [--repetitions 7]
 *
 * `--cold`: MiB that are read before a byte is read again; more than the last cache holds.
 *
 * @module
 */
import { markdownTable } from "../../cli/figures.ts";
import { processorName } from "../../cli/processor.ts";
import { describeThreads, summarise } from "../../cli/speed.ts";
import { type DotLoop, PlainLoops } from "./plain_loops.ts";
import { multiplications, type Product, ProductBench, weightBytes } from "./products.ts";
import { readCommand } from "../command.ts";

/** Products of so few rows read weights that are in no cache, as a model does that answers a few sequences. */
const FEW_ROWS = 16;

const FORMS: readonly Pick<Product, "bits" | "activationBytes">[] = [
  { bits: 4, activationBytes: 1 },
  { bits: 4, activationBytes: 2 },
  { bits: 7, activationBytes: 1 },
  { bits: 8, activationBytes: 2 },
];

/** What one thread count can do, per second. */
interface Peaks {
  read: number;
  dots: Record<DotLoop, number>;
}

/** Multiplications per second at best: bytes take the faster of two instructions, two bytes an activation are one word. */
function peakOf({ activationBytes }: Pick<Product, "activationBytes">, { dots }: Peaks): number {
  return activationBytes === 1 ? Math.max(dots.bytesWide, dots.bytesNarrow) : dots.words;
}

async function measurePeaks(threads: number, coldBytes: number, repetitions: number): Promise<Peaks> {
  const loops = await PlainLoops.start(threads, coldBytes);
  const dots = async (loop: DotLoop) => await loops.dotSpeed(loop, repetitions);
  const peaks = {
    read: await loops.readSpeed(repetitions),
    dots: {
      bytesWide: await dots("bytesWide"),
      bytesNarrow: await dots("bytesNarrow"),
      words: await dots("words"),
    },
  };
  loops.close();
  return peaks;
}

if (import.meta.main) {
  const { values } = readCommand({
    usage: "deno task bench:roofline",
    purpose: "Products against plain loads and loops of the same instructions: what the processor can do.",
    options: {
      threads: { value: "N,N", help: "threads, each in turn", default: "1,2" },
      rows: { value: "N,N", help: "rows of activations, each in turn", default: "256,512" },
      size: { value: "N", help: "inputs and outputs of the matrix", default: "4096" },
      cold: { value: "N", help: "MiB that are read before a byte is read again", default: "512" },
      repetitions: { value: "N", help: "repetitions of every measurement", default: "7" },
    },
  });
  const coldBytes = Number(values.cold) * 2 ** 20, repetitions = Number(values.repetitions);
  const size = Number(values.size);
  const giga = (value: number) => (value / 1e9).toFixed(1);
  const share = (value: number, peak: number) => `${Math.round(100 * value / peak)} %`;
  const peakRows = [["threads", "loads, GB/s", "bytes, wide", "bytes, narrow", "words"]];
  const productRows = [[
    "threads",
    "weights",
    "activations",
    "rows",
    "median",
    "best",
    "unit",
    "of the peak",
  ]];
  for (const threads of values.threads.split(",").map(Number)) {
    const peaks = await measurePeaks(threads, coldBytes, repetitions);
    const { read, dots } = peaks;
    peakRows.push([`${threads}`, ...[read, dots.bytesWide, dots.bytesNarrow, dots.words].map(giga)]);
    for (const form of FORMS) {
      for (const rows of [1, ...values.rows.split(",").map(Number)]) {
        const product: Product = { ...form, rows, inputs: size, outputs: size };
        const isSingle = rows === 1;
        await using bench = await ProductBench.start(threads, product, rows <= FEW_ROWS ? coldBytes : 0);
        const work = isSingle ? weightBytes(product) : multiplications(product);
        const { median, max } = summarise(bench.time(repetitions).map((seconds) => work / seconds));
        productRows.push([
          `${threads}`,
          `${form.bits} bits`,
          `${form.activationBytes} B`,
          `${rows}`,
          giga(median),
          giga(max),
          isSingle ? "GB/s" : "GMAC/s",
          share(max, isSingle ? read : peakOf(form, peaks)),
        ]);
      }
    }
    console.error(`measured ${describeThreads(threads)}`);
  }
  console.log(
    `${processorName()}; ${size} × ${size}, ${values.cold} MiB of weights in turn for a single row\n`,
  );
  console.log(
    `Best of ${repetitions}: loads, and G multiplications a second of each instruction with nothing around it\n`,
  );
  console.log(markdownTable(peakRows, [0, 1, 2, 3, 4]));
  console.log(`\nProducts; best against best\n`);
  console.log(markdownTable(productRows, [0, 3, 4, 5, 7]));
}
