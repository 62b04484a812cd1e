/** From arguments to the messages that ask. */

import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type {
  ContentPart,
  Conversation,
  FunctionTool,
  Message,
  Role,
  Tool,
  ToolCall,
  ToolChoice,
  WrappedToolCall,
} from "./conversation.js";
import { InvalidRequest } from "./errors.js";
import type { ChatOptions, CompletionOptions, Sampling } from "./options.js";
import * as pb from "./protos/jubako/v1/chat_pb.js";
import type { CompletionRequestSchema } from "./protos/jubako/v1/completion_pb.js";
import type { ConstraintSchema, PromptSchema, SamplingSchema } from "./protos/jubako/v1/sampling_pb.js";

/** A text, several, the token ids of one, or those of several. */
export type Prompts = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

const ROLES: Readonly<Record<Role, pb.Role>> = {
  system: pb.Role.SYSTEM,
  developer: pb.Role.DEVELOPER,
  user: pb.Role.USER,
  assistant: pb.Role.ASSISTANT,
  tool: pb.Role.TOOL,
};
const DETAILS = { auto: pb.Image_Detail.UNSPECIFIED, low: pb.Image_Detail.LOW, high: pb.Image_Detail.HIGH };
const MODES = { auto: pb.ToolChoice_Mode.AUTO, none: pb.ToolChoice_Mode.NONE, required: pb.ToolChoice_Mode.REQUIRED };

/** @throws InvalidRequest an argument can't be sent. */
export function chatRequest(
  model: string,
  messages: Conversation,
  options: ChatOptions,
): MessageInitShape<typeof pb.ChatRequestSchema> {
  const turns: readonly Message[] = typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
  return {
    model,
    messages: turns.map((given, place) => turn(given, `messages[${place}]`)),
    sampling: sampling(options),
    n: options.n,
    tools: options.tools?.map(tool) ?? [],
    toolChoice: options.toolChoice && toolChoice(options.toolChoice),
    parallelToolCalls: options.parallelToolCalls,
    constraint: constraint(options),
    topLogprobs: options.topLogprobs,
    promptLogprobs: options.promptLogprobs,
    chatTemplateKwargs: options.chatTemplateKwargs as JsonObject | undefined,
    reasoningEffort: options.reasoningEffort,
  };
}

/** @throws InvalidRequest an argument can't be sent. */
export function completionRequest(
  model: string,
  given: Prompts,
  options: CompletionOptions,
): MessageInitShape<typeof CompletionRequestSchema> {
  return {
    model,
    prompts: prompts(given),
    sampling: sampling(options),
    n: options.n,
    echo: options.echo,
    constraint: constraint(options),
    topLogprobs: options.topLogprobs,
    promptLogprobs: options.promptLogprobs,
  };
}

export function prompts(given: Prompts): MessageInitShape<typeof PromptSchema>[] {
  if (typeof given === "string") {
    return [text(given)];
  }
  const ids = given.filter((item) => typeof item === "number");
  return ids.length > 0 ? [tokens(ids)] : given.filter((item) => typeof item !== "number").map(prompt);
}

function prompt(given: string | readonly number[]): MessageInitShape<typeof PromptSchema> {
  return typeof given === "string" ? text(given) : tokens(given);
}

function text(value: string): MessageInitShape<typeof PromptSchema> {
  return { kind: { case: "text", value } };
}

function tokens(ids: readonly number[]): MessageInitShape<typeof PromptSchema> {
  return { kind: { case: "tokens", value: { ids: [...ids] } } };
}

function sampling(options: Sampling): MessageInitShape<typeof SamplingSchema> {
  return {
    maxTokens: options.maxTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    minP: options.minP,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    repetitionPenalty: options.repetitionPenalty,
    seed: options.seed === undefined ? undefined : seed(options.seed),
    logitBias: { ...options.logitBias },
    stop: typeof options.stop === "string" ? [options.stop] : [...(options.stop ?? [])],
    stopTokenIds: [...(options.stopTokenIds ?? [])],
    includeStopStrInOutput: options.includeStopStrInOutput,
    ignoreEos: options.ignoreEos,
  };
}

