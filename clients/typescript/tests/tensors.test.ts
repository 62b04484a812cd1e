import assert from "node:assert/strict";
import { test } from "node:test";
import { type Datatype, InternalError, InvalidRequest, JubakoError, type Tensor, type TensorInput, texts } from "@jubako/client";
import { tensors as client } from "./servers.js";

const NOTHING = new Float32Array([Number.NaN, Number.POSITIVE_INFINITY, -0]);

/** A tensor of each datatype, and what comes back where it is not the same. */
const TENSORS: { [D in Datatype]: [given: TensorInput<D>, data?: Tensor<D>["data"]] } = {
  BOOL: [{ datatype: "BOOL", shape: [3], data: [true, false, true] }, Uint8Array.of(1, 0, 1)],
  UINT8: [{ datatype: "UINT8", shape: [2], data: Uint8Array.of(0, 255) }],
  UINT16: [{ datatype: "UINT16", shape: [2], data: Uint16Array.of(0, 65_535) }],
  UINT32: [{ datatype: "UINT32", shape: [2], data: [0, 4_294_967_295] }, Uint32Array.of(0, 4_294_967_295)],
  UINT64: [{ datatype: "UINT64", shape: [2], data: BigUint64Array.of(0n, 2n ** 64n - 1n) }],
  INT8: [{ datatype: "INT8", shape: [2], data: [-128, 127] }, Int8Array.of(-128, 127)],
  INT16: [{ datatype: "INT16", shape: [2], data: Int16Array.of(-32_768, 32_767) }],
  INT32: [{ datatype: "INT32", shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) }],
  INT64: [
    { datatype: "INT64", shape: [2], data: [-(2n ** 63n), 2n ** 63n - 1n] },
    BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  ],
  // 2049 has a bit more than FP16, and 257 one more than BF16: ties go to the even neighbour.
  FP16: [{ datatype: "FP16", shape: [4], data: [0.5, 2049, 2051, 6e-8] }, Float32Array.of(0.5, 2048, 2052, 2 ** -24)],
  BF16: [{ datatype: "BF16", shape: [3], data: [0.5, 257, 259] }, Float32Array.of(0.5, 256, 260)],
  FP32: [{ datatype: "FP32", shape: [3], data: NOTHING }],
  FP64: [{ datatype: "FP64", shape: [1], data: Float64Array.of(0.1) }],
  BYTES: [
    { datatype: "BYTES", shape: [3], data: ["é", "", Uint8Array.of(0xff)] },
    [new TextEncoder().encode("é"), new Uint8Array(), Uint8Array.of(0xff)],
  ],
};

test("tensors of all datatypes come back", async () => {
  const given = Object.entries(TENSORS).map(([datatype, [tensor]]) => [`IN_${datatype}`, tensor]);
  const found = await client.infer("types", Object.fromEntries(given));
  for (const [datatype, [{ shape, data }, expected]] of Object.entries(TENSORS)) {
    assert.deepEqual(found[`OUT_${datatype}`], { datatype, shape, data: expected ?? data });
  }
});

test("what is no number stays none, in halves too", async () => {
  const nothing = (datatype: "FP16" | "BF16"): TensorInput => ({ datatype, shape: [3], data: NOTHING });
  const others = Object.entries(TENSORS).map(([datatype, [tensor]]) => [`IN_${datatype}`, tensor]);
  const given = { ...Object.fromEntries(others), IN_FP16: nothing("FP16"), IN_BF16: nothing("BF16") };
  const found = await client.infer("types", given, { outputs: ["OUT_FP16", "OUT_BF16"] });
  assert.deepEqual([found.OUT_FP16?.data, found.OUT_BF16?.data], [NOTHING, NOTHING]);
  assert.equal(Object.keys(found).length, 2);
});

test("BYTES as texts", () => {
  const utf8 = new TextEncoder().encode("é");
  assert.deepEqual(texts({ datatype: "BYTES", shape: [1], data: [utf8] }), ["é"]);
  assert.throws(() => texts({ datatype: "BYTES", shape: [1], data: [Uint8Array.of(0xff)] }), TypeError);
  assert.throws(() => texts({ datatype: "BOOL", shape: [1], data: Uint8Array.of(1) }), TypeError);
});

test("versions by their numbers", async () => {
  const INPUT0 = { datatype: "FP32", shape: [2, 3], data: [0, 1, 2, 3, 4, 5] } as const;
  const first = await client.infer("identity:1", { INPUT0 });
  assert.deepEqual(first.OUTPUT0, { ...INPUT0, data: Float32Array.from(INPUT0.data) });
  const current = await client.infer("identity", { INPUT0 }, { parameters: { priority: 1 } });
  assert.deepEqual(
    current.OUTPUT0?.data,
    Float32Array.from(INPUT0.data, (number) => number * 2),
  );
});

test("a view of a part of an array is sent as that part", async () => {
  const part = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
  const { OUTPUT0 } = await client.infer("identity:1", { INPUT0: { datatype: "FP32", shape: [1, 2], data: part } });
  assert.deepEqual(OUTPUT0?.data, Float32Array.of(1, 2));
});

test("a large tensor", async () => {
  const data = Float32Array.from({ length: 500_000 }, (_, place) => place);
  const { OUTPUT0 } = await client.infer("identity:1", { INPUT0: { datatype: "FP32", shape: [1, data.length], data } });
  assert.deepEqual(OUTPUT0?.data, data);
});

test("parameters of all kinds, up to the largest", async () => {
  const input: TensorInput = { datatype: "FP32", shape: [1, 3], data: [1, 2, 3] };
  const parameters = { text: "é", share: 0.5, flag: true, count: 3, least: -(2n ** 63n), most: 2n ** 64n - 1n };
  const { OUTPUT0 } = await client.infer("identity:1", { INPUT0: input }, { parameters });
  assert.deepEqual(OUTPUT0?.data, Float32Array.of(1, 2, 3));
});

test("any number of answers", async () => {
  const pieces: number[] = [];
  for await (const { OUT } of client.inferStream("repeat", { IN: { datatype: "INT32", shape: [3], data: [3, 1, 2] } })) {
    pieces.push(Number(OUT?.data[0]));
  }
  assert.deepEqual(pieces, [3, 1, 2]);
});

test("what can't be sent, and what the server refuses", async () => {
  const infer = (tensor: object) => client.infer("identity", { INPUT0: tensor as TensorInput });
  await assert.rejects(infer({ datatype: "FP32", shape: [2, 2], data: [1, 2, 3] }), (error: InvalidRequest) => {
    assert.ok(error instanceof InvalidRequest);
    assert.match(error.message, /3 elements; its shape \[2, 2\] takes 4/);
    return error.param === "INPUT0";
  });
  await assert.rejects(infer({ datatype: "FP31", shape: [1], data: [1] }), /FP31/);
  await assert.rejects(infer({ datatype: "INT64", shape: [1], data: [1] }), InvalidRequest);
  await assert.rejects(infer({ datatype: "INT32", shape: [1, 1], data: [1] }), InvalidRequest);

  const stream = client.inferStream("nobody", {});
  await assert.rejects(stream.next(), (error) => error instanceof JubakoError && !(error instanceof InternalError));
});
