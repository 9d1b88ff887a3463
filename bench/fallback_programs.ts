/**
 * Programs that a measurement starts, tells what to do and kills.
 *
 * @module
 */

/** A port that is free now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A running program of ours. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #output = "";
  #waiting: (() => void)[] = [];

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    for (const stream of [child.stdout, child.stderr]) void this.#collect(stream);
  }

  /** Starts Deno with these arguments and waits for a word of its. */
  static async start(args: string[], word: string): Promise<Program> {
    const child = new Deno.Command(Deno.execPath(), {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const program = new Program(child);
    await program.#until(word, 0);
    return program;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Writes a line to its input and waits for a word of its. */
  async say(line: string, word: string): Promise<void> {
    const from = this.#output.length;
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
    await this.#until(word, from);
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Ends it and waits for its end. */
  async kill(name: Deno.Signal): Promise<void> {
    this.#input.close().catch(() => {});
    try {
      this.#child.kill(name);
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }

  async #until(word: string, from: number): Promise<void> {
    const limit = performance.now() + 30_000;
    while (!this.#output.slice(from).includes(word)) {
      if (performance.now() > limit) {
        throw new Error(`expected "${word}", found: ${this.#output.slice(from)}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      const timer = setTimeout(resolve, 1000);
      await promise;
      clearTimeout(timer);
    }
  }

  async #collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      // Enough to find a word in, and to say what was found instead.
      this.#output = (this.#output + piece).slice(-1_000_000);
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }
}
