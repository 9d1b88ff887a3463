/**
 * Models of the hub on the command line: downloading one with a bar, and asking whether to.
 *
 * @module
 */
import { findModel, type ModelSource, pullModel, type PullProgress } from "../mod.ts";
import { describeBytes } from "./figures.ts";
import { host } from "./host/current.ts";
import { isHubName } from "./model_access.ts";
import { isTerminal, note, ProgressBar, untilAborted } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Milliseconds after which a bar's speed is worth believing. */
const SPEED_AFTER = 500;

/** Downloads a model, with a bar on a terminal; its folder, and the bytes that came over the network. */
export async function download(
  name: string,
  { signal, offline }: { signal: AbortSignal; offline?: boolean },
): Promise<{ folder: string; fetchedBytes: number }> {
  using bar = new ProgressBar("Downloading");
  const begin = performance.now();
  let fetchedBytes = 0;
  const folder = await pullModel(name, {
    signal,
    offline,
    onNotice: (text) => note(`remora: ${text}\n`),
    onProgress: (progress) => {
      fetchedBytes = progress.fetchedBytes;
      const share = progress.totalBytes === 0 ? 1 : progress.doneBytes / progress.totalBytes;
      bar.show(share, describeDownload(progress, performance.now() - begin));
    },
  });
  return { folder, fetchedBytes };
}

/** How far it is, how fast, and for how long still. */
function describeDownload(progress: PullProgress, milliseconds: number): string {
  const { doneBytes, fetchedBytes, totalBytes } = progress;
  const sizes = `${describeBytes(doneBytes)} of ${describeBytes(totalBytes)}`;
  if (milliseconds < SPEED_AFTER || fetchedBytes === 0) return sizes;
  const speed = fetchedBytes / milliseconds * 1_000;
  return `${sizes}, ${describeBytes(speed)}/s, ${describeSeconds((totalBytes - doneBytes) / speed)} left`;
}

function describeSeconds(seconds: number): string {
  const whole = Math.ceil(seconds), two = (value: number) => `${value}`.padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)} min`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`;
}

/**
 * Before a model is opened: downloads one of the hub that is not there when that was asked for, or, on a terminal, when the user says
 * so to a question. Otherwise it is read from the hub as it is needed.
 */
export async function bringModel(
  model: string | ModelSource,
  { isAsked, offline, signal }: { isAsked: boolean; offline: boolean; signal: AbortSignal },
): Promise<void> {
  if (typeof model !== "string" || !isHubName(model)) {
    const found = typeof model === "string" ? `"${model}"` : "the small model";
    if (isAsked) throw new UsageError(`Cannot use --pull: expected a name on the hub, found ${found}`);
    return;
  }
  if (await findModel(model) !== undefined) return;
  // Without the cache nothing can be kept, and the name may well be that of a folder that may not be read.
  const hasCache = host.isGranted({ name: "env", variable: "HF_HUB_CACHE" });
  const mayAsk = !offline && hasCache && isTerminal("stdin") && isTerminal("stderr");
  const question = `${model} is not on this machine. Download it?`;
  if (isAsked || (mayAsk && await untilAborted(confirm(question), signal))) {
    await download(model, { signal, offline });
  }
}

/** Asks on the terminal; anything but a yes is a no. */
export async function confirm(question: string): Promise<boolean> {
  note(`${question} [y/N] `);
  const answer = await host.read();
  return /^\s*y(es)?\s*$/i.test(new TextDecoder().decode(answer ?? new Uint8Array()));
}
