/**
 * The browser's Prompt API with a model of this process: `LanguageModel.create`, `prompt`, `promptStreaming`, `append`, `clone`.
 *
 * The shape is that of https://webmachinelearning.github.io/prompt-api/; what the specification deprecates (`inputUsage`,
 * `inputQuota`, `measureInputUsage`, `quotaoverflow`) is there under its old name too.
 *
 * @example A session
 * ```ts
 * import { createPromptApi } from "./prompt_api.ts";
 * import { loadModel } from "../mod.ts";
 *
 * async function ask(path: string, question: string): Promise<string> {
 *   const LanguageModel = createPromptApi((onProgress) =>
 *     loadModel(path, { onProgress: ({ loadedBytes, totalBytes }) => onProgress(loadedBytes / totalBytes) })
 *   );
 *   const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
 *   return await session.prompt(question);
 * }
 * ```
 *
 * @module
 */
import type { Model } from "../src/generation/model.ts";
import { domError, type QuotaExceeded } from "./prompt_api_errors.ts";
import {
  type CreateCoreOptions,
  type PromptContent,
  type PromptInput,
  type PromptMessage,
  type PromptOptions,
  samplingOf,
  TEMPERATURE_MAX,
} from "./prompt_api_inputs.ts";
import type { SessionParts } from "./prompt_api_context.ts";
import { Session } from "./prompt_api_session.ts";
import { type Availability, type LoadModel, ModelSource } from "./prompt_api_source.ts";

export type {
  Availability,
  CreateCoreOptions,
  LoadModel,
  PromptContent,
  PromptInput,
  PromptMessage,
  PromptOptions,
  QuotaExceeded,
  Session,
  SessionParts,
};

/** Tells of `downloadprogress`; `loaded` goes from 0 to 1. */
export interface CreateMonitor extends EventTarget {
  /** The same as a listener of `downloadprogress`. */
  // deno-lint-ignore no-explicit-any -- as the DOM has it
  ondownloadprogress: ((this: any, event: ProgressEvent) => any) | null;
}

/** How a session begins. */
export interface CreateOptions extends CreateCoreOptions {
  /** Ends the creation, and later the session. */
  signal?: AbortSignal;
  /** Gets what tells of the download. */
  // deno-lint-ignore no-explicit-any -- as the DOM has it
  monitor?: (monitor: any) => void;
  /** What was said before; a system message first. */
  initialPrompts?: PromptMessage[];
}

/** Defaults and limits of what chooses tokens. */
export interface Params {
  /** Without `topK`. */
  readonly defaultTopK: number;
  /** More is as good as this. */
  readonly maxTopK: number;
  /** Without `temperature`. */
  readonly defaultTemperature: number;
  /** More is as good as this. */
  readonly maxTemperature: number;
}

/** What the browser's `LanguageModel` has as static methods. */
export interface PromptApi {
  /** Whether sessions with these options can be made. */
  availability(options?: CreateCoreOptions): Promise<Availability>;
  /** Makes a session; loads the model where that was not done. */
  create(options?: CreateOptions): Promise<Session>;
  /** Loads the model and says how it chooses tokens. */
  params(): Promise<Params>;
}

/** The Prompt API over a model, or over one that is loaded when it is needed. */
export function createPromptApi(model: Model | Promise<Model> | LoadModel): PromptApi {
  const source = new ModelSource(model);
  return {
    availability(options = {}) {
      const isPossible = source.model ? refusalOf(options, source.model) === undefined : true;
      return Promise.resolve(isPossible ? source.state : "unavailable");
    },
    async create(options = {}) {
      const { signal, monitor, initialPrompts = [] } = options;
      signal?.throwIfAborted();
      const loaded = await source.load(monitorOf(monitor), signal);
      const refused = refusalOf(options, loaded);
      if (refused !== undefined) throw domError("NotSupportedError", refused);
      const types = new Set(["text", ...(options.expectedInputs ?? []).map(({ type }) => type)]);
      const chosen = samplingOf(options, loaded.samplingDefaults, loaded.info.vocabularySize);
      const session = new Session({ model: loaded, types, ...chosen });
      signal?.addEventListener("abort", () => session.destroy(signal.reason), { once: true });
      try {
        await session.begin(initialPrompts, signal);
      } catch (error) {
        session.destroy();
        throw error;
      }
      return session;
    },
    async params() {
      const { samplingDefaults, info } = await source.load(() => {});
      const { topK, temperature } = samplingOf({}, samplingDefaults, info.vocabularySize);
      return {
        defaultTopK: topK,
        maxTopK: info.vocabularySize,
        defaultTemperature: temperature,
        maxTemperature: TEMPERATURE_MAX,
      };
    },
  };
}

/** Why a model cannot do what is expected. */
function refusalOf(
  { expectedInputs = [], expectedOutputs = [], tools = [] }: CreateCoreOptions,
  { info }: Model,
): string | undefined {
  if (tools.length > 0) return "Tools of sessions are not supported.";
  const input = expectedInputs.find(({ type }) => type !== "text" && !(type === "image" && info.vision));
  if (input) return `The model takes no ${input.type}.`;
  const output = expectedOutputs.find(({ type }) => type !== "text");
  return output && `The model gives no ${output.type}.`;
}

/** Makes the object that a caller's `monitor` gets; what is returned tells it of a share. */
function monitorOf(monitor: CreateOptions["monitor"]): (share: number) => void {
  if (!monitor) return () => {};
  const target: CreateMonitor = Object.assign(new EventTarget(), { ondownloadprogress: null });
  target.addEventListener("downloadprogress", (event) => target.ondownloadprogress?.(event as ProgressEvent));
  monitor(target);
  return (loaded) => {
    target.dispatchEvent(new ProgressEvent("downloadprogress", { loaded, total: 1, lengthComputable: true }));
  };
}
