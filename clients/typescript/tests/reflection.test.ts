/** Stock gRPC for Node, which knows of the server only what its reflection says. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { TEXT } from "./servers.js";

const SERVED = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "inference.GRPCInferenceService",
  "jubako.v1.ChatService",
  "jubako.v1.CompletionService",
  "jubako.v1.EmbeddingService",
  "jubako.v1.ModelService",
  "jubako.v1.RepositoryService",
  "jubako.v1.RerankService",
];

interface Reflected {
  list_services_response?: { service: { name: string }[] };
  file_descriptor_response?: { file_descriptor_proto: Buffer[] };
  error_response?: { error_code: number; error_message: string };
}

interface ReflectionStub extends grpc.Client {
  ServerReflectionInfo(): grpc.ClientDuplexStream<object, Reflected>;
}

interface ChatStub extends grpc.Client {
  Complete(request: object, done: (error: Error | null, answer: ChatAnswer) => void): void;
  Stream(request: object): grpc.ClientReadableStream<{ deltas: { text: string }[] }>;
}

interface ChatAnswer {
  choices: { message: { content: { text: string }[] }; finish_reason: string }[];
}

const PROTOS = fileURLToPath(new URL("../../../protos", import.meta.url));
const OPTIONS = { keepCase: true, longs: String, enums: String };
const reflection = stub<ReflectionStub>(
  loadSync("grpc/reflection/v1/reflection.proto", { ...OPTIONS, includeDirs: [PROTOS] }),
  "grpc.reflection.v1.ServerReflection",
);
after(() => reflection.close());

/** A client of one service, whose methods are those that `definition` has. */
function stub<S extends grpc.Client>(definition: PackageDefinition, service: string): S {
  const all: unknown = grpc.loadPackageDefinition(definition);
  const kind = service.split(".").reduce((scope, name) => (scope as grpc.GrpcObject)[name], all);
  return new (kind as grpc.ServiceClientConstructor)(TEXT, grpc.credentials.createInsecure()) as grpc.Client as S;
}

async function ask(request: object): Promise<Reflected> {
  const call = reflection.ServerReflectionInfo();
  call.end(request);
  const [answer] = await once(call, "data");
  return answer;
}

/** What is needed to ask a service, as its server describes it. */
async function described(service: string): Promise<PackageDefinition> {
  const { file_descriptor_response: files } = await ask({ file_containing_symbol: service });
  assert.ok(files !== undefined, service);
  const file = files.file_descriptor_proto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));
  return loadFileDescriptorSetFromBuffer(Buffer.from(set), OPTIONS);
}

test("the server lists its services, and all their methods can be resolved", async () => {
  const { list_services_response: listed } = await ask({ list_services: "" });
  assert.deepEqual(
    listed?.service.map(({ name }) => name),
    SERVED,
  );
  for (const service of SERVED) {
    const methods = Object.entries((await described(service))[service] ?? {});
    assert.ok(methods.length > 0, service);
    for (const [method, { path }] of methods) {
      assert.equal(path, `/${service}/${method}`);
      const { file_descriptor_response: found } = await ask({ file_containing_symbol: `${service}.${method}` });
      assert.ok(found, path);
    }
  }
});

test("what is described can be asked, whole and streamed", async () => {
  const chats = stub<ChatStub>(await described("jubako.v1.ChatService"), "jubako.v1.ChatService");
  const request = { model: "echo", messages: [{ role: "ROLE_USER", content: [{ text: "one two" }] }] };
  const answer = await new Promise<ChatAnswer>((resolve, reject) => {
    chats.Complete(request, (error, value) => (error === null ? resolve(value) : reject(error)));
  });
  assert.deepEqual(
    answer.choices.map(({ message, finish_reason: reason }) => [message.content[0]?.text, reason]),
    [["one two", "FINISH_REASON_STOP"]],
  );
  let said = "";
  for await (const chunk of chats.Stream(request)) {
    said += chunk.deltas.map((delta: { text: string }) => delta.text).join("");
  }
  assert.equal(said, "one two");
  chats.close();
});

test("what is not there is said to be not there", async () => {
  for (const request of [{ file_containing_symbol: "jubako.v1.Nobody" }, { file_by_filename: "nobody.proto" }]) {
    const { error_response: error } = await ask(request);
    assert.equal(error?.error_code, grpc.status.NOT_FOUND);
    assert.ok(error?.error_message);
  }
});
