import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { Client, DeadlineExceeded, Overloaded, Unreachable } from "@jubako/client";
import { FaultyServer, type Refusal, SENTENCE } from "./faulty.js";
import { COMMAND, RESTARTED } from "./servers.js";

const AWAY = { code: status.UNAVAILABLE };
const FULL = { code: status.RESOURCE_EXHAUSTED };

const CASES: Readonly<Record<string, [refusals: Refusal[], calls: number, error?: string]>> = {
  "a server that is away for a moment": [[AWAY, AWAY], 3],
  "one that is away for longer": [[AWAY, AWAY, AWAY], 3, "Unreachable"],
  "a model that is loading": [[{ ...AWAY, reason: "model_not_ready" }], 2],
  "a full queue that says when to come back": [[{ ...FULL, retryAfterMs: 100 }], 2],
  "a full queue that does not": [[FULL], 1, "Overloaded"],
  "an instance that died": [[{ ...AWAY, reason: "instance_lost" }], 1, "InstanceLost"],
  "a mistake": [[{ code: status.INVALID_ARGUMENT }], 1, "InvalidRequest"],
};

for (const [name, [refusals, calls, error]] of Object.entries(CASES)) {
  test(`what is asked again: ${name}`, async () => {
    using server = new FaultyServer(refusals);
    using client = new Client(await server.start());
    if (error === undefined) {
      assert.deepEqual(await client.models(), []);
    } else {
      await assert.rejects(client.models(), { name: error, message: SENTENCE });
    }
    assert.equal(server.calls.length, calls);
  });
}

test("what may change something is asked once", async () => {
  using server = new FaultyServer([AWAY]);
  using client = new Client(await server.start());
  await assert.rejects(client.load("model", { retries: 5 }), Unreachable);
  assert.equal(server.calls.length, 1);
});

test("the wait is as long as the server says, and no longer than the call may take", async () => {
  using server = new FaultyServer([
    { ...FULL, retryAfterMs: 60_000 },
    { ...FULL, retryAfterMs: 500 },
  ]);
  using client = new Client(await server.start());
  await assert.rejects(client.models({ timeoutMs: 59_000 }), (error) => error instanceof Overloaded && error.retryAfter === 60);
  const begun = performance.now();
  assert.deepEqual(await client.models(), []);
  assert.ok(performance.now() - begun >= 499); // Node's timers count whole milliseconds
});

test("metadata", async () => {
  using server = new FaultyServer([AWAY]);
  using client = new Client(await server.start(), { apiKey: "secret", timeoutMs: 60_000 });
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  await client.models({ traceparent, requestId: "mine" });
  await client.models();
  const [first, again, other] = server.calls.map((call) => call.getMap());
  assert.deepEqual([first?.["x-request-id"], first?.authorization, first?.traceparent], ["mine", "Bearer secret", traceparent]);
  assert.deepEqual(again?.["x-request-id"], "mine");
  assert.match(String(other?.["x-request-id"]), /^req-[0-9a-f]{32}$/);
  assert.equal(other?.traceparent, undefined);
});

test("nobody there", async () => {
  using client = new Client("127.0.0.1:1", { retries: 1 });
  assert.equal(await client.ready(), false);
  await assert.rejects(client.models(), Unreachable);
  using stream = new Client("127.0.0.1:1", { retries: 0 });
  await assert.rejects(stream.chatStream("echo", "hello")[Symbol.asyncIterator]().next(), Unreachable);
});

test("a connection that breaks during the call", async () => {
  const sockets: Socket[] = [];
  const server = createServer();
  server.on("connection", (socket: Socket) => sockets.push(socket));
  server.on("session", (session) => session.on("error", () => undefined));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    sockets.at(-1)?.destroy();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  using client = new Client(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  await assert.rejects(client.models(), Unreachable);
  assert.equal(sockets.length, 3);
  await assert.rejects(client.load("model"), Unreachable);
  assert.equal(sockets.length, 4);
  server.close();
});

test("a call waits for a server that is restarted", { timeout: 170_000 }, async (context) => {
  let server = start();
  context.after(() => server.kill("SIGTERM"));
  using client = new Client(`127.0.0.1:${RESTARTED}`, { retries: 100, timeoutMs: 80_000 });
  assert.equal((await client.chat("echo", "before")).text, "before");

  server.kill("SIGTERM");
  await once(server, "exit");
  await assert.rejects(client.chat("echo", "too soon", { retries: 0 }), Unreachable);
  await assert.rejects(client.chat("echo", "too soon", { timeoutMs: 300 }), anyOf(Unreachable, DeadlineExceeded));

  const waiting = client.chat("echo", "after");
  const stream = client.chatStream("echo", "streamed");
  server = start();
  assert.equal((await waiting).text, "after");
  for await (const _ of stream) {
  }
  assert.equal(stream.answer().text, "streamed");
  server.kill("SIGTERM");
  await once(server, "exit");
});

function start(): ChildProcess {
  const [program, ...words] = COMMAND;
  return spawn(program, words, { stdio: "ignore" });
}

function anyOf(...kinds: readonly (new (...given: never[]) => Error)[]): (error: unknown) => boolean {
  return (error) => kinds.some((kind) => error instanceof kind);
}
