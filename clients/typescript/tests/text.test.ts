import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatDelta, Message } from "@jubako/client";
import { text as client } from "./servers.js";

const WEATHER = {
  name: "get_weather",
  description: "The weather in a city.",
  parameters: { type: "object", properties: { city: { enum: ["Oslo"] } }, required: ["city"], additionalProperties: false },
};

for (const messages of ["one two three", [{ role: "user", content: "one two three" }]] as const) {
  test(`a chat whole and streamed, from ${typeof messages}`, async () => {
    const answer = await client.chat("echo", messages, { maxTokens: 2 });
    assert.equal(answer.text, "one two");
    assert.equal(answer.finishReason, "length");
    assert.deepEqual([answer.model, answer.version, answer.usage.completionTokens], ["echo", 1, 2]);

    const stream = client.chatStream("echo", messages, { maxTokens: 2 });
    const deltas: ChatDelta[] = [];
    for await (const delta of stream) {
      deltas.push(delta);
    }
    assert.equal(deltas.map((delta) => delta.text).join(""), answer.text);
    assert.deepEqual({ ...stream.answer(), id: "" }, { ...answer, id: "" });
  });
}

test("several answers of a stream are kept apart", async () => {
  const stream = client.chatStream("echo", "one two", { n: 3 });
  for await (const _ of stream) {
  }
  assert.deepEqual(
    stream.answer().choices.map((choice) => [choice.index, choice.text]),
    [0, 1, 2].map((index) => [index, "one two"]),
  );
});

test("a turn goes on with the conversation", async () => {
  const { message } = await client.chat("echo", "hello");
  const turns: Message[] = [
    { role: "user", content: "hello" },
    message,
    { role: "user", content: [{ type: "text", text: "bye" }] },
  ];
  assert.equal((await client.chat("echo", turns)).text, "bye");
});

test("tools, in both shapes, whole and streamed", async () => {
  const asked = "What is the weather in Oslo?";
  const options = { toolChoice: "required", parallelToolCalls: false, maxTokens: 80, temperature: 0 } as const;
  const answer = await client.chat("smollm2", asked, { ...options, tools: [WEATHER] });
  assert.equal(answer.finishReason, "tool_calls");
  assert.deepEqual(JSON.parse(answer.toolCalls[0]?.arguments ?? ""), { city: "Oslo" });

  const wrapped = { type: "function", function: { ...WEATHER, parameters: JSON.stringify(WEATHER.parameters) } } as const;
  const stream = client.chatStream("smollm2", asked, { ...options, tools: [wrapped] });
  let pieces = 0;
  for await (const delta of stream) {
    pieces += delta.toolCalls.length;
  }
  assert.ok(pieces > 1);
  const [call] = stream.answer().toolCalls;
  assert.deepEqual([call?.name, JSON.parse(call?.arguments ?? "")], ["get_weather", { city: "Oslo" }]);

  const told: Message[] = [
    { role: "user", content: asked },
    answer.message,
    { role: "tool", content: "Rain.", toolCallId: answer.toolCalls[0]?.id },
  ];
  assert.ok((await client.chat("echo", told)).text);
});

test("a JSON Schema holds, and log probabilities come", async () => {
  const jsonSchema = {
    type: "object",
    properties: { good: { type: "boolean" } },
    required: ["good"],
    additionalProperties: false,
  };
  const answer = await client.chat("smollm2", "Is it good?", { jsonSchema, maxTokens: 40, temperature: 0, topLogprobs: 2 });
  assert.deepEqual(Object.keys(JSON.parse(answer.text)), ["good"]);
  const [token] = answer.choices[0]?.logprobs ?? [];
  assert.ok(token && token.logprob <= 0 && token.topLogprobs.length === 2);
  assert.equal(new TextDecoder().decode(token.tokenBytes), token.token);
});

test("a seed repeats an answer", async () => {
  const options = { seed: 7, temperature: 1, maxTokens: 12, stop: "\n" };
  const answers = await Promise.all([1, 2].map(() => client.chat("smollm2", "Tell a story.", options)));
  assert.equal(answers[0]?.text, answers[1]?.text);
});

test("completions of texts and of tokens", async () => {
  const answer = await client.complete("echo", ["a b", "c d"]);
  assert.deepEqual(
    answer.choices.map((choice) => choice.text),
    ["a b", "c d"],
  );
  const stream = client.completeStream("echo", "a b c");
  let said = "";
  for await (const delta of stream) {
    said += delta.text;
  }
  assert.deepEqual([said, stream.answer().text, stream.answer().finishReason], ["a b c", "a b c", "stop"]);
  const story = await client.complete("smollm2", "Once upon a", { maxTokens: 4, temperature: 0, echo: true });
  assert.ok(story.text.startsWith("Once upon a") && story.usage.completionTokens === 4);
  const tokens = await client.complete("smollm2", [28, 34, 51], { maxTokens: 2 });
  assert.equal(tokens.usage.promptTokens, 3);
  assert.equal((await client.complete("smollm2", [[28, 34], [51]], { maxTokens: 1 })).choices.length, 2);
});

test("vectors, an order, scores and classes", async () => {
  const vectors = await client.embed("echo", ["a text", "another"]);
  assert.deepEqual(
    vectors.map((vector) => [vector instanceof Float32Array, vector.length]),
    [
      [true, 8],
      [true, 8],
    ],
  );
  assert.equal((await client.embed("echo", "a text", { dimensions: 3 }))[0]?.length, 3);

  const scores = await client.score("echo", "a b", ["c", "a b"]);
  const [best, ...others] = await client.rerank("echo", "a b", ["c", "a b"], { topN: 1 });
  assert.deepEqual([best?.document, others.length], [["c", "a b"][best?.index ?? -1], 0]);
  assert.equal(scores[best?.index ?? -1], Math.max(...scores));
  const [bare] = await client.rerank("echo", "a b", ["c"], { returnDocuments: false });
  assert.equal(bare?.document, undefined);
  const [classes] = await client.classify("echo", "word");
  assert.deepEqual(new Set(classes?.probabilities.keys()), new Set(["short", "long"]));
  assert.ok((classes?.probabilities.get(classes.label) ?? 0) >= 0.5);
});

test("many at once share a connection, and a signal", async (context) => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on("warning", warned);
  context.after(() => process.off("warning", warned));
  const { signal } = new AbortController();
  const numbers = Array.from({ length: 50 }, (_, number) => `number ${number}`);
  const answers = await Promise.all(numbers.map((words) => client.chat("echo", words, { signal })));
  assert.deepEqual(
    answers.map((answer) => answer.text),
    numbers,
  );
  assert.deepEqual(warnings, []);
});
