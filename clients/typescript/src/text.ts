/** What chats and completions answer. */

import type { Message, ToolCall } from "./conversation.js";
import { InternalError } from "./errors.js";
import type { ChatResponse, ContentPart } from "./protos/jubako/v1/chat_pb.js";
import type { CompletionResponse } from "./protos/jubako/v1/completion_pb.js";
import type * as pb from "./protos/jubako/v1/sampling_pb.js";

/** Why an answer ended. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter";

const FINISH_REASONS: readonly (FinishReason | undefined)[] = [undefined, "stop", "length", "tool_calls", "content_filter"];

/** Tokens that a request cost, counted by the engine. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** Tokens of the prompt that were not computed again. */
  readonly cachedTokens: number;
  /** Generated tokens that belong to the reasoning. */
  readonly reasoningTokens: number;
}

/** A token that might have stood at a place. */
export interface TopLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly tokenBytes: Uint8Array;
  /** Undefined where the engine does not tell. */
  readonly tokenId: number | undefined;
}

/** A token that was generated, or that stood in the prompt, and the most likely ones at its place. */
export interface TokenLogprob extends TopLogprob {
  readonly topLogprobs: readonly TopLogprob[];
}

/** A piece of a tool call: `id` and `name` come with its first piece only. */
export interface ToolCallDelta {
  /** The call's place among the calls of its answer. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** More of the JSON text of the arguments. */
  readonly arguments: string;
}

/** What one of the answers gained. */
export interface ChatDelta {
  /** Which answer. */
  readonly index: number;
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallDelta[];
  readonly logprobs: readonly TokenLogprob[];
  /** Why it ended, in its last delta; undefined in the others. */
  readonly finishReason: FinishReason | undefined;
  readonly promptLogprobs: readonly TokenLogprob[];
}

/** What one of the continuations gained. */
export interface CompletionDelta {
  /** Which continuation. */
  readonly index: number;
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[];
  /** Why it ended, in its last delta; undefined in the others. */
  readonly finishReason: FinishReason | undefined;
  readonly promptLogprobs: readonly TokenLogprob[];
}

/** One of the answers. */
export interface ChatChoice {
  readonly index: number;
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  /** Undefined in a stream that was left before its end. */
  readonly finishReason: FinishReason | undefined;
  /** The turn, to go on with the conversation. */
  readonly message: Message;
  readonly logprobs: readonly TokenLogprob[];
}

/** Who answered. */
export interface Head {
  /** Names the answer. */
  readonly id: string;
  /** The entry that answered. */
  readonly model: string;
  /** Its version. */
  readonly version: number;
}

/** The answer to a chat. What is said of it, rather than of one of its choices, is that of the first. */
export interface ChatAnswer extends Head, Omit<ChatChoice, "index" | "logprobs"> {
  readonly choices: readonly ChatChoice[];
  readonly usage: Usage;
  readonly promptLogprobs: readonly TokenLogprob[];
}

/** One continuation: that of prompt p and draw i has the index p * n + i. */
export interface CompletionChoice {
  readonly index: number;
  readonly text: string;
  /** Undefined in a stream that was left before its end. */
  readonly finishReason: FinishReason | undefined;
  readonly logprobs: readonly TokenLogprob[];
  readonly promptLogprobs: readonly TokenLogprob[];
}

/** The continuations of all prompts. `text` and `finishReason` are those of the first. */
export interface CompletionAnswer extends Head {
  readonly text: string;
  readonly finishReason: FinishReason | undefined;
  readonly choices: readonly CompletionChoice[];
  readonly usage: Usage;
}

export function readUsage(given: pb.Usage | undefined): Usage {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = given ?? {
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    reasoningTokens: 0,
  };
  return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, cachedTokens, reasoningTokens };
}

export function readFinishReason(given: pb.FinishReason): FinishReason | undefined {
  return FINISH_REASONS[given];
}

export function readLogprobs(given: readonly pb.TokenLogprob[]): TokenLogprob[] {
  return given.map((token) => ({ ...top(token), topLogprobs: token.topLogprobs.map(top) }));
}

export function chatChoice(choice: Omit<ChatChoice, "message">): ChatChoice {
  const content = choice.text === "" && choice.toolCalls.length > 0 ? null : choice.text;
  const message: Message = {
    role: "assistant",
    content,
    toolCalls: choice.toolCalls,
    reasoning: choice.reasoning === "" ? undefined : choice.reasoning,
  };
  return { ...choice, message };
}

export function chatAnswer(
  head: Head,
  choices: readonly ChatChoice[],
  usage: Usage,
  promptLogprobs: readonly TokenLogprob[],
): ChatAnswer {
  const { text, reasoning, toolCalls, finishReason, message } = first(choices);
  return { ...head, text, reasoning, toolCalls, finishReason, message, choices, usage, promptLogprobs };
}

export function completionAnswer(head: Head, choices: readonly CompletionChoice[], usage: Usage): CompletionAnswer {
  const { text, finishReason } = first(choices);
  return { ...head, text, finishReason, choices, usage };
}

export function readChatAnswer(given: ChatResponse): ChatAnswer {
  const choices = given.choices.map((choice) =>
    chatChoice({
      index: choice.index,
      text: said(choice.message?.content ?? []),
      reasoning: choice.message?.reasoning ?? "",
      toolCalls: (choice.message?.toolCalls ?? []).map((call) => ({ id: call.id, name: call.name, arguments: call.arguments })),
      finishReason: readFinishReason(choice.finishReason),
      logprobs: readLogprobs(choice.logprobs),
    }),
  );
  return chatAnswer(headOf(given), choices, readUsage(given.usage), readLogprobs(given.promptLogprobs));
}

export function readCompletionAnswer(given: CompletionResponse): CompletionAnswer {
  const choices = given.choices.map((choice) => ({
    index: choice.index,
    text: choice.text,
    finishReason: readFinishReason(choice.finishReason),
    logprobs: readLogprobs(choice.logprobs),
    promptLogprobs: readLogprobs(choice.promptLogprobs),
  }));
  return completionAnswer(headOf(given), choices, readUsage(given.usage));
}

function headOf({ id, model, version }: Head): Head {
  return { id, model, version };
}

function first<C>(choices: readonly C[]): C {
  const [choice] = choices;
  if (choice === undefined) {
    throw new InternalError("The server's answer holds no choices.");
  }
  return choice;
}

function said(parts: readonly ContentPart[]): string {
  return parts.map(({ kind }) => (kind.case === "text" || kind.case === "refusal" ? kind.value : "")).join("");
}

function top({ token, logprob, tokenBytes, tokenId }: pb.TopLogprob | pb.TokenLogprob): TopLogprob {
  return { token, logprob, tokenBytes, tokenId };
}