function seed(given: number | bigint): bigint {
  try {
    return BigInt(given);
  } catch {
    throw new InvalidRequest(`A seed must be a whole number; this is ${given}.`, { param: "seed" });
  }
}

function constraint(options: Sampling): MessageInitShape<typeof ConstraintSchema> | undefined {
  const { jsonObject, jsonSchema, grammar } = options;
  const given = Object.entries({ jsonObject, jsonSchema, grammar }).filter(([, value]) => value);
  if (given.length > 1) {
    const names = given.map(([name]) => name);
    const message = `Only one of ${names.join(" and ")} can be met. Leave the others out.`;
    throw new InvalidRequest(message, { param: names[1] });
  }
  if (jsonObject) {
    return { kind: { case: "jsonObject", value: {} } };
  }
  if (jsonSchema !== undefined) {
    return { kind: { case: "jsonSchema", value: JSON.stringify(jsonSchema) } };
  }
  return grammar === undefined ? undefined : { kind: { case: "grammar", value: grammar } };
}

function turn(given: Message, param: string): MessageInitShape<typeof pb.MessageSchema> {
  const role = ROLES[given.role];
  if (role === undefined) {
    const roles = Object.keys(ROLES).join(", ");
    throw new InvalidRequest(`${JSON.stringify(given.role)} must be one of ${roles}.`, { param: `${param}.role` });
  }
  const content = given.content ?? [];
  const parts: readonly ContentPart[] = typeof content === "string" ? [{ type: "text", text: content }] : content;
  return {
    role,
    content: parts.map((each, place) => part(each, `${param}.content[${place}]`)),
    name: given.name ?? "",
    toolCalls: [...(given.toolCalls ?? []), ...(given.tool_calls ?? [])].map(toolCall),
    toolCallId: given.toolCallId ?? given.tool_call_id ?? "",
    reasoning: given.reasoning ?? "",
  };
}

function part(given: ContentPart, param: string): MessageInitShape<typeof pb.ContentPartSchema> {
  switch (given.type) {
    case "text":
      return { kind: { case: "text", value: given.text } };
    case "refusal":
      return { kind: { case: "refusal", value: given.refusal } };
    case "image_url": {
      const image = typeof given.image_url === "string" ? { url: given.image_url } : given.image_url;
      return { kind: { case: "image", value: { url: image.url, detail: DETAILS[image.detail ?? "auto"] } } };
    }
    default:
      throw new InvalidRequest(`A part must be of type text, image_url or refusal; this is ${JSON.stringify(given)}.`, { param });
  }
}

function toolCall(given: ToolCall | WrappedToolCall): MessageInitShape<typeof pb.ToolCallSchema> {
  const { name, arguments: written } = "function" in given ? given.function : given;
  return { id: given.id, name, arguments: written };
}

function tool(given: Tool): MessageInitShape<typeof pb.ToolSchema> {
  const { name, description, parameters, strict }: FunctionTool = "function" in given ? given.function : given;
  return {
    name,
    description: description ?? "",
    parameters: typeof parameters === "object" ? JSON.stringify(parameters) : (parameters ?? ""),
    strict,
  };
}

function toolChoice(given: ToolChoice): MessageInitShape<typeof pb.ToolChoiceSchema> {
  if (typeof given !== "string") {
    return { kind: { case: "name", value: "function" in given ? given.function.name : given.name } };
  }
  const mode = MODES[given];
  if (mode === undefined) {
    const modes = Object.keys(MODES).join(", ");
    const message = `${JSON.stringify(given)} must be one of ${modes}, or an object with a name.`;
    throw new InvalidRequest(message, { param: "toolChoice" });
  }
  return { kind: { case: "mode", value: mode } };
}
