/**
 * Answers as LangChain has them.
 *
 * @module
 */
import { AIMessageChunk } from "npm:@langchain/core@1.4.0/messages";
import type { AnswerEvent } from "../src/server/engine/served_model.ts";
import { newId } from "../src/server/http/ids.ts";

/** Makes the pieces of one message, which LangChain adds up. */
export class AnswerChunks {
  readonly #modelName: string;
  /** Calls of tools so far. */
  #calls = 0;

  constructor(modelName: string) {
    this.#modelName = modelName;
  }

  /** What happened, as a piece of the message. */
  of(event: AnswerEvent): AIMessageChunk {
    if (event.type === "finish") {
      const { promptTokens: input, cachedTokens: cache_read, completionTokens: output } = event.usage;
      return new AIMessageChunk({
        content: "",
        response_metadata: {
          finish_reason: event.finishReason,
          model_name: this.#modelName,
          model_provider: "remora",
        },
        usage_metadata: {
          input_tokens: input,
          output_tokens: output,
          total_tokens: input + output,
          input_token_details: { cache_read },
        },
      });
    }
    const { parts, logprobs } = event;
    const textOf = (type: "text" | "reasoning") =>
      parts.map((part) => part.type === type ? part.text : "").join("");
    const reasoning = textOf("reasoning");
    return new AIMessageChunk({
      content: textOf("text"),
      additional_kwargs: reasoning === "" ? {} : { reasoning_content: reasoning },
      response_metadata: logprobs ? { logprobs } : {},
      tool_call_chunks: parts.flatMap((part) => {
        const type = "tool_call_chunk" as const;
        if (part.type === "call") {
          return [{ type, name: part.name, args: "", id: newId("call_"), index: this.#calls++ }];
        }
        return part.type === "arguments" ? [{ type, args: part.text, index: this.#calls - 1 }] : [];
      }),
    });
  }
}
