/** What a call can be told beside what it is about; all of it may be left out. */

import type { Tool, ToolChoice } from "./conversation.js";
import type { Parameter } from "./tensors.js";

/** For every call. */
export interface CallOptions {
  /** Milliseconds until the call must have ended, retries included; null for any time. Default: the client's. */
  readonly timeoutMs?: number | null | undefined;
  /** How often the call is made again where that is safe. Default: the client's. */
  readonly retries?: number | undefined;
  /** Names the request in the server's log. Default: a fresh one. */
  readonly requestId?: string | undefined;
  /** The trace that the call belongs to, as in https://www.w3.org/TR/trace-context/#traceparent-header. Default: none. */
  readonly traceparent?: string | undefined;
  /** Cancels the call when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** How tokens are drawn. What is left out takes the model's own default. */
export interface Sampling extends CallOptions {
  /** Most tokens to generate, at least 1. Default for chats: what the context has left; for completions 16. */
  readonly maxTokens?: number | undefined;
  /** Spread of the distribution, from 0, which is greedy. The neutral value is 1. */
  readonly temperature?: number | undefined;
  /** Smallest set of tokens with this much probability, above 0 and at most 1. */
  readonly topP?: number | undefined;
  /** How many of the most likely tokens to choose from; 0 and -1 are all of them. */
  readonly topK?: number | undefined;
  /** Least probability relative to that of the most likely token, from 0 to 1. */
  readonly minP?: number | undefined;
  /** Taken off the logit of every token that has appeared; a negative value encourages. */
  readonly presencePenalty?: number | undefined;
  /** Taken off the logit of a token once for each appearance. */
  readonly frequencyPenalty?: number | undefined;
  /** Divides the logits of tokens that have appeared, above 0. */
  readonly repetitionPenalty?: number | undefined;
  /** Repeats a sampled answer. Without it each answer is drawn afresh. */
  readonly seed?: number | bigint | undefined;
  /** Added to the logits of these token ids, each from -100 to 100. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
  /** Strings that end the answer, at most 16; they are not part of it. */
  readonly stop?: string | readonly string[] | undefined;
  /** Token ids that end the answer, at most 64. */
  readonly stopTokenIds?: readonly number[] | undefined;
  /** Keep the stop string in the text. Default false. */
  readonly includeStopStrInOutput?: boolean | undefined;
  /** Go on after the end-of-sequence token. Default false. */
  readonly ignoreEos?: boolean | undefined;
  /** Answers to draw, of each prompt, from 1 to 128. Default 1. */
  readonly n?: number | undefined;
  /** The text must be one JSON object. Default false. Give at most one of this, `jsonSchema` and `grammar`. */
  readonly jsonObject?: boolean | undefined;
  /** A JSON Schema that the text must meet. */
  readonly jsonSchema?: object | undefined;
  /** A grammar in GBNF, llama.cpp's notation, that the text must match. */
  readonly grammar?: string | undefined;
  /** Give the log probability of each token, and so many of the most likely ones at each place, from 0 to 20. */
  readonly topLogprobs?: number | undefined;
  /** The same for the tokens of the prompt, by engines that score it. */
  readonly promptLogprobs?: number | undefined;
}

/** For chats. */
export interface ChatOptions extends Sampling {
  /** Functions that the model may call, at most 128. */
  readonly tools?: readonly Tool[] | undefined;
  /** Which of them it may or must call. Default: the model decides. */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether an answer may hold more than one call. Default true. */
  readonly parallelToolCalls?: boolean | undefined;
  /** Variables for the model's chat template. */
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>> | undefined;
  /** Given to the chat template as its variable reasoning_effort, such as "low". */
  readonly reasoningEffort?: string | undefined;
}

/** For completions. */
export interface CompletionOptions extends Sampling {
  /** Begin each text with its prompt. Default false. */
  readonly echo?: boolean | undefined;
}

/** For embeddings. */
export interface EmbedOptions extends CallOptions {
  /** Keep the first so many numbers of each vector, normalised again. Default: all of them. */
  readonly dimensions?: number | undefined;
}

/** For the order of documents. */
export interface RerankOptions extends CallOptions {
  /** Give only so many of the best. Default: all. */
  readonly topN?: number | undefined;
  /** Give the documents' texts with their scores. Default true. */
  readonly returnDocuments?: boolean | undefined;
}

/** For tensors. */
export interface InferOptions extends CallOptions {
  /** The outputs to give. Default: all. */
  readonly outputs?: readonly string[] | undefined;
  /** Values beside the tensors, such as `priority`. */
  readonly parameters?: Readonly<Record<string, Parameter>> | undefined;
}

/** For the index of the repository. */
export interface IndexOptions extends CallOptions {
  /** Give only versions that can be asked. Default false. */
  readonly ready?: boolean | undefined;
}
