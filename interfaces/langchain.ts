/**
 * A chat model for LangChain.js.
 *
 * @example An answer
 * ```ts
 * import { ChatRemora } from "./langchain.ts";
 * import { loadModel } from "../mod.ts";
 *
 * async function ask(path: string, question: string): Promise<string> {
 *   await using model = await loadModel(path);
 *   return (await new ChatRemora({ model, maxTokens: 100 }).invoke(question)).text;
 * }
 * ```
 *
 * @module
 */
import type { CallbackManagerForLLMRun } from "npm:@langchain/core@1.4.0/callbacks/manager";
import type { BaseLanguageModelInput } from "npm:@langchain/core@1.4.0/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
} from "npm:@langchain/core@1.4.0/language_models/chat_models";
import {
  assembleStructuredOutputPipeline,
  createContentParser,
  createFunctionCallingParser,
} from "npm:@langchain/core@1.4.0/language_models/structured_output";
import type { AIMessageChunk, BaseMessage } from "npm:@langchain/core@1.4.0/messages";
import { ChatGenerationChunk, type ChatResult } from "npm:@langchain/core@1.4.0/outputs";
import type { Runnable } from "npm:@langchain/core@1.4.0/runnables";
import { convertToOpenAITool } from "npm:@langchain/core@1.4.0/utils/function_calling";
import { toJsonSchema } from "npm:@langchain/core@1.4.0/utils/json_schema";
import type { Model } from "../src/generation/model.ts";
import type { GenerateRequest } from "../src/generation/requests.ts";
import { AnswerChunks } from "./langchain_answer.ts";
import { chosenTool, messageOf } from "./langchain_messages.ts";
import { type Settings, settingsOf } from "./langchain_settings.ts";
import { servedModelOf, signalOr } from "./served.ts";

export type { Settings };

/** What one call may say. */
export interface ChatRemoraCallOptions extends BaseChatModelCallOptions, Settings {
  /** Tools in any form that LangChain knows; see `bindTools`. */
  tools?: BindToolsInput[];
}

/** A model and what holds for all calls. */
export interface ChatRemoraParams extends BaseChatModelParams, Settings {
  /** A loaded model; a promise is one that is being loaded. */
  model: Model | Promise<Model>;
  /** What the model is called in traces; default `remora`. */
  modelName?: string;
  /** Answers end before these texts. */
  stop?: string[];
}

/** How structured output is asked for; `strict` changes nothing, as answers always keep to their schema. */
export type StructuredConfig = { name?: string; method?: string; includeRaw?: boolean; strict?: boolean };

/** Answers with a model of this process. */
export class ChatRemora extends BaseChatModel<ChatRemoraCallOptions, AIMessageChunk> {
  /** What the model is called in traces. */
  readonly modelName: string;
  readonly #fields: ChatRemoraParams;

  /** The name under which LangChain knows the class. */
  static override lc_name(): string {
    return "ChatRemora";
  }

  /** A model, and settings for all calls. */
  constructor(fields: ChatRemoraParams) {
    super(fields);
    this.#fields = fields;
    this.modelName = fields.modelName ?? "remora";
  }

  /** The kind of model. */
  _llmType(): string {
    return "remora";
  }

  /** For traces and caches: the settings of a call. */
  override invocationParams(options?: this["ParsedCallOptions"]): Record<string, unknown> {
    const { tools, tool_choice } = options ?? {};
    return {
      model: this.modelName,
      ...settingsOf(this.#fields, options),
      stop: options?.stop ?? this.#fields.stop,
      tools,
      tool_choice,
    };
  }

  /** A model that may call tools; with `tool_choice`, that must. */
  override bindTools(
    tools: BindToolsInput[],
    kwargs: Partial<ChatRemoraCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatRemoraCallOptions> {
    return this.withConfig({ tools: tools.map((tool) => convertToOpenAITool(tool)), ...kwargs });
  }

  /**
   * Answers as objects. By default the answer is JSON of the schema; with the method "functionCalling" the arguments of a call that
   * the model must make.
   */
  // deno-lint-ignore no-explicit-any -- the base class has six overloads for one function
  override withStructuredOutput(schema: any, config: StructuredConfig = {}): any {
    const { method = "jsonSchema", includeRaw, name = schema.title ?? "extract" } = config;
    const jsonSchema = toJsonSchema(schema);
    if (method === "functionCalling") {
      const tool = { type: "function", function: { name, parameters: jsonSchema } };
      const bound = this.bindTools([tool], { tool_choice: name, parallelToolCalls: false });
      return assembleStructuredOutputPipeline(bound, createFunctionCallingParser(schema, name), includeRaw);
    }
    if (method !== "jsonSchema") {
      throw new Error(`Cannot use the method ${method}: expected jsonSchema or functionCalling`);
    }
    return assembleStructuredOutputPipeline(
      this.withConfig({ jsonSchema }),
      createContentParser(schema),
      includeRaw,
    );
  }

  /** The whole answer. */
  async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    let whole: ChatGenerationChunk | undefined;
    for await (const chunk of this._streamResponseChunks(messages, options)) {
      whole = whole ? whole.concat(chunk) : chunk;
    }
    const usage = (whole!.message as AIMessageChunk).usage_metadata!;
    const tokenUsage = {
      promptTokens: usage.input_tokens,
      completionTokens: usage.output_tokens,
      totalTokens: usage.total_tokens,
    };
    return { generations: [whole!], llmOutput: { tokenUsage } };
  }

  /** The answer as it comes. */
  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const { tools = [], tool_choice: choice, stop = this.#fields.stop, signal } = options;
    const request: GenerateRequest = {
      ...settingsOf(this.#fields, options),
      messages: messages.map(messageOf),
      stop,
      ...(tools.length > 0 &&
        { tools: tools.map((tool) => convertToOpenAITool(tool)), toolChoice: chosenTool(choice) }),
    };
    const served = servedModelOf(await this.#fields.model);
    const chunks = new AnswerChunks(this.modelName);
    for await (const event of served.answer({ request }, signalOr(signal))) {
      const message = chunks.of(event);
      const text = typeof message.content === "string" ? message.content : "";
      const chunk = new ChatGenerationChunk({ message, text, generationInfo: message.response_metadata });
      yield chunk;
      if (event.type === "piece") {
        await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
      }
    }
  }
}
