import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  Client,
  ClientError,
  DeadlineExceeded,
  InvalidRequest,
  JubakoError,
  ModelNotFound,
  NotFound,
  PayloadTooLarge,
} from "@jubako/client";
import { text as client, TENSORS, tensors } from "./servers.js";

const MANY_WORDS = "word ".repeat(1000);
const SECONDS = { datatype: "FP32", shape: [1], data: [20] } as const;

async function failureOf(promise: Promise<unknown>): Promise<JubakoError> {
  const error: unknown = await promise.then(
    () => assert.fail("It went well."),
    (thrown) => thrown,
  );
  assert.ok(error instanceof JubakoError, String(error));
  return error;
}

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream) {
  }
}

test("errors are the server's own", async () => {
  const missing = await failureOf(client.chat("ech", "hello", { requestId: "mine-1" }));
  assert.ok(missing instanceof ModelNotFound && missing instanceof NotFound && missing instanceof ClientError);
  assert.deepEqual([missing.name, missing.code, missing.status], ["ModelNotFound", "model_not_found", "NOT_FOUND"]);
  assert.match(missing.message, /Did you mean 'echo'/);
  assert.equal(String(missing), `ModelNotFound: ${missing.message} (request mine-1)`);

  const invalid = await failureOf(client.chat("echo", "hello", { temperature: -1 }));
  assert.ok(invalid instanceof InvalidRequest);
  assert.deepEqual([invalid.param, invalid.status], ["sampling.temperature", "INVALID_ARGUMENT"]);
});

test("a stream throws them where it is read", async () => {
  const stream = client.chatStream("nobody", "hello", { requestId: "mine-2" });
  assert.equal(stream.requestId, "mine-2");
  const error = await failureOf(read(stream));
  assert.ok(error instanceof ModelNotFound && error.requestId === "mine-2");
});

test("what can't be sent is not sent", async () => {
  const refused: readonly [call: () => Promise<unknown>, param?: string][] = [
    [() => client.chat("echo", [{ role: "nobody" as "user", content: "hello" }]), "messages[0].role"],
    [() => client.chat("echo", [{ role: "user", content: [{ type: "video" as "text", text: "" }] }]), "messages[0].content[0]"],
    [() => client.chat("echo", "hello", { jsonObject: true, grammar: "root ::= x" }), "grammar"],
    [() => client.chat("echo", "hello", { seed: 1.5 }), "seed"],
    [() => client.chat("echo", "hello", { toolChoice: "all" as "auto" }), "toolChoice"],
    [() => client.chat("echo", "hello", { maxTokens: "many" as unknown as number })],
    [() => client.chat("echo", "hello", { requestId: "two\nlines" }), "requestId"],
    [() => client.models({ traceparent: "\u00e9" }), "traceparent"],
  ];
  for (const [call, param] of refused) {
    const error = await failureOf(call());
    assert.ok(error instanceof InvalidRequest, String(error));
    assert.deepEqual([error.param, error.status], [param, undefined]);
  }
  assert.throws(() => new Client(TENSORS, { apiKey: "two\nlines" }), TypeError);
  assert.throws(() => new Client("no target"), TypeError);
});

test("an answer that is larger than the client takes", async () => {
  using small = new Client(TENSORS, { maxMessageBytes: 100 });
  const data = new Float32Array(1000);
  const error = await failureOf(small.infer("identity", { INPUT0: { datatype: "FP32", shape: [1, 1000], data } }));
  assert.ok(error instanceof PayloadTooLarge, String(error));
});

test("a deadline ends the work", async () => {
  assert.ok((await failureOf(tensors.infer("slow", { SECONDS }, { timeoutMs: 200 }))) instanceof DeadlineExceeded);
  assert.ok((await failureOf(client.chat("slow", MANY_WORDS, { timeoutMs: 300 }))) instanceof DeadlineExceeded);
  await slotIsFree();
  const stream = client.chatStream("slow", MANY_WORDS, { timeoutMs: 5000 });
  assert.ok((await failureOf(read(stream))) instanceof DeadlineExceeded);
  assert.ok(stream.answer().text.startsWith("word"));
  await slotIsFree();
});

test("a call that is cancelled frees the slot", async () => {
  const signal = AbortSignal.timeout(300);
  const error = await failureOf(client.chat("slow", MANY_WORDS, { signal }));
  assert.ok(error instanceof Cancelled);
  assert.equal(error.cause, signal.reason);
  await slotIsFree();

  const controller = new AbortController();
  const stream = client.chatStream("slow", MANY_WORDS, { signal: controller.signal });
  const reading = failureOf(
    (async () => {
      for await (const _ of stream) {
        controller.abort();
      }
    })(),
  );
  assert.ok((await reading) instanceof Cancelled);
  await slotIsFree();

  assert.ok((await failureOf(client.models({ signal: AbortSignal.abort() }))) instanceof Cancelled);
});

test("a stream that is left frees the slot", async () => {
  const left = client.chatStream("slow", MANY_WORDS);
  for await (const delta of left) {
    assert.equal(delta.text.trim(), "word");
    break;
  }
  await slotIsFree();

  const closed = client.chatStream("slow", MANY_WORDS);
  const deltas = closed[Symbol.asyncIterator]();
  assert.equal((await deltas.next()).done, false);
  closed.close();
  assert.deepEqual(await deltas.next(), { done: true, value: undefined });
  assert.deepEqual([closed.answer().text.trim(), closed.answer().finishReason], ["word", undefined]);
  await slotIsFree();

  const begun = client.inferStream("repeat", { IN: { datatype: "INT32", shape: [1], data: [1] } });
  await begun.return(undefined);
});

test("closing a client ends its calls, and it can be used again", async () => {
  const own = new Client(TENSORS);
  const running = failureOf(own.infer("slow", { SECONDS }));
  assert.ok(await own.ready());
  own.close();
  assert.ok((await running) instanceof Cancelled);
  assert.ok(await own.ready());
  own.close();
});

/** The one slot of the slow model is had by the next request long before the last would have been done. */
async function slotIsFree(): Promise<void> {
  assert.equal((await client.chat("slow", "hello", { timeoutMs: 60_000 })).text, "hello");
}
