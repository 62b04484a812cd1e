/** A stream's chunks as deltas, and all of them as the whole answer. */

import type { ToolCall } from "./conversation.js";
import type { ChatChunk } from "./protos/jubako/v1/chat_pb.js";
import type { CompletionChunk } from "./protos/jubako/v1/completion_pb.js";
import {
  type ChatAnswer,
  type ChatChoice,
  type ChatDelta,
  type CompletionAnswer,
  type CompletionChoice,
  type CompletionDelta,
  chatAnswer,
  chatChoice,
  completionAnswer,
  type FinishReason,
  type Head,
  readFinishReason,
  readLogprobs,
  readUsage,
  type ToolCallDelta,
  type Usage,
} from "./text.js";

/** Takes the chunks C of a stream as they come, gives the deltas D in them, and knows the answer A that they make. */
export interface Gathering<C, D, A> {
  add(chunk: C): readonly D[];
  answer(): A;
}

/** The chunks of a chat. */
export class ChatGathering implements Gathering<ChatChunk, ChatDelta, ChatAnswer> {
  readonly #said = new SaidOnce();
  readonly #deltas: ChatDelta[] = [];

  add(chunk: ChatChunk): readonly ChatDelta[] {
    this.#said.add(chunk);
    const deltas = chunk.deltas.map((delta) => ({
      index: delta.index,
      text: delta.text,
      reasoning: delta.reasoning,
      toolCalls: delta.toolCalls.map(({ index, id, name, arguments: more }) => ({ index, id, name, arguments: more })),
      logprobs: readLogprobs(delta.logprobs),
      finishReason: readFinishReason(delta.finishReason),
      promptLogprobs: readLogprobs(delta.promptLogprobs),
    }));
    this.#deltas.push(...deltas);
    return deltas;
  }

  answer(): ChatAnswer {
    const choices = indices(this.#deltas).map((index) => this.#choice(index));
    const prompt = this.#deltas.flatMap((delta) => delta.promptLogprobs);
    return chatAnswer(this.#said.head, choices, this.#said.usage, prompt);
  }

  #choice(index: number): ChatChoice {
    const mine = this.#deltas.filter((delta) => delta.index === index);
    return chatChoice({
      index,
      text: mine.map((delta) => delta.text).join(""),
      reasoning: mine.map((delta) => delta.reasoning).join(""),
      toolCalls: calls(mine.flatMap((delta) => delta.toolCalls)),
      finishReason: lastReason(mine),
      logprobs: mine.flatMap((delta) => delta.logprobs),
    });
  }
}

/** The chunks of a completion. */
export class CompletionGathering implements Gathering<CompletionChunk, CompletionDelta, CompletionAnswer> {
  readonly #said = new SaidOnce();
  readonly #deltas: CompletionDelta[] = [];

  add(chunk: CompletionChunk): readonly CompletionDelta[] {
    this.#said.add(chunk);
    const deltas = chunk.deltas.map((delta) => ({
      index: delta.index,
      text: delta.text,
      logprobs: readLogprobs(delta.logprobs),
      finishReason: readFinishReason(delta.finishReason),
      promptLogprobs: readLogprobs(delta.promptLogprobs),
    }));
    this.#deltas.push(...deltas);
    return deltas;
  }

  answer(): CompletionAnswer {
    const choices = indices(this.#deltas).map((index) => this.#choice(index));
    return completionAnswer(this.#said.head, choices, this.#said.usage);
  }

  #choice(index: number): CompletionChoice {
    const mine = this.#deltas.filter((delta) => delta.index === index);
    return {
      index,
      text: mine.map((delta) => delta.text).join(""),
      finishReason: lastReason(mine),
      logprobs: mine.flatMap((delta) => delta.logprobs),
      promptLogprobs: mine.flatMap((delta) => delta.promptLogprobs),
    };
  }
}

class SaidOnce {
  head: Head = { id: "", model: "", version: 0 };
  usage: Usage = readUsage(undefined);

  add(chunk: ChatChunk | CompletionChunk): void {
    const { id, model, version } = this.head;
    this.head = { id: id || chunk.id, model: model || chunk.model, version: version || chunk.version };
    if (chunk.usage !== undefined) {
      this.usage = readUsage(chunk.usage);
    }
  }
}

/** The answers that have begun; the first always, so that a stream left at once has an empty one. */
function indices(deltas: readonly { readonly index: number }[]): number[] {
  return ascending([0, ...deltas.map((delta) => delta.index)]);
}

function lastReason(deltas: readonly { readonly finishReason: FinishReason | undefined }[]): FinishReason | undefined {
  return deltas.findLast((delta) => delta.finishReason !== undefined)?.finishReason;
}

function calls(pieces: readonly ToolCallDelta[]): ToolCall[] {
  return ascending(pieces.map((piece) => piece.index)).map((place) => {
    const mine = pieces.filter((piece) => piece.index === place);
    return {
      id: mine.map((piece) => piece.id).join(""),
      name: mine.map((piece) => piece.name).join(""),
      arguments: mine.map((piece) => piece.arguments).join(""),
    };
  });
}

function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((one, other) => one - other);
}
