/** Conversations: turns, and the tools that may be called in them. The shapes of OpenAI's API are taken too. */

/** A call of a tool by the model. */
export interface ToolCall {
  /** Names the call, so that the answer to it can say what it answers. */
  readonly id: string;
  /** The function's name. */
  readonly name: string;
  /** JSON text, exactly as the model wrote it. */
  readonly arguments: string;
}

/** A call as OpenAI's API wraps it. */
export interface WrappedToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A part of what is said. */
export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "image_url";
      /** A https or data URL, and how closely to look at it. */
      readonly image_url: string | { readonly url: string; readonly detail?: "auto" | "low" | "high" | undefined };
    }
  | { readonly type: "refusal"; readonly refusal: string };

/** Who says something. */
export type Role = "system" | "developer" | "user" | "assistant" | "tool";

/** One turn. */
export interface Message {
  /** Who says it. */
  readonly role: Role;
  /** What is said: a text, or parts; null or left out in a turn that only calls tools. */
  readonly content?: string | readonly ContentPart[] | null | undefined;
  /** The name of who says it, if there are several. */
  readonly name?: string | undefined;
  /** The calls in a turn of the assistant's. */
  readonly toolCalls?: readonly ToolCall[] | undefined;
  /** The same, in the shape of OpenAI's API. */
  readonly tool_calls?: readonly WrappedToolCall[] | undefined;
  /** In a turn of a tool: the id of the call that it answers. */
  readonly toolCallId?: string | undefined;
  /** The same, in the shape of OpenAI's API. */
  readonly tool_call_id?: string | undefined;
  /** In a turn of the assistant's, for models that want it back. */
  readonly reasoning?: string | undefined;
}

/** A text that the user says, or the turns so far. */
export type Conversation = string | readonly Message[];

/** A function that the model may call. */
export interface FunctionTool {
  /** Letters, digits, hyphens, dots and underscores, at most 64. */
  readonly name: string;
  /** What it does and when to call it, for the model. */
  readonly description?: string | undefined;
  /** A JSON Schema of its arguments, as an object or as JSON text; left out, it has none. */
  readonly parameters?: object | string | undefined;
  /** Accepted and without effect: arguments always follow the schema. */
  readonly strict?: boolean | undefined;
}

/** A function, or the same as OpenAI's API wraps it. */
export type Tool = FunctionTool | { readonly type: "function"; readonly function: FunctionTool };

/** Which tools the model may or must call: a function by its name, or as OpenAI's API wraps it. */
export type ToolChoice =
  | "auto"
  | "none"
  | "required"
  | { readonly name: string }
  | { readonly type: "function"; readonly function: { readonly name: string } };
