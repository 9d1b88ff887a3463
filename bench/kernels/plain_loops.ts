/**
 * What the processor can do in WebAssembly with no work around it: loops of nothing but loads, or nothing but the
 * instructions that products are made of. Built when they are asked for, run on worker threads of their own.
 *
 * @module
 */
import asc from "npm:assemblyscript@0.28.20/asc";

/**
 * Twelve chains of sums hide the latency of a product and an addition where two are begun each cycle. A product's operand is
 * the chain's own sum: with a constant one, the compiler would take it out of the loop. The other operand comes from memory,
 * because a constant would be made anew at every use (measured: 36 in place of 85 G multiplications a second).
 */
const CHAINS = 12;
/** Vectors of a read loop that are loaded before the next test of its end. */
const LOADS = 8;

/** A loop of products: multiplications it does for each `count`, and one step of a chain. */
const DOT_LOOPS = {
  /** Four bytes to a 32-bit lane. */
  bytesWide: { multiplications: 16, step: "i32x4.relaxed_dot_i8x16_i7x16_add_s(SUM, y, SUM)" },
  /** Two bytes to a 16-bit lane. */
  bytesNarrow: { multiplications: 16, step: "i16x8.add(SUM, i16x8.relaxed_dot_i8x16_i7x16_s(SUM, y))" },
  /** Two 16-bit integers to a 32-bit lane. */
  words: { multiplications: 8, step: "i32x4.add(SUM, i32x4.dot_i16x8_s(SUM, y))" },
};

/** A loop of products by name. */
export type DotLoop = keyof typeof DOT_LOOPS;

const HEADER_BYTES = 1 << 16;

/** Reads memory, or multiplies registers, on `threads` threads at once. */
export class PlainLoops {
  readonly #workers: Worker[];

  private constructor(workers: Worker[]) {
    this.#workers = workers;
  }

  /** @param bytes What all threads together read in one pass. */
  static async start(threads: number, bytes: number): Promise<PlainLoops> {
    const pages = Math.ceil((HEADER_BYTES + bytes) / 65_536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65_536, shared: true });
    // A page that was never written is the system's one page of zeros, and would be read from the cache.
    new Uint8Array(memory.buffer).fill(1);
    const module = new WebAssembly.Module(await compile() as Uint8Array<ArrayBuffer>);
    const program = URL.createObjectURL(new Blob([WORKER_PROGRAM], { type: "text/javascript" }));
    const share = Math.floor(bytes / threads / (16 * LOADS)) * 16 * LOADS;
    const workers = Array.from({ length: threads }, (_, thread) => {
      const worker = new Worker(program, { type: "module" });
      worker.postMessage({ module, memory, begin: HEADER_BYTES + thread * share, share });
      return worker;
    });
    await Promise.all(workers.map(reply));
    return new PlainLoops(workers);
  }

  /** Bytes per second of plain loads; the best of `repetitions` passes. */
  async readSpeed(repetitions: number): Promise<number> {
    return await this.#best("read", 1, repetitions);
  }

  /** Multiplications per second; the best of `repetitions` runs. */
  async dotSpeed(loop: DotLoop, repetitions: number): Promise<number> {
    const { multiplications } = DOT_LOOPS[loop];
    return await this.#best(loop, multiplications * CHAINS, repetitions);
  }

  close(): void {
    for (const worker of this.#workers) worker.terminate();
  }

  async #best(loop: string, unit: number, repetitions: number): Promise<number> {
    let best = 0;
    const warm = performance.now() + WARM_UP_MILLISECONDS;
    for (let repetition = 0; repetition < repetitions || performance.now() < warm; repetition++) {
      const begin = performance.now();
      for (const worker of this.#workers) worker.postMessage({ loop });
      const counts = await Promise.all(this.#workers.map(reply));
      const count = counts.reduce((sum, value) => sum + value, 0);
      best = Math.max(best, count * unit / (performance.now() - begin) * 1000);
    }
    return best;
  }
}

/** An engine replaces its first, unoptimised code of a loop after some calls and some time. */
const WARM_UP_MILLISECONDS = 1_500;

/** Iterations of a product loop: a tenth of a second, against which the messages to a worker are nothing. */
const DOT_ITERATIONS = 20_000_000;

const WORKER_PROGRAM = `
let loops, begin, share;
onmessage = ({ data }) => {
  if (data.module) {
    ({ begin, share } = data);
    loops = new WebAssembly.Instance(data.module, { env: { memory: data.memory } }).exports;
    postMessage(0);
  } else if (data.loop === "read") {
    loops.read(begin, share);
    postMessage(share);
  } else {
    loops[data.loop](${DOT_ITERATIONS});
    postMessage(${DOT_ITERATIONS});
  }
};`;

function reply(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
  });
}

function sourceOf(name: string, step: string): string {
  const chains = Array.from({ length: CHAINS }, (_, chain) => `sum${chain}`);
  return `export function ${name}(count: i32): i32 {
    const y = v128.load(0);
    let ${chains.map((sum, chain) => `${sum} = i8x16.splat(${chain + 1})`).join(", ")};
    for (let i = 0; i < count; i++) {
      ${chains.map((sum) => `${sum} = ${step.replaceAll("SUM", sum)};`).join("\n")}
    }
    return i32(v128.any_true(${chains.reduce((all, sum) => `v128.xor(${all}, ${sum})`)}));
  }`;
}

function readSource(): string {
  const sums = Array.from({ length: LOADS }, (_, i) => `sum${i}`);
  return `export function read(begin: usize, bytes: usize): i32 {
    let ${sums.map((sum) => `${sum} = i8x16.splat(0)`).join(", ")};
    for (const end = begin + bytes; begin < end; begin += ${16 * LOADS}) {
      ${sums.map((sum, i) => `${sum} = v128.or(${sum}, v128.load(begin, ${16 * i}));`).join("\n")}
    }
    return i32(v128.any_true(${sums.reduce((all, sum) => `v128.or(${all}, ${sum})`)}));
  }`;
}

async function compile(): Promise<Uint8Array> {
  const source = [readSource(), ...Object.entries(DOT_LOOPS).map(([name, { step }]) => sourceOf(name, step))];
  let binary: Uint8Array | undefined;
  const flags =
    "-O3 --noAssert --runtime stub --importMemory --noExportMemory --sharedMemory --initialMemory 1 --maximumMemory 65536";
  const features = ["simd", "relaxed-simd", "threads"].flatMap((feature) => ["--enable", feature]);
  const { error, stderr } = await asc.main([
    "loops.ts",
    "--outFile",
    "loops.wasm",
    ...flags.split(" "),
    ...features,
  ], {
    readFile: (name) => name === "loops.ts" ? source.join("\n") : null,
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`Cannot build the loops: ${stderr}`, { cause: error });
  return binary;
}
