/** The client. */

import { type ClientOptions, Connection } from "./connection.js";
import type { Conversation } from "./conversation.js";
import { InternalError, ModelNotFound, Unreachable } from "./errors.js";
import { ChatGathering, CompletionGathering } from "./gathering.js";
import { type ModelVersion, modelVersion } from "./models.js";
import type {
  CallOptions,
  ChatOptions,
  CompletionOptions,
  EmbedOptions,
  IndexOptions,
  InferOptions,
  RerankOptions,
} from "./options.js";
import { GRPCInferenceService } from "./protos/inference/service_pb.js";
import { ChatService } from "./protos/jubako/v1/chat_pb.js";
import { CompletionService } from "./protos/jubako/v1/completion_pb.js";
import { EmbeddingService } from "./protos/jubako/v1/embedding_pb.js";
import { ModelService, type ModelVersion as ModelVersionMessage } from "./protos/jubako/v1/model_pb.js";
import { RepositoryService } from "./protos/jubako/v1/repository_pb.js";
import { RerankService } from "./protos/jubako/v1/rerank_pb.js";
import { type Classification, classifications, type RankedDocument, ranked, vectors } from "./ranking.js";
import { inferRequest, streamedTensors, tensors } from "./raw.js";
import { Reading } from "./reading.js";
import { chatRequest, completionRequest, type Prompts, prompts } from "./requests.js";
import type { Stream } from "./stream.js";
import type { Tensor, TensorInput } from "./tensors.js";
import {
  type ChatAnswer,
  type ChatDelta,
  type CompletionAnswer,
  type CompletionDelta,
  readChatAnswer,
  readCompletionAnswer,
} from "./text.js";

/** Of calls that asking again would make more of: they are not idempotent. */
const ONCE = false;

/**
 * Asks the models of one server.
 *
 * ```ts
 * import { Client } from "@jubako/client";
 *
 * const client = new Client("127.0.0.1:50051");
 * const answer = await client.chat("smollm2", "Say hello.", { maxTokens: 20 });
 * console.log(answer.text);
 * client.close();
 * ```
 *
 * A model is asked by its name, `name:2` for a version of it or `name@alias` for what an alias means. All calls share one
 * connection, which does not keep a process alive that has nothing else to do. What a method rejects with is a
 * {@link JubakoError}.
 */
export class Client {
  readonly #connection: Connection;

  /**
   * @param target - Host and port of the server's gRPC, such as "models.example.com:443".
   * @throws TypeError the target is none, the key can't be sent, or a certificate is without its key.
   * @throws Error a file of TLS can't be read.
   */
  constructor(target = "127.0.0.1:50051", options: ClientOptions = {}) {
    this.#connection = new Connection(target, options);
  }

  /** Ends the connection, and all calls on it. */
  close(): void {
    this.#connection.close();
  }

