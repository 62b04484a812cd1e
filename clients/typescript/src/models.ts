/** What is said of models. */

import type * as pb from "./protos/jubako/v1/model_pb.js";

/** What a model can be asked for. */
export type Task = "chat" | "completion" | "embedding" | "score" | "classify" | "infer";

/** How a version is. */
export type State = "unspecified" | "loading" | "ready" | "unavailable" | "failed" | "unloaded";

const TASKS: readonly (Task | undefined)[] = [undefined, "chat", "completion", "embedding", "score", "classify", "infer"];
const STATES: readonly State[] = ["unspecified", "loading", "ready", "unavailable", "failed", "unloaded"];

/** An input or output of a tensor model. */
export interface TensorSpec {
  readonly name: string;
  /** In the words of the Open Inference Protocol, such as FP32. */
  readonly datatype: string;
  /** Without the batch dimension where the model has one; -1 is any length. */
  readonly shape: readonly number[];
  /** Whether a request may leave the input out. */
  readonly optional: boolean;
  /** The names of the classes along the last dimension of an output. */
  readonly labels: readonly string[];
  readonly description: string;
  /** Whether requests whose shapes differ in this input may share a batch. */
  readonly ragged: boolean;
  /** "image" for an input that is a picture, or of which each row is one; empty where nothing is said. */
  readonly content: string;
}

/** What a tensor model takes and gives. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Most rows of a request; 0 where its tensors have no batch dimension. */
  readonly maxBatchSize: number;
  /** Whether a request may have any number of answers, so that it must be streamed. */
  readonly decoupled: boolean;
  /** What the Open Inference Protocol calls the kind of model. */
  readonly platform: string;
}

/** One version of one model. */
export interface ModelVersion {
  /** The name of its entry in the repository. */
  readonly model: string;
  /** Its number; 0 where the entry could not be read at all. */
  readonly version: number;
  readonly state: State;
  /** Why it is not ready, in a sentence. */
  readonly reason: string;
  /** Every name under which the model is found. */
  readonly servedNames: readonly string[];
  readonly tasks: readonly Task[];
  /** The backend that runs it. */
  readonly backend: string;
  /** Most tokens that a request and its answer may hold together; undefined where there is no such bound. */
  readonly contextLength: number | undefined;
  /** Its tensors; undefined for models of text, and before it is loaded. */
  readonly signature: Signature | undefined;
  /** Those of its served names that are LoRA adapters. */
  readonly adapters: readonly string[];
  /** When its folder was last changed, in seconds since 1970. */
  readonly created: number;
  /** The aliases that mean this version: the model's name with "@" and one of them behind it asks for it. */
  readonly aliases: readonly string[];
  /** Of what a client is written against: a client made for an equal digest fits. Empty for a tensor model before it is loaded. */
  readonly interfaceDigest: string;
}

export function modelVersion(given: pb.ModelVersion): ModelVersion {
  return {
    model: given.model,
    version: given.version,
    state: STATES[given.state] ?? "unspecified",
    reason: given.reason,
    servedNames: given.servedNames,
    // A newer server may know tasks that this client does not.
    tasks: given.tasks.map((task) => TASKS[task]).filter((task) => task !== undefined),
    backend: given.backend,
    contextLength: given.contextLength,
    signature: given.signature && signature(given.signature),
    adapters: given.adapters,
    created: Number(given.created),
    aliases: given.aliases,
    interfaceDigest: given.interfaceDigest,
  };
}

function signature(given: pb.Signature): Signature {
  return {
    inputs: given.inputs.map(tensor),
    outputs: given.outputs.map(tensor),
    maxBatchSize: given.maxBatchSize,
    decoupled: given.decoupled,
    platform: given.platform,
  };
}

function tensor(given: pb.TensorSpec): TensorSpec {
  return {
    name: given.name,
    datatype: given.datatype,
    shape: given.shape.map(Number),
    optional: given.optional,
    labels: given.labels,
    description: given.description,
    ragged: given.ragged,
    content: given.content,
  };
}
