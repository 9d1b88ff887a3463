/**
 * The speed of a loaded model, measured as llama-bench does: random tokens, no sampling, logits of the last token only.
 *
 * @module
 */
import type { Model, Sequence } from "../mod.ts";
import { letEventsIn } from "./interruption.ts";

/** What to measure. */
export interface SpeedPlan {
  /** Tokens of a prompt, fed in one call; 0: no such test. */
  prompt: number;
  /** Tokens fed one by one, as generation does; 0: no such test. */
  generated: number;
  /** Tokens that the sequence holds before; each test is done at each depth. */
  depths: readonly number[];
  repetitions: number;
}

/** Tokens per second of one test. */
export interface SpeedResult {
  /** `pp512`: a prompt of 512 tokens; `tg128`: 128 tokens one by one. */
  test: string;
  threads: number;
  depth: number;
  median: number;
  mean: number;
  /** Of the sample; 0 for a single repetition. */
  stddev: number;
  min: number;
  max: number;
}

/** Who may stop the tests, and who is told how far they are. */
export interface SpeedWatcher {
  signal?: AbortSignal;
  /** Told what is going on, and how much of it is done, from 0 to 1. */
  onProgress?(label: string, share: number): void;
}

/**
 * Tokens one by one before a test is timed. Engines replace their first, unoptimised code while it runs, and threads
 * learn how long to wait for each other.
 */
const WARM_UP_TOKENS = 16;

/** Tokens of a long sequence fed between two reports of progress. */
const FILL_TOKENS = 512;

/** Does all tests of a plan, prompts first. */
export async function measureSpeed(
  model: Model,
  plan: SpeedPlan,
  watcher: SpeedWatcher = {},
): Promise<SpeedResult[]> {
  using sequence = model.createSequence();
  const { threads } = model.engine;
  const ids = randomIds(contextFor(plan), model.info.vocabularySize);
  const { signal } = watcher;
  const feed = async (count: number) => {
    const { length } = sequence;
    await sequence.forward(ids.slice(length, length + count), { signal });
  };
  const tests = [
    { name: `pp${plan.prompt}`, tokens: plan.prompt, warmUp: plan.prompt, step: plan.prompt },
    { name: `tg${plan.generated}`, tokens: plan.generated, warmUp: WARM_UP_TOKENS, step: 1 },
  ].filter(({ tokens }) => tokens > 0);

  const results: SpeedResult[] = [];
  for (const depth of plan.depths.toSorted((a, b) => a - b)) {
    await fill(sequence, ids.slice(0, depth), watcher);
    for (const { name, tokens, warmUp, step } of tests) {
      const run = async (count: number) => {
        sequence.truncate(depth);
        for (let done = 0; done < count; done += step) {
          await letEventsIn();
          await feed(step);
        }
      };
      const report = (share: number) =>
        watcher.onProgress?.(`${testName(name, depth)}, ${describeThreads(threads)}`, share);
      report(0);
      await run(Math.min(warmUp, tokens));
      const speeds: number[] = [];
      while (speeds.length < plan.repetitions) {
        report((speeds.length + 1) / (plan.repetitions + 1));
        const begin = performance.now();
        await run(tokens);
        speeds.push(tokens / (performance.now() - begin) * 1000);
      }
      sequence.truncate(depth);
      results.push({ test: name, threads, depth, ...summarise(speeds) });
    }
  }
  return results;
}

/** Tokens of context that a plan needs. */
export function contextFor({ prompt, generated, depths }: SpeedPlan): number {
  return Math.max(...depths) + Math.max(prompt, generated);
}

/** A test's name with the depth it was done at. */
export function testName(test: string, depth: number): string {
  return depth === 0 ? test : `${test} @ d${depth}`;
}

/** `1 thread`, `2 threads`. */
export function describeThreads(threads: number): string {
  return `${threads} thread${threads === 1 ? "" : "s"}`;
}

/** Median, mean, deviation and extremes of at least one value. */
export function summarise(values: readonly number[]): Omit<SpeedResult, "test" | "threads" | "depth"> {
  const sorted = values.toSorted((a, b) => a - b);
  const { length } = sorted;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / length;
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    median: (sorted[(length - 1) >> 1] + sorted[length >> 1]) / 2,
    mean,
    stddev: length > 1 ? Math.sqrt(squares / (length - 1)) : 0,
    min: sorted[0],
    max: sorted[length - 1],
  };
}

/** Appends what is missing of `ids`. */
async function fill(
  sequence: Sequence,
  ids: readonly number[],
  { signal, onProgress }: SpeedWatcher,
): Promise<void> {
  while (sequence.length < ids.length) {
    const { length } = sequence;
    onProgress?.(`Filling ${ids.length} tokens`, length / ids.length);
    await sequence.forward(ids.slice(length, length + FILL_TOKENS), { signal, logits: "none" });
  }
}

/** Any ids do, as long as every run has the same. */
function randomIds(count: number, vocabularySize: number): number[] {
  // Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4).
  return Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 0) % vocabularySize);
}
