import assert from "node:assert/strict";
import { test } from "node:test";
import { ModelNotFound } from "@jubako/client";
import { tensors as client, text } from "./servers.js";

test("what is said of models", async () => {
  assert.deepEqual(
    new Set((await client.models()).map((version) => version.model)),
    new Set(["identity", "types", "slow", "repeat", "echo"]),
  );
  const version = await client.model("identity:1");
  assert.deepEqual([version.version, version.state, version.tasks], [1, "ready", ["infer"]]);
  assert.deepEqual(version.signature?.inputs, [
    { name: "INPUT0", datatype: "FP32", shape: [-1], optional: false, labels: [], description: "", ragged: false, content: "" },
  ]);
  assert.deepEqual(version.signature?.outputs[0]?.labels, ["cat", "dog", "bird"]);
  assert.equal(version.signature?.maxBatchSize, 8);
  assert.ok(version.created > 1_600_000_000);
  assert.match(version.interfaceDigest, /^[0-9a-f]{64}$/);
  assert.deepEqual(
    (await client.versions("identity")).map((each) => each.version),
    [1, 2],
  );
  assert.ok((await client.model("repeat")).signature?.decoupled);
});

test("a model of text has no signature, and a context", async () => {
  const version = await text.model("smollm2");
  assert.equal(version.signature, undefined);
  assert.equal(version.contextLength, 2048);
  assert.ok(version.tasks.includes("chat") && version.servedNames.includes("smollm2:135m"));
});

test("what is ready", async () => {
  assert.ok(await client.ready());
  assert.ok(await client.ready("identity"));
  assert.equal(await client.ready("nobody"), false);
  await assert.rejects(client.model("nobody"), ModelNotFound);
});