  /** As {@link Client.close}, for `using client = new Client()`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The next turn of a conversation, whole.
   *
   * ```ts
   * const colours = { type: "object", properties: { colours: { type: "array", items: { type: "string" } } } };
   * const answer = await client.chat("smollm2", [{ role: "user", content: "Name three colours." }], { jsonSchema: colours });
   * console.log(JSON.parse(answer.text), answer.usage.totalTokens);
   * ```
   */
  async chat(model: string, messages: Conversation, options: ChatOptions = {}): Promise<ChatAnswer> {
    const request = chatRequest(model, messages, options);
    return readChatAnswer(await this.#connection.ask(ChatService.method.complete, request, options));
  }

  /**
   * The next turn of a conversation, as it comes. Nothing is asked before the first delta is.
   *
   * ```ts
   * const stream = client.chatStream("smollm2", "Count to five.", { maxTokens: 40 });
   * for await (const delta of stream) {
   *   process.stdout.write(delta.text);
   * }
   * console.log(stream.answer().finishReason);
   * ```
   */
  chatStream(model: string, messages: Conversation, options: ChatOptions = {}): Stream<ChatDelta, ChatAnswer> {
    const request = chatRequest(model, messages, options);
    const call = this.#connection.call(options);
    const begin = (signal: AbortSignal) => this.#connection.stream(ChatService.method.stream, request, call, signal);
    return new Reading(begin, new ChatGathering(), call);
  }

  /**
   * Continues prompts as they are, without a chat template.
   *
   * ```ts
   * console.log((await client.complete("smollm2", "Once upon a time", { maxTokens: 16 })).text);
   * ```
   */
  async complete(model: string, given: Prompts, options: CompletionOptions = {}): Promise<CompletionAnswer> {
    const request = completionRequest(model, given, options);
    return readCompletionAnswer(await this.#connection.ask(CompletionService.method.complete, request, options));
  }

  /**
   * As {@link Client.complete}, as it comes; see {@link Client.chatStream}.
   *
   * ```ts
   * for await (const { text } of client.completeStream("smollm2", "Once upon a time", { maxTokens: 16 })) {
   *   process.stdout.write(text);
   * }
   * ```
   */
  completeStream(model: string, given: Prompts, options: CompletionOptions = {}): Stream<CompletionDelta, CompletionAnswer> {
    const request = completionRequest(model, given, options);
    const call = this.#connection.call(options);
    const begin = (signal: AbortSignal) => this.#connection.stream(CompletionService.method.stream, request, call, signal);
    return new Reading(begin, new CompletionGathering(), call);
  }

  /**
   * A vector for each input.
   *
   * ```ts
   * const vectors = await client.embed("minilm", ["a text", "another"]);
   * console.log(vectors.length, vectors[0]);
   * ```
   */
  async embed(model: string, inputs: Prompts, options: EmbedOptions = {}): Promise<Float32Array[]> {
    const request = { model, inputs: prompts(inputs), dimensions: options.dimensions };
    return vectors(await this.#connection.ask(EmbeddingService.method.embed, request, options));
  }

  /**
   * The documents by how well they answer the query, the best first.
   *
   * ```ts
   * for (const { document, relevanceScore } of await client.rerank("minilm", "a fruit", ["a stone", "an apple"], { topN: 1 })) {
   *   console.log(document, relevanceScore);
   * }
   * ```
   */
  async rerank(
    model: string,
    query: string,
    documents: readonly string[],
    options: RerankOptions = {},
  ): Promise<RankedDocument[]> {
    const { topN, returnDocuments } = options;
    const request = { model, query, documents: [...documents], topN, returnDocuments };
    return ranked(await this.#connection.ask(RerankService.method.rerank, request, options));
  }

  /**
   * How well each document answers its query, or the only one.
   *
   * ```ts
   * const scores = await client.score("minilm", "a fruit", ["a stone", "an apple"]);
   * console.log(Math.max(...scores));
   * ```
   */
  async score(
    model: string,
    queries: string | readonly string[],
    documents: readonly string[],
    options: CallOptions = {},
  ): Promise<Float64Array> {
    const asked = typeof queries === "string" ? [queries] : [...queries];
    const request = { model, queries: asked, documents: [...documents] };
    const answer = await this.#connection.ask(RerankService.method.score, request, options);
    return Float64Array.from(answer.scores);
  }

  /**
   * The classes of each input.
   *
   * ```ts
   * for (const { label, probabilities } of await client.classify("length", ["a text", "another"])) {
   *   console.log(label, probabilities.get(label));
   * }
   * ```
   */
  async classify(model: string, inputs: Prompts, options: CallOptions = {}): Promise<Classification[]> {
    const request = { model, inputs: prompts(inputs) };
    return classifications(await this.#connection.ask(RerankService.method.classify, request, options));
  }

  /**
   * Tensors from tensors.
   *
   * ```ts
   * const x = { datatype: "FP32", shape: [1, 3], data: [1, 2, 3] } as const;
   * const { y } = await client.infer("double", { x });
   * console.log(y?.shape, y?.data);
   * ```
   *
   * @param inputs - Tensors by their names, with the batch dimension where the model has one.
   * @returns The outputs by their names.
   */
  async infer(
    model: string,
    inputs: Readonly<Record<string, TensorInput>>,
    options: InferOptions = {},
  ): Promise<Record<string, Tensor>> {
    const request = inferRequest(model, inputs, options);
    return tensors(await this.#connection.ask(GRPCInferenceService.method.modelInfer, request, options));
  }

  /**
   * As {@link Client.infer}, for models that answer a request any number of times. It is never begun again.
   *
   * ```ts
   * const IN = { datatype: "INT32", shape: [3], data: [3, 1, 2] } as const;
   * for await (const { OUT } of client.inferStream("repeat", { IN })) {
   *   console.log(OUT?.data);
   * }
   * ```
   */
  async *inferStream(
    model: string,
    inputs: Readonly<Record<string, TensorInput>>,
    options: InferOptions = {},
  ): AsyncGenerator<Record<string, Tensor>, undefined> {
    const request = inferRequest(model, inputs, options);
    const call = this.#connection.call(options, ONCE);
    try {
      for await (const answer of this.#connection.stream(GRPCInferenceService.method.modelStreamInfer, request, call)) {
        const found = streamedTensors(answer, call.requestId);
        if (Object.keys(found).length > 0) {
          yield found;
        }
      }
    } catch (thrown) {
      throw call.failure(thrown);
    }
  }

  /**
   * The current version of each model.
   *
   * ```ts
   * for (const { model, version, state, tasks } of await client.models()) {
   *   console.log(model, version, state, tasks);
   * }
   * ```
   */
  async models(options: CallOptions = {}): Promise<ModelVersion[]> {
    const answer = await this.#connection.ask(ModelService.method.listModels, {}, options);
    return answer.models.map(modelVersion);
  }

  /**
   * The version that a name means.
   *
   * ```ts
   * const { signature } = await client.model("double");
   * console.log(signature?.inputs);
   * ```
   */
  async model(name: string, options: CallOptions = {}): Promise<ModelVersion> {
    const answer = await this.#connection.ask(ModelService.method.getModel, { model: name }, options);
    return only(answer.model);
  }

  /**
   * All versions of a model, those that are not served included.
   *
   * ```ts
   * for (const { version, state, aliases } of await client.versions("double")) {
   *   console.log(version, state, aliases);
   * }
   * ```
   */
  async versions(name: string, options: CallOptions = {}): Promise<ModelVersion[]> {
    const request = { model: name };
    const answer = await this.#connection.ask(ModelService.method.listVersions, request, options);
    return answer.versions.map(modelVersion);
  }

  /**
   * Every version of every entry of the repository, entries that can't be read included; or only those that are ready.
   *
   * ```ts
   * for (const { model, version, reason } of await client.index()) {
   *   console.log(model, version, reason);
   * }
   * ```
   */
  async index(options: IndexOptions = {}): Promise<ModelVersion[]> {
    const answer = await this.#connection.ask(RepositoryService.method.index, { ready: options.ready }, options);
    return answer.versions.map(modelVersion);
  }

  /**
   * Reads an entry of the repository again and serves it. Its versions, once it can be asked.
   *
   * ```ts
   * const versions = await client.load("language", { timeoutMs: 120_000 });
   * console.log(versions.map(({ state }) => state));
   * ```
   */
  async load(name: string, options: CallOptions = {}): Promise<ModelVersion[]> {
    const answer = await this.#connection.ask(RepositoryService.method.load, { model: name }, options, ONCE);
    return answer.versions.map(modelVersion);
  }

  /**
   * Serves an entry no longer. Resolves once its processes are gone.
   *
   * ```ts
   * await client.unload("language");
   * ```
   */
  async unload(name: string, options: CallOptions = {}): Promise<void> {
    await this.#connection.ask(RepositoryService.method.unload, { model: name }, options, ONCE);
  }

  /**
   * Lets an alias mean a version, which is loaded first if it is not served. The version, with all its aliases.
   *
   * ```ts
   * const { aliases } = await client.setAlias("double", "stable", 1);
   * console.log(aliases);
   * ```
   */
  async setAlias(name: string, alias: string, version: number, options: CallOptions = {}): Promise<ModelVersion> {
    const request = { model: name, alias, version };
    const answer = await this.#connection.ask(RepositoryService.method.setAlias, request, options, ONCE);
    return only(answer.version);
  }

  /**
   * Takes an alias away.
   *
   * ```ts
   * await client.setAlias("double", "trial", 1);
   * await client.deleteAlias("double", "trial");
   * ```
   */
  async deleteAlias(name: string, alias: string, options: CallOptions = {}): Promise<void> {
    const request = { model: name, alias };
    await this.#connection.ask(RepositoryService.method.deleteAlias, request, options, ONCE);
  }

  /**
   * Whether the server, or one model of it, can be asked; false where it can't be reached.
   *
   * ```ts
   * if (!(await client.ready("smollm2"))) {
   *   console.log("Later.");
   * }
   * ```
   */
  async ready(model?: string, options: CallOptions = {}): Promise<boolean> {
    const { serverReady, modelReady } = GRPCInferenceService.method;
    const patient = { retries: 0, ...options };
    try {
      const answer =
        model === undefined
          ? await this.#connection.ask(serverReady, {}, patient)
          : await this.#connection.ask(modelReady, { name: model }, patient);
      return answer.ready;
    } catch (error) {
      if (error instanceof Unreachable || error instanceof ModelNotFound) {
        return false;
      }
      throw error;
    }
  }
}

function only(given: ModelVersionMessage | undefined): ModelVersion {
  if (given === undefined) {
    throw new InternalError("The server's answer holds no version.");
  }
  return modelVersion(given);
}
