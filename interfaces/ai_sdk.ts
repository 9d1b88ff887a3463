/**
 * A provider for Vercel's AI SDK: `generateText`, `streamText` and agents with a model of this process.
 *
 * @example An answer as it comes
 * ```ts
 * import { streamText } from "npm:ai@7.0.173";
 * import { createRemora } from "./ai_sdk.ts";
 * import { loadModel } from "../mod.ts";
 *
 * async function ask(path: string, prompt: string): Promise<void> {
 *   await using model = await loadModel(path);
 *   const remora = createRemora({ local: model });
 *   for await (const text of streamText({ model: remora("local"), prompt }).textStream) console.log(text);
 * }
 * ```
 *
 * @module
 */
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  ProviderV4,
} from "npm:@ai-sdk/provider@4.0.38";
import { NoSuchModelError } from "npm:@ai-sdk/provider@4.0.38";
import type { Model } from "../src/generation/model.ts";
import type { TokenLogprobs } from "../src/generation/requests.ts";
import type { AnswerEvent } from "../src/server/engine/served_model.ts";
import { Blocks } from "../src/server/http/blocks.ts";
import { newId } from "../src/server/http/ids.ts";
import { contentOf, finishReasonOf, metadataOf, partsOf, usageOf } from "./ai_sdk_answer.ts";
import { requestOf, type SdkRequest } from "./ai_sdk_request.ts";
import { servedModelOf, signalOr } from "./served.ts";
import { streamOf } from "./streams.ts";

/** Models by the names that the SDK calls them by; a promise is one that is being loaded. */
export type RemoraModels = Readonly<Record<string, Model | Promise<Model>>>;

/** A provider that is called with the name of a model. */
export interface RemoraProvider extends ProviderV4 {
  /** @throws {NoSuchModelError} For a name that is not among the models. */
  (modelId: string): LanguageModelV4;
}

/** A provider of loaded models. Embeddings and pictures as answers are refused with the SDK's NoSuchModelError. */
export function createRemora(models: RemoraModels): RemoraProvider {
  const languageModel = (modelId: string): LanguageModelV4 => {
    if (!Object.hasOwn(models, modelId)) throw new NoSuchModelError({ modelId, modelType: "languageModel" });
    return new RemoraLanguageModel(modelId, models[modelId]);
  };
  const none = (modelType: "embeddingModel" | "imageModel") => (modelId: string): never => {
    throw new NoSuchModelError({ modelId, modelType });
  };
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel: none("embeddingModel"),
    imageModel: none("imageModel"),
  });
}

/** One loaded model, without a provider. */
export function remora(model: Model | Promise<Model>, modelId = "remora"): LanguageModelV4 {
  return new RemoraLanguageModel(modelId, model);
}

class RemoraLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "remora";
  /** None: the SDK fetches pictures itself. */
  readonly supportedUrls = {};
  readonly #model: Model | Promise<Model>;

  constructor(readonly modelId: string, model: Model | Promise<Model>) {
    this.#model = model;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { request, warnings } = requestOf(options);
    const blocks = new Blocks();
    const logprobs: TokenLogprobs[] = [];
    let finish: AnswerEvent & { type: "finish" } | undefined;
    for await (const event of await this.#answer({ request, warnings }, options.abortSignal)) {
      if (event.type === "finish") finish = event;
      else {
        for (const _ of blocks.push(event.parts));
        logprobs.push(...event.logprobs ?? []);
      }
    }
    for (const _ of blocks.end());
    return {
      content: blocks.all.map(contentOf),
      finishReason: finishReasonOf(finish!),
      usage: usageOf(finish!),
      warnings,
      response: { id: newId("remora-"), modelId: this.modelId, timestamp: new Date() },
      ...metadataOf(logprobs),
    };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const asked = requestOf(options);
    // What is refused is thrown here, before there is a stream.
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, ...options.abortSignal ? [options.abortSignal] : []]);
    const events = await this.#answer(asked, signal);
    const first = await events.next();
    const make = (left: AbortSignal) => {
      left.addEventListener("abort", () => gone.abort(left.reason), { once: true });
      return this.#parts(asked, first, events);
    };
    return { stream: streamOf(make, undefined, { highWaterMark: 0 }) };
  }

  async #answer(
    { request }: SdkRequest,
    signal: AbortSignal | undefined,
  ): Promise<AsyncGenerator<AnswerEvent, void, void>> {
    const model = await this.#model;
    return servedModelOf(model).answer({ request }, signalOr(signal));
  }

  async *#parts(
    { warnings }: SdkRequest,
    first: IteratorResult<AnswerEvent, void>,
    events: AsyncGenerator<AnswerEvent, void, void>,
  ): AsyncGenerator<LanguageModelV4StreamPart, void, void> {
    yield { type: "stream-start", warnings };
    yield { type: "response-metadata", id: newId("remora-"), modelId: this.modelId, timestamp: new Date() };
    const blocks = new Blocks();
    const logprobs: TokenLogprobs[] = [];
    try {
      for (let step = first; !step.done; step = await events.next()) {
        const event = step.value;
        const changes = event.type === "piece" ? blocks.push(event.parts) : blocks.end();
        for (const change of changes) yield* partsOf(change);
        if (event.type === "piece") logprobs.push(...event.logprobs ?? []);
        else {
          const [finishReason, usage] = [finishReasonOf(event), usageOf(event)];
          yield { type: "finish", finishReason, usage, ...metadataOf(logprobs) };
        }
      }
    } catch (error) {
      yield { type: "error", error };
    } finally {
      await events.return();
    }
  }
}
