// SPDX-License-Identifier: ISC
// Copyright (c) 2026 The gatewayd developers
//
// The vendor's own client against the fake: argv[2] is the fake's origin,
// argv[3] the package, for there are two versions of it.
import { books, check, equal, fails, origin, script } from "./sdk_checks.mjs";

const { default: Anthropic } = await import(process.argv[3]);
const client = new Anthropic({ apiKey: "test-key", baseURL: origin, maxRetries: 0 });
const ask = { model: "m", max_tokens: 64, messages: [{ role: "user", content: "how full?" }],
  tools: [{ name: "exec", description: "run", input_schema: { type: "object",
    properties: { command: { type: "string" } } } }] };
const TURN = { think: "hm well", sig: "c2ln", text: "Hi there.", calls: [{ id: "toolu_1",
  name: "exec", args: { command: "df -h" }, frag: 4 }],
  usage: { input: 10, output: 20, cache_read: 3, cache_write: 2 } };

for (const chunk of [0, 1, 7, 4096]) {
  await check(`stream: thinking, text, tool call; pieces of ${chunk || "whole events"}`, async () => {
    await script({ ...TURN, chunk });
    const m = await client.messages.stream(ask).finalMessage();
    equal(m.content.map((b) => b.type), ["thinking", "text", "tool_use"]);
    equal(m.content[0].thinking, "hm well");
    equal(m.content[0].signature, "c2ln");
    equal(m.content[1].text, "Hi there.");
    equal(m.content[2].input, { command: "df -h" });
    equal(m.stop_reason, "tool_use");
    equal([m.usage.input_tokens, m.usage.output_tokens, m.usage.cache_read_input_tokens,
      m.usage.cache_creation_input_tokens], [10, 20, 3, 2]);
  });
}
await check("stream: CRLF line ends", async () => {
  await script({ text: "a b c", sse_end: "CRLF" });
  equal((await client.messages.stream(ask).finalMessage()).content[0].text, "a b c");
});
await check("stream: events one by one", async () => {
  await script(TURN);
  const kinds = new Set();
  for await (const ev of await client.messages.create({ ...ask, stream: true })) kinds.add(ev.type);
  for (const k of ["message_start", "content_block_start", "content_block_delta",
    "content_block_stop", "message_delta", "message_stop"])
    if (!kinds.has(k)) throw new Error("missing " + k);
});
await check("whole message", async () => {
  await script(TURN);
  const m = await client.messages.create(ask);
  equal(m.content[2], { type: "tool_use", id: "toolu_1", name: "exec", input: { command: "df -h" } });
  equal(m.usage.output_tokens, 20);
});
await check("tool result round", async () => {
  await script(TURN, { text: "28 % full." });
  const m = await client.messages.create(ask);
  const r = await client.messages.create({ ...ask, messages: [...ask.messages,
    { role: "assistant", content: m.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "28%" }] }] });
  equal(r.content[0].text, "28 % full.");
  equal((await books()).violations, []);
});
await check("strict: a call without its result is refused", async () => {
  await script({ text: "x" });
  await fails(client.messages.create({ ...ask, messages: [...ask.messages,
    { role: "assistant", content: [{ type: "tool_use", id: "t", name: "exec", input: {} }] },
    { role: "user", content: "go on" }] }), (e) => e.status === 400 && /tool_use/.test(e.message));
});
await check("stream without message_stop raises", async () => {
  await script({ text: "half", cut: 5 });
  await fails(client.messages.stream(ask).finalMessage());
});
await check("error in mid-stream raises", async () => {
  await script({ text: "half", error_at_end: { type: "overloaded_error", message: "Overloaded" } });
  await fails(client.messages.stream(ask).finalMessage(), (e) => /verloaded/.test(e.message));
});
for (const [status, kind] of [[400, "BadRequestError"], [401, "AuthenticationError"],
  [403, "PermissionDeniedError"], [404, "NotFoundError"], [429, "RateLimitError"],
  [500, "InternalServerError"], [529, "OverloadedError"]]) {
  await check(`HTTP ${status} is ${kind}`, async () => {
    await script({ status });
    await fails(client.messages.create(ask), (e) => e.status === status && (e.constructor.name === kind || (status === 529 && e.constructor.name === "InternalServerError")) &&
      e.requestID === "req_fake" && e.error?.type === "error");
  });
}
await check("a wrong key is refused", async () => {
  await script({ text: "x" });
  const other = new Anthropic({ apiKey: "wrong", baseURL: origin, maxRetries: 0 });
  await fails(other.messages.create(ask), (e) => e.constructor.name === "AuthenticationError");
});
await check("retry-after-ms is honoured", async () => {
  await script({ status: 429, headers: { "retry-after-ms": "30" } }, { text: "second" });
  const patient = new Anthropic({ apiKey: "test-key", baseURL: origin, maxRetries: 2 });
  equal((await patient.messages.create(ask)).content[0].text, "second");
  equal((await books()).requests.length, 2);
});
await check("x-should-retry: false means one request", async () => {
  await script({ status: 500, headers: { "x-should-retry": "false" } }, { text: "second" });
  const patient = new Anthropic({ apiKey: "test-key", baseURL: origin, maxRetries: 2 });
  await fails(patient.messages.create(ask), (e) => e.status === 500);
  equal((await books()).requests.length, 1);
});
await check("abort in mid-stream", async () => {
  await script({ text: "one two three four", drip: 0.02, stall: true });
  const s = client.messages.stream(ask);
  s.on("text", () => s.abort());
  await fails(s.finalMessage(), (e) => e.constructor.name === "APIUserAbortError");
});
await check("count_tokens", async () => {
  await script();
  const n = await client.messages.countTokens({ model: "m", messages: ask.messages });
  if (!(n.input_tokens > 0)) throw new Error("no number");
});
