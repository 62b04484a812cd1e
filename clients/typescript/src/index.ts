/**
 * A client of jubako's servers: {@link Client}.
 *
 * @packageDocumentation
 */

export { Client } from "./client.js";
export type { ClientOptions } from "./connection.js";
export type {
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
export * from "./errors.js";
export type { ModelVersion, Signature, State, Task, TensorSpec } from "./models.js";
export type {
  CallOptions,
  ChatOptions,
  CompletionOptions,
  EmbedOptions,
  IndexOptions,
  InferOptions,
  RerankOptions,
  Sampling,
} from "./options.js";
export type { Classification, RankedDocument } from "./ranking.js";
export type { Prompts } from "./requests.js";
export type { Stream } from "./stream.js";
export {
  type Datatype,
  type Elements,
  type Parameter,
  type PlainElements,
  type Tensor,
  type TensorInput,
  texts,
} from "./tensors.js";
export type {
  ChatAnswer,
  ChatChoice,
  ChatDelta,
  CompletionAnswer,
  CompletionChoice,
  CompletionDelta,
  FinishReason,
  Head,
  TokenLogprob,
  ToolCallDelta,
  TopLogprob,
  Usage,
} from "./text.js";
export type { Tls } from "./tls.js";
