/** A server of gRPC's own library that fails as it is told. */

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Metadata, Server, ServerCredentials, type sendUnaryData, type status } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema, StatusSchema } from "../dist/protos/rpc_pb.js";

export const SENTENCE = "Not now.";

/** How a call ends, and what the details say: when to come back, or why. */
export interface Refusal {
  readonly code: status;
  readonly retryAfterMs?: number;
  readonly reason?: string;
}

/** Refuses the first calls, then answers with a message that is empty, and keeps the metadata of all of them. */
export class FaultyServer {
  readonly calls: Metadata[] = [];
  readonly #server = new Server();

  constructor(refusals: readonly Refusal[]) {
    const answer = (call: { readonly metadata: Metadata }, reply: sendUnaryData<Buffer>) => {
      const refusal = refusals[this.calls.length];
      this.calls.push(call.metadata);
      if (refusal === undefined) {
        reply(null, Buffer.alloc(0));
      } else {
        reply({ code: refusal.code, details: SENTENCE, metadata: detailsOf(refusal) });
      }
    };
    const methods = { list: method("/jubako.v1.ModelService/ListModels"), load: method("/jubako.v1.RepositoryService/Load") };
    this.#server.addService(methods, { list: answer, load: answer });
  }

  /** Begins to answer; the address. */
  start(): Promise<string> {
    return new Promise((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      this.#server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(`127.0.0.1:${port}`)));
    });
  }

  [Symbol.dispose](): void {
    this.#server.forceShutdown();
  }
}

function method(path: string) {
  const asItIs = (bytes: Buffer) => bytes;
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  };
}

function detailsOf({ code, retryAfterMs, reason }: Refusal): Metadata {
  const details = [
    ...(reason === undefined ? [] : [packed(ErrorInfoSchema, { reason })]),
    ...(retryAfterMs === undefined ? [] : [packed(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) })]),
  ];
  const metadata = new Metadata();
  metadata.set(
    "grpc-status-details-bin",
    Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message: SENTENCE, details }))),
  );
  return metadata;
}

function packed<M extends DescMessage>(schema: M, content: MessageInitShape<M>) {
  return anyPack(schema, create(schema, content));
}
